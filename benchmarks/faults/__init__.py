"""A plant that can be broken on purpose, and a real safety process before it."""

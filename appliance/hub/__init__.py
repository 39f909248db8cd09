"""The hub: sources, the one road of every batch, and the window on it."""

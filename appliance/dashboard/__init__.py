"""A window for people: a terminal on the link, and nothing else."""

"""Composition roots: each chooses, joins and starts; nothing imports them."""

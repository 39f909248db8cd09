"""A plant on the other side of the wire; it imports nothing of the product."""

"""One folder per field protocol; siblings never import each other."""

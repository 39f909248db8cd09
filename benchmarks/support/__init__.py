"""What benchmarks need to be run: the other sides."""

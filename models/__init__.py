"""What is learned, from data to bundle."""

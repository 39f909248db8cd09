"""Documentation, and what generates its reference."""

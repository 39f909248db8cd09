"""How a better model comes into force, and how to go back."""

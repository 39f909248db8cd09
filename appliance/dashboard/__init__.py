"""The window for people: a terminal, on the link alone. Losing it stops nothing."""

"""Numbered migrations, forward only: `NNNN_what.sql`."""

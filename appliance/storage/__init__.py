"""The buffer: samples in chunks, events, and the outbox, in one SQLite file."""

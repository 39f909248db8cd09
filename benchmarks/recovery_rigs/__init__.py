"""What the recovery matrix runs on: servers with a known truth behind a relay."""

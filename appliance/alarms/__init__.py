"""Alarms: what an operator must act on, and who has seen it (ISA-18.2)."""

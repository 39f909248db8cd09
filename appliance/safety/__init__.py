"""The stop request: alone in its process, provable, never late by another's fault."""

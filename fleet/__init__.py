"""The cloud half: ingest and the lake. Sees the domain, the wire and the models."""

"""The cloud half: ingest, lake and analysis."""

"""The uplink: outbox → MQTT → acknowledged → marked. The only way to the internet."""

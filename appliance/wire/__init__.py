"""Pure codec of link, uplink and outbox rows; used by link, sync and fleet."""

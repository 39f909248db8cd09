"""The local socket: a window for people and the door between our processes."""

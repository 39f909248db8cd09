"""The edge half of Wheeltapper: all that runs on the gateway."""

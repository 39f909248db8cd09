"""The response of the stop, measured: the PLC, the subjects, the verdict."""

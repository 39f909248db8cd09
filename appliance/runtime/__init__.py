"""What every process needs from the machine: clock, settings, plug-ins, logs."""

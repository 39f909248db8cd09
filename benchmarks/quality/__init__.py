"""Public benchmarks of detection: their files, their rules, plain detectors beside."""

"""Sources kept running; a lost source becomes bad samples, never silence."""

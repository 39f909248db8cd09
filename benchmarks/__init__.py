"""Programs that measure the product beside a baseline in the same run."""

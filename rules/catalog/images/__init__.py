"""Which images containers run."""

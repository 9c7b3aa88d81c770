"""What copies do when their leader changes leverage or margin, or takes money out: each by its own
settings, once for each change."""

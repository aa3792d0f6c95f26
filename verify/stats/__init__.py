"""Statistics that a verdict rests on; every function takes its seed, none keeps state."""

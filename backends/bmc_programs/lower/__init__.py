"""What losses and metrics are in NumPy, in which every program evaluates."""

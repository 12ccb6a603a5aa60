"""Files of weights: what a model expects, and what a file has."""

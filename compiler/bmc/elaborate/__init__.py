"""From the tree as written to the IR of models."""

"""From the tree as written to the program as meant."""

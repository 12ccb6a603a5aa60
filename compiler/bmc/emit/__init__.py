"""From program text as nodes to program text as characters."""

"""The sections `data`, `train` and `predict`: from the tree to what they mean."""

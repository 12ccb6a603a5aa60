"""Completion scripts for shells, which `bmc completion SHELL` prints. `generate` writes them."""

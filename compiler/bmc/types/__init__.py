"""Sizes that remember how they were computed, and the types of values."""

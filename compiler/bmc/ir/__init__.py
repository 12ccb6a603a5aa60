"""The intermediate representation: what a program means."""

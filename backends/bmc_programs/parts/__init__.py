"""Functions that are copied, as they stand, into the data programs that need them.

They use numpy, the standard library and, for pictures, Pillow. Each is documented for
the reader of a generated program.
"""

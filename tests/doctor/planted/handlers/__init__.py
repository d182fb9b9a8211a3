"""A package that imports nothing."""

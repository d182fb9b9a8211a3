"""A small app that the tests send signals with."""

"""Databases in trouble: the fault is really made, and the project goes on."""

"""Looks after what is stored: adds up roll-ups as they age, and deletes what is old."""

"""Who did what: entries of the activity log, and what they are made from."""

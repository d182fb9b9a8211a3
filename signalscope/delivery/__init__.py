"""When and where a receiver runs, if not here and now."""

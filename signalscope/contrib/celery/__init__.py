"""Lets Celery's tasks carry who queued them, and gives each a trace of its own."""

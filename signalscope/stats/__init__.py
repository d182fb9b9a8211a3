"""The read side: the only place that adds up rows."""

"""Who and what is behind the work in hand."""

"""Where finished traces go."""

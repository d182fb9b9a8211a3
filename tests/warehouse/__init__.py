"""Models whose changes receivers ask for; no other test watches them."""

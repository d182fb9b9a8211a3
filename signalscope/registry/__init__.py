"""Which signals there are, and who is connected to them."""

"""What a visitor does to see each pattern; the demo takes all of them."""

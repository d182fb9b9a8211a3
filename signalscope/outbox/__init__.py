"""Deliveries that are stored: written with the sender's work, claimed, run, tried again."""

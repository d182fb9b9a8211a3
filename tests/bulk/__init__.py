"""Bulk signals, and an app of models whose managers send them."""

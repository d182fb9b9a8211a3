"""Decides which receivers of a dispatch are called."""

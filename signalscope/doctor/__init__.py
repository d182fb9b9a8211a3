"""Finds receivers that do harm, or nothing at all, and says why and what to do."""

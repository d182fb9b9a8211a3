"""Joins signalscope to Signal; the only package that assigns to a class of Django's."""

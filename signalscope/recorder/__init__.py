"""Turns what the instrument reports into finished traces, and hands them to a writer."""

"""Tests of signalscope.upkeep."""

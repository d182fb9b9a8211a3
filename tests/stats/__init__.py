"""Tests of what adds up rows."""

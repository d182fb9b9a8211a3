"""Looks at the example project with a browser."""

"""Runnable comparisons with bare Django; ``python -m benchmarks`` runs them all."""

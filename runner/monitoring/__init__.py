"""Metrics for Prometheus, out of one catalogue: what a watch counts, and what queries read.

Only reads, waits for no lock, and for no server longer than a limit. Rooms it imports: servers,
retraining, advice, build.
"""

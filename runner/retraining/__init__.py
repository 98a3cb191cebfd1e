"""Versions of models: which one decides, which forecasts in shadow, and who says so.

Rooms it imports: client, servers.
"""

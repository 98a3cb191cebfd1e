"""Versions of models: which one decides, which forecasts in shadow, and how the next one is made.

``queue`` and ``worker`` retrain; a trainer runs in a process of its own. Rooms it imports: servers,
client.
"""

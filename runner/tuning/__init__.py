"""Settings of the ensemble: searched genetically, tried walk-forward, proposed, never applied.

Rooms it imports: client, servers.
"""

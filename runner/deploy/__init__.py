"""Deploys: migrations on the primary, replication that follows them, and how to take both back.

Rooms it imports: servers, replication.
"""

"""Deploys: migrations on the primary, replication that follows them, and the rollback of both.

Rooms it imports: servers, replication, platform.
"""

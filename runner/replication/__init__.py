"""Replication: publication, slot, subscription, landing tables, and proof that all has arrived.

The fence, copies and comparisons tell whether the replica holds what the primary does; ``sync``
makes it so. Rooms it imports: servers.
"""

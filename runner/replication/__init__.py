"""Replication: publication, slot, subscription, landing tables, and proof that all rows arrived.

The fence, copies and comparisons check that the replica holds the primary's rows; ``sync`` sets
replication up. Rooms it imports: servers, platform.
"""

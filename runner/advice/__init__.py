"""Advice: what the marts of the databases' costs find worth a change, ranked, with the mend.

Only reads, and only on the replica. Rooms it imports: servers.
"""

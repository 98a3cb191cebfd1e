"""What the databases cost: samples of both servers' statistics, kept on the replica.

Only reads on the primary, and waits for no lock there. Rooms it imports: servers.
"""

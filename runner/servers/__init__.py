"""The two servers: connections, logins, locks, and what their catalogs and the contract tell.

Nothing here knows what is replicated, deployed or built. Rooms it imports: none.
"""

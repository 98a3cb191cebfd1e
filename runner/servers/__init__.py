"""The two servers: connections, logins, locks, and what their catalogs and the contract tell.

Nothing here replicates, deploys or builds. Rooms it imports: none.
"""

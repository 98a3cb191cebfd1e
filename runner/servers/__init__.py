"""The two servers: connections, logins, locks, catalogs, and the contract.

Nothing here replicates, deploys or builds. Rooms it imports: platform.
"""

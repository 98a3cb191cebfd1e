"""A mapping file proposed for a platform that runs, and checked against it.

The primary's catalog and a sample of its rows are read in a read-only transaction. Rooms it
imports: servers, replication, platform.
"""

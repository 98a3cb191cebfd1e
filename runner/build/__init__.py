"""Builds: the marts made from all that has arrived, once or round by round as rows arrive.

dbt runs here and nowhere else. Rooms it imports: servers, replication.
"""

"""Builds: marts from all arrived rows, once or round by round as rows arrive.

dbt runs here and nowhere else. Rooms it imports: servers, replication, platform.
"""

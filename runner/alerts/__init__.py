"""A word when it matters: the rules of ``alerts.yml``, what was told, and channels.

Reads marts as builds may, and writes its own books alone. Rooms it imports: servers, replication,
doctor.
"""

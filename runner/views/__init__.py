"""The dashboard and the report, which read the marts as ``bi_reader``.

Only the command line and the demo import it. Rooms it imports: servers, client, replication.
"""

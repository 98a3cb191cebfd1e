"""What people look at: the dashboard and the report, which ask the marts as ``bi_reader``.

Only the command line and the demo import it. Rooms it imports: servers, client, replication.
"""

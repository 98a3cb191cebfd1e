"""The dashboard and the report, which read the marts as ``bi_reader``.

``asked`` is what both are asked for, ``sections`` what both show, on a ``surface``: a page or
the report. ``tables`` and ``charts`` are what a section puts there.

Only the command line and the demo import it. Rooms it imports: servers, client, replication.
"""

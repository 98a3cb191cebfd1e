"""The report: the dashboard's facts for a period in one HTML file that needs no server.

``write`` makes it; a ``draft`` is what its sections draw on.
"""

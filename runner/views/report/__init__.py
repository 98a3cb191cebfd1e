"""The report: the dashboard's facts for a period in one HTML file that needs no server.

``write`` makes it; a ``draft`` collects what the sections find, and each other module has the
sections of a subject.
"""

"""The dashboard: pages over the marts, read as ``bi_reader`` on the replica.

Its questions (``sql``, ``marts``) and its words (``wording``) are the report's as well.
"""

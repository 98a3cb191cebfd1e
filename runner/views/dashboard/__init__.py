"""The dashboard: pages over the marts, read as ``bi_reader`` on the replica."""

"""Advice: what the marts of the databases' costs find worth a change, ranked, with the mend.

Works on the replica alone; what proofs write there is taken back. Rooms it imports: servers.
"""

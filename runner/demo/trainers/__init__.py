"""Reference trainers: each learns from a training set what a demo's AI module of its kind learns.

They are entry points of the group ``signal_marts.trainers``, and take the numbers of the last
version's configuration, or those of their options.
"""

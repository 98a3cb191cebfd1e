"""The demo: a market replayed through three AI modules, as a platform would run them.

The embedded pair of servers that it runs on is here as well. Only the command line imports it.
Rooms it imports: servers, client, replication, retraining, tuning,
deploy, build, store_import, views.
"""

"""The command line: thin commands over the rooms' functions; stdout is data, stderr is progress.

A command loads its modules when it runs. Nothing imports it. Rooms it imports: servers, client,
replication, deploy, build, doctor, views, store_import, demo, platform.
"""

from runner.cli import building, deploying, importing, looking, pair
from runner.cli.entry import cli, main

__all__ = ["building", "cli", "deploying", "importing", "looking", "main", "pair"]

"""The command line: thin commands over the rooms' functions; stdout is data, stderr is progress.

A command loads its modules when it runs. Nothing imports it. Rooms it imports: servers, client,
replication, deploy, build, doctor, views, store_import, demo, platform,
adopt, retraining, tuning, observation, advice, monitoring, alerts.
"""

from runner.cli import (  # noqa: F401 - each adds its commands
    adopting,
    advising,
    alerting,
    building,
    deploying,
    importing,
    looking,
    models,
    pair,
    retraining,
    tuning,
)
from runner.cli.entry import cli, main

__all__ = ["cli", "main"]

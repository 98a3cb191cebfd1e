"""The command line in a process, with an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import children

from runner.settings import PROJECT

BIN = Path(sys.executable).parent


def clean_environment(**variables: str) -> dict[str, str]:
    """The environment without settings of ours or libpq's, and with these."""
    ours = ("PRIMARY_URL", "DATABASE_URL", "REPLICA_URL", "REPLICATION_URL")
    kept = {k: v for k, v in os.environ.items() if k not in ours and not k.startswith("PG")}
    return kept | variables


def run(
    *command: str, env: dict[str, str], cwd: Path = PROJECT
) -> subprocess.CompletedProcess[str]:
    return children.run(
        [str(BIN / command[0]), *command[1:]], env=env, cwd=cwd, capture_output=True, text=True
    )


def marts(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return children.completed(children.Forked(*arguments, env=env, cwd=PROJECT, text=True, **pipes))

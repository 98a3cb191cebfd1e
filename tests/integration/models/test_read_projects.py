"""What tests take as read of the project is what dbt reads for the same names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import children
import msgpack
import pytest
import read_projects
from command_line import BIN
from landscapes import PARSE

from runner.settings import PROJECT


def read(database: str, target: Path, prefix: str = "") -> bytes:
    """A partial parse that dbt alone writes."""
    children.run(
        [
            *(BIN / "dbt", "--quiet", "parse", "--target", "dev" if prefix else "prod"),
            *("--target-path", target, "--log-path", target),
        ],
        # The order of a model's sources is that of a set.
        env=os.environ
        | {"PGDATABASE": database, "DBT_SCHEMA_PREFIX": prefix, "PYTHONHASHSEED": "0"},
        cwd=PROJECT,
        check=True,
    )
    return (target / PARSE).read_bytes()


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        left_out = ("created_at", "metadata", "state_check")
        return {key: without_times(each) for key, each in value.items() if key not in left_out}
    return [without_times(each) for each in value] if isinstance(value, list) else value


@pytest.mark.long
@pytest.mark.parametrize("prefix", ["", "full"])
def test_renamed_as_dbt_reads_it(prefix: str, tmp_path: Path) -> None:
    whole = read(read_projects.DATABASE, tmp_path / "whole")
    expected = read("analytics_2", tmp_path / "expected", prefix)
    renamed = read_projects.renamed(whole, "analytics_2", prefix)
    assert without_times(msgpack.unpackb(renamed)) == without_times(msgpack.unpackb(expected))

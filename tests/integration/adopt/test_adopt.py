"""Platforms of others' making: the file that is proposed for each, its marts, and changes to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from landscapes import Landscape, drop_landscape, make_landscape
from other_platforms import BERLIN, ORDERS_ONLY, PRISMA

from runner.cli import cli
from runner.demo.embedded import EmbeddedPair

PLATFORMS = {"prisma": PRISMA, "berlin": BERLIN, "orders only": ORDERS_ONLY}


@pytest.fixture(params=PLATFORMS)
def platform(
    request: pytest.FixtureRequest,
    pair: EmbeddedPair,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[tuple[str, Landscape]]:
    made = make_landscape(pair, pair.urls().replica, template="template1")
    with made.primary.connect() as connection:
        connection.execute(PLATFORMS[request.param])
    monkeypatch.setenv("PRIMARY_URL", made.primary.url)
    monkeypatch.setenv("REPLICA_URL", made.replica.url)
    monkeypatch.setenv("SIGNAL_MARTS_PLATFORM", str(tmp_path / "platform.yml"))
    yield request.param, made
    drop_landscape(made)


def run(*arguments: str) -> str:
    done = CliRunner().invoke(cli, arguments)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.output
    return done.stdout + done.stderr


def test_adopt(platform: tuple[str, Landscape], tmp_path: Path) -> None:
    name, landscape = platform
    print(run("adopt", "--yes", *(["--timezone", "Europe/Berlin"] if name == "berlin" else [])))
    print(run("adopt", "--check"))
    return
    landscape.deploy()
    built = landscape.build(tmp_path / "dbt")
    print([(n.name, n.status, n.message) for n in built.nodes if n.is_failure or n.is_warning])
    print(landscape.on_replica("select * from performance.trades"))
    print(landscape.on_replica("select * from operations.rejected_rows"))
    print(landscape.on_replica("select * from mapped.trading_orders"))

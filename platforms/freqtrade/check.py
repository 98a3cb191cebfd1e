"""freqtrade adopted as its users would: the bot makes its tables and trades, then a stopwatch runs.

``make freqtrade`` runs it; the first argument is the folder of programs of the bot's environment.
From ``adopt`` to a green build, no file is edited. Then each closed trade's profit is compared with
the bot's own figure, and the days with the sums of the bot's trades.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg

from runner.demo.embedded import EmbeddedPair
from runner.settings import PROJECT

LIMIT = 600
# The bot rounds the profit of each exit to 8 decimals.
CLOSE = 2e-8


def main() -> int:
    programs = Path(sys.argv[1]).absolute()
    with tempfile.TemporaryDirectory(prefix="freqtrade-") as folder:
        Path(folder).chmod(0o755)
        pair = EmbeddedPair(Path(folder) / "home")
        urls = pair.up()
        try:
            return compare(programs, Path(folder), urls.primary, urls.replica, str(urls.passfile))
        finally:
            pair.down()


def compare(programs: Path, folder: Path, primary: str, replica: str, passfile: str) -> int:
    environment = {
        **os.environ,
        "PGPASSFILE": passfile,
        "PRIMARY_URL": primary,
        "REPLICA_URL": replica,
        "SIGNAL_MARTS_PLATFORM": str(folder / "platform.yml"),
        "DBT_TARGET_PATH": str(folder / "target"),
        "DBT_LOG_PATH": str(folder / "logs"),
    }
    url = primary.replace("postgresql://", "postgresql+psycopg2://")
    trading = [programs / "python", PROJECT / "platforms/freqtrade/trade.py", url, "7"]
    told = json.loads(run(trading, environment).rpartition("\n")[2])
    begun = time.monotonic()
    for command in (
        ("adopt", "--preset", "freqtrade", "--yes"),
        ("adopt", "--check"),
        ("deploy",),
        ("build",),
    ):
        run([sys.executable, "-m", "runner", *command], environment)
    took = time.monotonic() - begun
    with psycopg.connect(replica, passfile=passfile) as connection:
        found = dict(
            connection.execute(
                "select orders.trade_plan_id, sum(trades.net_profit) from performance.trades"
                " inner join staging.stg_platform__trading_orders as orders"
                " on trades.opening_order_id = orders.order_id group by 1"
            ).fetchall()
        )
        unreconciled = connection.execute(
            "select count(*) from performance.daily_performance where not is_reconciled"
        ).fetchone()
        rejected = connection.execute("select count(*) from operations.rejected_rows").fetchone()
    differing = [
        (each["id"], each["profit"], found.get(each["id"]))
        for each in told
        if abs(float(found.get(each["id"], "nan")) - each["profit"]) >= CLOSE
        or each["id"] not in found
    ]
    print(f"{len(told)} trades closed by the bot; {len(differing)} with another profit here")  # noqa: T201
    # The bot has the profit of all exits on the day of the last one.
    print(f"days that differ: {unreconciled}; rows set aside: {rejected}")  # noqa: T201
    print(f"from adopt to a green build: {took:.0f} s")  # noqa: T201
    for each in differing[:10]:
        print(f"  trade {each[0]}: the bot says {each[1]}, the marts say {each[2]}")  # noqa: T201
    return 1 if differing or rejected != (0,) else 0


def run(command: list[str | Path], environment: dict[str, str]) -> str:
    done = subprocess.run(
        command, env=environment, cwd=PROJECT, timeout=LIMIT, check=False, text=True,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} ended with {done.returncode}")
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())

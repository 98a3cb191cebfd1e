"""The growth of a full build with the data, and the cost of each mart against hand-written SQL.

Two replicas are filled in the same run, one with twice the history of the other (1 million signals,
1 million bars and 500,000 orders of 200 symbols by default), and built by one thread, so that
models do not disturb one another. A model whose seconds grow more than 2.3 times is flagged. Then
each mart's own seconds, and the seconds of all models that it depends on, stand beside the most
direct SQL on the raw tables that gives the same result (sql/, where ``{trades}`` stands for the
text of trades.sql). Marts about builds, such as ensemble_publications, have no such SQL; neither
has model_skill, which by hand is a page of rank correlations.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
from scale import FULL, SMALL, Size, add_history, deployed_replica, servers

from runner.build import transform
from runner.servers.database import Database

HAND_WRITTEN = Path(__file__).parent / "sql"
LARGEST_RATIO = 2.3
# Below this, starting a statement takes longer than its work.
LEAST_SECONDS = 0.5
PATIENCE_SECONDS = 30
_RETRIES = 3


@dataclass(frozen=True)
class Built:
    """Seconds of each model, and the models that each mart depends on, itself included."""

    seconds: dict[str, float]
    lineage: dict[str, set[str]]

    def total(self, mart: str) -> float:
        return sum(self.seconds[name] for name in self.lineage[mart])


def main(arguments: Sequence[str] | None = None) -> None:
    """Fill, build, and print the two tables."""
    size = _size(arguments)
    target = Path(tempfile.mkdtemp(prefix="signal-marts-bench-"))
    try:
        with servers() as pair:
            replicas, built = [], []
            for factor in (1, 2):
                replicas.append(deployed_replica(pair, f"scale_{factor}"))
                add_history(replicas[-1], size.times(factor))
                built.append(build(replicas[-1], target))
            # Other work on the machine may have slowed a model: suspects are tried again, in turn.
            suspects = superlinear(*built)
            for _ in range(_RETRIES if suspects else 0):
                for replica, before in zip(replicas, built, strict=True):
                    again = build(replica, target, suspects).seconds
                    before.seconds.update(
                        {name: min(again[name], before.seconds[name]) for name in suspects}
                    )
            _print_growth(size, *built)
            _print_hand_written(replicas[-1], built[-1])
    finally:
        shutil.rmtree(target)


def build(replica: Database, target: Path, select: Sequence[str] = ()) -> Built:
    """Build models, all by default, without tests, and tell how long each took."""
    result = transform.build(
        {**replica.environment(), "DBT_THREADS": "1"},
        advance=lambda done, total, at: None,
        select=select,
        exclude=("resource_type:test", "resource_type:unit_test"),
        full_refresh=True,
        target=target,
    )
    if result.failures:
        raise SystemExit("\n".join(f"{node.name}: {node.message}" for node in result.failures))
    seconds = {node.name: node.seconds for node in result.nodes if node.kind == "model"}
    manifest = json.loads((target / "manifest.json").read_text())
    return Built(seconds, _lineage(manifest["parent_map"], seconds))


def superlinear(once: Built, twice: Built) -> list[str]:
    """Models whose seconds grew too much with twice the rows."""
    return [
        name
        for name, seconds in once.seconds.items()
        if seconds >= LEAST_SECONDS and twice.seconds[name] > LARGEST_RATIO * seconds
    ]


def hand_written() -> dict[str, str]:
    """The SQL of each mart that has some, by the mart's name."""
    texts = {path.stem: path.read_text() for path in sorted(HAND_WRITTEN.rglob("*.sql"))}

    def whole(name: str) -> str:
        text = texts[name]
        for part in texts:
            if f"{{{part}}}" in text:
                text = text.replace(f"{{{part}}}", whole(part))
        return text

    return {path.stem: whole(path.stem) for path in sorted(HAND_WRITTEN.glob("*.sql"))}


def _size(arguments: Sequence[str] | None) -> Size:
    half = FULL.times(0.5)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a quick try")
    for name in ("signals", "bars", "orders", "symbols"):
        parser.add_argument(
            f"--{name}", type=int, default=getattr(half, name), help="of the smaller history"
        )
    chosen = parser.parse_args(arguments)
    if chosen.small:
        return SMALL
    return Size(chosen.signals, chosen.bars, chosen.orders, chosen.symbols)


def _lineage(
    parents: Mapping[str, Sequence[str]], seconds: Mapping[str, float]
) -> dict[str, set[str]]:
    def of(key: str) -> set[str]:
        found = {key.rpartition(".")[2]} & seconds.keys()
        return found.union(*map(of, parents.get(key, ())))

    return {key.rpartition(".")[2]: of(key) for key in parents if key.startswith("model.")}


def _print_growth(size: Size, once: Built, twice: Built) -> None:
    double = size.times(2)
    print(
        f"full build, one thread, seconds: {size.signals:,} signals, {size.bars:,} bars,"
        f" {size.orders:,} orders of {size.symbols} symbols; and twice as many"
    )
    flagged = superlinear(once, twice)
    for name, seconds in sorted(twice.seconds.items(), key=lambda each: -each[1]):
        if seconds >= LEAST_SECONDS:
            ratio = seconds / once.seconds[name]
            flag = f"   above {LARGEST_RATIO}" if name in flagged else ""
            print(f"  {name:34}{once.seconds[name]:10.2f}{seconds:10.2f}   {ratio:8.2f} x{flag}")
    first, second = sum(once.seconds.values()), sum(twice.seconds.values())
    print(f"  {'all models':34}{first:10.2f}{second:10.2f}   {second / first:8.2f} x")
    print(f"  above {LARGEST_RATIO} x: {', '.join(flagged) or 'none'}")
    print(f"each mart at {double.signals:,} signals beside hand-written SQL, seconds")


def _print_hand_written(replica: Database, built: Built) -> None:
    print(f"  {'':34}{'mart':>10}{'with its':>10}{'hand-':>10}")
    print(f"  {'':34}{'alone':>10}{'models':>10}{'written':>10}")
    for mart, statement in hand_written().items():
        seconds = _seconds_of(replica, statement)
        total = built.total(mart)
        took = f"{seconds:10.2f}   {total / seconds:8.2f} x" if seconds else "   gave up"
        print(f"  {mart:34}{built.seconds[mart]:10.2f}{total:10.2f}{took}")


def _seconds_of(replica: Database, statement: str) -> float | None:
    """Seconds to make a table of the result; None where it takes too long."""
    with replica.connect() as connection:
        connection.execute(
            "select set_config('statement_timeout', %s, true)", (f"{PATIENCE_SECONDS}s",)
        )
        start = time.perf_counter()
        try:
            connection.execute(f"create table public.bench_result as {statement}".encode())
        except psycopg.errors.QueryCanceled:
            connection.rollback()
            return None
        taken = time.perf_counter() - start
        connection.rollback()
        return taken


if __name__ == "__main__":
    main()

"""The command line as a user has it: a process, its output, its exit code."""

from __future__ import annotations

import gzip
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import children
import psycopg
import pytest
import yaml
from command_line import clean_environment, marts, run
from landscapes import Landscape
from mortal_servers import public_folder

from runner.build.builds import report_build
from runner.build.transform import Build, Node
from runner.demo.embedded import EmbeddedPair
from runner.errors import Failure
from runner.settings import PROJECT

DEMO = ("demo", "--days", "20", "--seed", "3")
HEADER = "symbol,timeframe,opened_at,open,high,low,close,volume\n"


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A home of its own that the demos of this file share."""
    with public_folder() as folder:
        yield folder / "home"
        EmbeddedPair(folder / "home").destroy()


@pytest.fixture(scope="module")
def empty_environment(home: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    target = tmp_path_factory.mktemp("dbt")
    return clean_environment(
        SIGNAL_MARTS_HOME=str(home),
        DBT_TARGET_PATH=str(target),
        DBT_LOG_PATH=str(target / "logs"),
    )


@pytest.fixture(scope="module")
def first_demo(empty_environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A demo after one that was killed."""
    killed = children.Forked(
        *DEMO,
        env=empty_environment,
        cwd=PROJECT,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert killed.stderr is not None
    for line in killed.stderr:
        if line.startswith("replaying the market: 1"):
            killed.send_signal(signal.SIGKILL)
            break
    assert killed.wait() == -signal.SIGKILL
    killed.stderr.close()
    return marts(*DEMO, env=empty_environment)


@pytest.fixture(scope="module")
def environment(
    empty_environment: dict[str, str], first_demo: subprocess.CompletedProcess[str]
) -> dict[str, str]:
    """Where a demo has run."""
    assert first_demo.returncode == 0, first_demo.stderr
    return empty_environment


def exports(env: dict[str, str]) -> dict[str, str]:
    """What ``eval "$(signal-marts env)"`` sets."""
    lines = marts("env", env=env).stdout.splitlines()
    return dict(shlex.split(line)[1].split("=", 1) for line in lines)


def plain(environment: dict[str, str]) -> dict[str, str]:
    """What plain tools see, with a folder of their own: dbt reads the project anew where another
    login wrote to a folder before."""
    target = f"{environment['DBT_TARGET_PATH']}/plain"
    return environment | exports(environment) | {"DBT_TARGET_PATH": target}


def test_a_build_counts_models_and_tests_alone(capsys: pytest.CaptureFixture[str]) -> None:
    kinds = ["model", "test", "test", "operation", "exposure"]
    report_build(Build("", tuple(Node("", "", kind, "success", 0, "") for kind in kinds)))
    assert capsys.readouterr().err == "built 1 model; 2 tests passed\n"


def test_a_build_that_failed_is_counted_likewise() -> None:
    ended = [("model", "error"), ("test", "pass"), ("operation", "success")]
    nodes = tuple(Node("", "trades", kind, status, 0, "no") for kind, status in ended)
    with pytest.raises(Failure, match="1 of 2 models and tests failed"):
        report_build(Build("", nodes))


def test_env_of_urls(tmp_path: Path) -> None:
    env = clean_environment(
        SIGNAL_MARTS_HOME=str(tmp_path / "none"),
        PRIMARY_URL="postgresql://trader:a@one:1/trading",
        REPLICA_URL="postgresql://analyst:it%27s@two:2/analytics?sslmode=verify-full",
    )
    assert exports(env) == {
        "PGHOST": "two",
        "PGPORT": "2",
        "PGUSER": "analyst",
        "PGPASSWORD": "it's",
        "PGDATABASE": "analytics",
        "PGSSLMODE": "verify-full",
    }
    half = marts("env", env=env | {"REPLICA_URL": ""})
    assert (half.returncode, half.stdout) == (2, "")
    assert "REPLICA_URL is not set" in half.stderr


@pytest.mark.timeout(900)
def test_the_demo_after_a_kill_and_twice_in_a_row(
    environment: dict[str, str], first_demo: subprocess.CompletedProcess[str]
) -> None:
    second = marts(*DEMO, env=environment)
    assert second.returncode == 0, second.stderr
    assert first_demo.stdout == second.stdout
    assert "AI vs. rule-based" in second.stdout
    assert "Traceback" not in first_demo.stderr


def test_the_sources_add_up_to_the_account(environment: dict[str, str]) -> None:
    """From the primary's raw orders, by a plain loop: what the marts must say in total."""
    env = environment | exports(environment)
    with psycopg.connect(env["PRIMARY_URL"], passfile=env["PGPASSFILE"]) as primary:
        cash, position, fees = primary.execute(
            "select sum(case side when 'SELL' then 1 else -1 end * filled_quantity * filled_price),"
            " count(*), sum(coalesce(fee, 0)) from trading_orders where filled_quantity > 0"
        ).fetchone() or (0, 0, 0)
    with psycopg.connect(env["REPLICA_URL"], passfile=env["PGPASSFILE"]) as replica:
        totals: dict[str, Decimal] = dict(
            replica.execute(
                "select source_type, sum(net_profit) from performance.trades group by 1"
            ).fetchall()
        )
        trades_fees, open_cash, open_fees, unmatched = replica.execute(
            "select (select sum(fees) from performance.trades),"
            " (select coalesce(sum(case direction when 'LONG' then -1 else 1 end"
            "  * open_quantity * price), 0) from intermediate.int_open_positions),"
            " (select coalesce(sum(fees), 0) from intermediate.int_open_positions),"
            " (select sum(quantity) from intermediate.int_fills)"
            "  - 2 * (select sum(quantity) from performance.trades)"
            "  - (select coalesce(sum(open_quantity), 0) from intermediate.int_open_positions)"
        ).fetchone() or (0, 0, 0, 0)
    assert position > 100
    assert set(totals) == {"ai", "traditional"}
    assert round(totals["ai"] + totals["traditional"], 2) == round(
        cash - fees - (open_cash - open_fees), 2
    )
    assert round(trades_fees + open_fees, 8) == round(fees, 8)
    assert unmatched == 0


def test_plain_tools_work_after_env(environment: dict[str, str]) -> None:
    env = plain(environment)
    applied = run("yoyo", "apply", env=env)
    assert applied.returncode == 0, applied.stderr
    built = run("dbt", "--quiet", "build", "--select", "marts.performance", env=env)
    assert built.returncode == 0, built.stdout
    # A developer's schemas have a prefix, and production's stay as they are.
    dev = env | {"DBT_SCHEMA_PREFIX": "ada", "DBT_TARGET_PATH": f"{env['DBT_TARGET_PATH']}/dev"}
    built = run("dbt", "--quiet", "run", "--select", "+rl_progress", "--target", "dev", env=dev)
    assert built.returncode == 0, built.stdout
    with psycopg.connect(env["REPLICA_URL"], passfile=env["PGPASSFILE"]) as replica:
        schemas = {name for (name,) in replica.execute("select nspname from pg_namespace")}
    assert {"performance", "ensemble", "training", "ada_training", "ada_staging"} <= schemas


def test_deploy_build_status_and_docs(environment: dict[str, str]) -> None:
    again = marts("deploy", env=environment)
    assert again.returncode == 0
    assert "nothing to do" in again.stderr

    built = marts("build", "--select", "marts.training", env=environment)
    assert built.returncode == 0, built.stderr
    nothing = marts("build", "--select", "no_such_model", env=environment)
    assert nothing.returncode == 2
    assert "nothing was built" in nothing.stderr

    looked = marts("status", "--json", env=environment)
    assert looked.returncode == 0, looked.stderr
    status = json.loads(looked.stdout)
    assert status["problems"] == []
    assert {"trades", "signal_confluence"} <= {mart["name"] for mart in status["marts"]}

    site = marts("docs", env=environment)
    assert site.returncode == 0, site.stderr
    assert "daily_performance" in Path(site.stdout.strip()).read_text()


def test_unit_tests_of_the_models(environment: dict[str, str]) -> None:
    """They need the models' tables, for their columns; a build leaves them out."""
    env = plain(environment)
    tested = run("dbt", "--quiet", "test", "--select", "test_type:unit", env=env)
    assert tested.returncode == 0, tested.stdout
    results = json.loads((Path(env["DBT_TARGET_PATH"]) / "run_results.json").read_text())["results"]
    tests = [each for each in results if each["unique_id"].startswith("unit_test.")]
    files = [yaml.safe_load(path.read_text()) for path in (PROJECT / "models").rglob("*.yml")]
    assert len(tests) == sum(len(file.get("unit_tests", ())) for file in files) > 0


def test_a_database_that_no_demo_made_is_left_alone(environment: dict[str, str]) -> None:
    env = environment | exports(environment)
    with psycopg.connect(
        env["PRIMARY_URL"], passfile=env["PGPASSFILE"], autocommit=True
    ) as primary:
        primary.execute("comment on database trading is null")
        before = primary.execute("select count(*) from trading_orders").fetchone()
    refused = marts("demo", "--days", "20", env=environment)
    assert refused.returncode == 2
    assert "no demo made" in refused.stderr
    with psycopg.connect(
        env["PRIMARY_URL"], passfile=env["PGPASSFILE"], autocommit=True
    ) as primary:
        assert primary.execute("select count(*) from trading_orders").fetchone() == before
        primary.execute("comment on database trading is 'made by signal-marts demo'")


BAD_FILES: dict[str, tuple[str | bytes, str | None]] = {
    "missing column": (b"symbol,opened_at\nX,2020-01-01T00:00:00Z\n", None),
    "text in a number": (HEADER + "X,1h,2020-01-01T00:00:00Z,1,2,1,one,0\n", "2"),
    "high below low": (HEADER + "X,1h,2020-01-01T00:00:00Z,1,1,2,1,0\n", "2"),
    "duplicate times": (HEADER + "X,1h,2020-01-01T00:00:00Z,1,1,1,1,0\n" * 2, "3"),
    "unordered times": (
        HEADER + "X,1h,2020-01-01T01:00:00Z,1,1,1,1,0\nX,1h,2020-01-01T00:00:00Z,1,1,1,1,0\n",
        "3",
    ),
    "empty": (b"", None),
    "binary": (bytes(range(256)), None),
}


@pytest.mark.parametrize("fault", BAD_FILES)
def test_a_bad_bar_file_is_one_clear_line(fault: str, tmp_path: Path) -> None:
    content, line = BAD_FILES[fault]
    path = tmp_path / "bars.csv.gz"
    raw = content.encode() if isinstance(content, str) else content
    path.write_bytes(raw if fault in ("binary", "empty") else gzip.compress(raw))
    home = tmp_path / "home"
    result = marts("demo", "--bars", str(path), env=clean_environment(SIGNAL_MARTS_HOME=str(home)))
    assert result.returncode == 2
    assert result.stdout == ""
    (told,) = result.stderr.strip().splitlines()
    assert str(path) in told
    assert line is None or f"{path}:{line}" in told or f"line {line}" in told
    assert not home.exists()


def test_a_bar_file_that_is_not_there(tmp_path: Path) -> None:
    result = marts("demo", "--bars", str(tmp_path / "no.csv"), env=clean_environment())
    assert result.returncode == 2
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("variables", "code", "told"),
    [
        ({"PRIMARY_URL": "postgresql://u:hunter2@127.0.0.1:1/x"}, 2, "REPLICA_URL is not set"),
        ({"PRIMARY_URL": "hunter2", "REPLICA_URL": "postgresql://127.0.0.1:1/x"}, 2, "libpq URL"),
        (
            {
                "PRIMARY_URL": "postgresql://u:hunter2@127.0.0.1:1/x",
                "REPLICA_URL": "postgresql://u:hunter2@127.0.0.1:1/y",
            },
            3,
            "cannot connect to the primary at 127.0.0.1:1/x",
        ),
        (
            {
                "PRIMARY_URL": "postgresql://u:not/hunter2@127.0.0.1:1/x",
                "REPLICA_URL": "postgresql://127.0.0.1:1/y",
            },
            2,
            "percent-encoded",
        ),
        ({"SIGNAL_MARTS_FENCE_TIMEOUT": "soon"}, 2, "SIGNAL_MARTS_FENCE_TIMEOUT"),
        ({"SIGNAL_MARTS_LOCK_TIMEOUT": "0.0001"}, 2, "SIGNAL_MARTS_LOCK_TIMEOUT"),
    ],
)
def test_wrong_settings_are_named_without_their_secrets(
    variables: dict[str, str], code: int, told: str
) -> None:
    result = run("signal-marts", "status", env=clean_environment(**variables))
    assert result.returncode == code
    assert told in result.stderr
    assert "hunter2" not in result.stderr + result.stdout
    assert "Traceback" not in result.stderr


def test_status_while_a_slot_is_being_made(landscape: Landscape) -> None:
    env = os.environ | {
        "PRIMARY_URL": landscape.primary.url,
        "REPLICA_URL": landscape.replica.url,
    }
    slot = f"signal_marts_{landscape.replica.parameters()['dbname']}"
    with (
        landscape.primary.connect() as writer,
        landscape.primary.connect(autocommit=True) as maker,
        ThreadPoolExecutor() as pool,
    ):
        writer.execute("select pg_current_xact_id()")
        statement = f"select pg_create_logical_replication_slot('{slot}', 'pgoutput')"
        making = pool.submit(maker.execute, statement)
        while not landscape.on_primary("select 1 from pg_replication_slots where active"):
            assert not making.done()
        looked = marts("status", env=env)
        writer.rollback()
        making.result(timeout=60)
    landscape.on_primary(f"select pg_drop_replication_slot('{slot}')")
    assert looked.returncode == 1, looked.stderr
    assert "waits for open transactions" in looked.stdout


def test_a_part_builds_where_nothing_else_is(landscape: Landscape, tmp_path: Path) -> None:
    landscape.deploy()
    built = landscape.build(tmp_path, "+trades", tests=True)
    assert built.failures == ()
    assert {"model", "test"} <= {node.kind for node in built.nodes}


def test_a_dry_run_shows_both_sides_and_does_nothing(landscape: Landscape) -> None:
    env = os.environ | {
        "PRIMARY_URL": landscape.primary.url,
        "REPLICA_URL": landscape.replica.url,
    }
    shown = marts("deploy", "--dry-run", env=env)
    assert shown.returncode == 0, shown.stderr
    assert "-- primary: migration 0002_ai_models applied" in shown.stdout
    assert "create table public.ai_trading_signals" in shown.stdout
    assert "-- replica: landing table public.micro_patterns created" in shown.stdout
    assert 'create table "public"."micro_patterns"' in shown.stdout
    assert landscape.on_primary("select to_regclass('ai_models')::text") == [(None,)]
    assert landscape.on_replica("select to_regclass('micro_patterns')::text") == [(None,)]
    landscape.deploy()
    assert marts("deploy", "--dry-run", env=env).stdout == ""


def test_a_caught_interrupt_is_no_end_by_a_signal() -> None:
    """As one that comes while modules load, in a text that Python evaluates."""
    script = """
import runpy
from runner.cli import entry
def interrupted(**options):
    try:
        exec("raise KeyboardInterrupt")
    except KeyboardInterrupt:
        pass
entry.cli = interrupted
runpy.run_module("runner", run_name="__main__")
"""
    assert children.run([sys.executable, "-c", script]).returncode == 0

"""The guides' own statements on fresh servers, from the first login to the way back: no superuser.

They are read out of the guides' code blocks and go through psql, as a user's do; so does what the
command line is told. On version 15 two of the logins must be a superuser's to make: see the guide.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import children
import psycopg
import pytest
from command_line import clean_environment
from drills import eventually
from landscapes import VERSION
from mortal_servers import servers

from runner.demo.embedded import EmbeddedPair, EmbeddedServer
from runner.demo.embedded_system import find_install
from runner.demo.platform import create_platform
from runner.doctor import examine
from runner.servers.database import Database
from runner.settings import PROJECT

BIN = find_install(18) / "bin"
PASSWORD = "chosen"  # noqa: S105 - of logins that the test makes
IS_OLD = VERSION < 16


def block(page: str, text: str) -> str:
    """The code block of a guide that holds the text, with a password for its dots."""
    guide = (PROJECT / "docs" / page).read_text("utf-8")
    blocks = re.findall(r"^```\w*\n(.*?)^```$", guide, re.DOTALL | re.MULTILINE)
    (found,) = [each for each in blocks if text in each]
    return str(found).replace("…", PASSWORD)


@dataclass
class Hosted:
    """Two servers, as their administrators and the others reach them, and a user's environment."""

    pair: EmbeddedPair
    env: dict[str, str]

    def url(self, server: EmbeddedServer, database: str, login: str = "postgres") -> str:
        password = PASSWORD
        if login == "postgres":
            password = self.pair.passfile.read_text().split()[0].rpartition(":")[2]
        return f"postgresql://{login}:{password}@127.0.0.1:{server.port}/{database}"

    def on_primary(self, login: str = "postgres") -> str:
        return self.url(self.pair.primary, "trading", login)

    def on_replica(self, login: str = "postgres") -> str:
        return self.url(self.pair.replica, "analytics", login)

    def run(self, *arguments: str, env: dict[str, str] | None = None) -> str:
        """What a command of ours says on both ways, and that it went well."""
        done = self.tried(*arguments, env=env)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def refused(self, *arguments: str) -> str:
        done = self.tried(*arguments)
        assert done.returncode == 1, (arguments, done.stdout, done.stderr)
        return str(done.stderr)

    def tried(
        self, *arguments: str, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return children.run(
            [sys.executable, "-m", "runner", *arguments],
            env=self.env | (env or {}),
            cwd=PROJECT,
            capture_output=True,
            text=True,
        )


def psql(url: str, statements: str, *options: str) -> str:
    """What psql writes for these, in the order in which they stand."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as typed:
        typed.write(statements)
        typed.seek(0)
        done = children.run(
            [BIN / "psql", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "-Atq", *options, url],
            env=clean_environment(PGPASSWORD=PASSWORD),
            stdin=typed,
            capture_output=True,
            text=True,
        )
    assert (done.returncode, done.stderr) == (0, ""), (statements, done.stderr)
    return str(done.stdout)


def roles(url: str) -> set[str]:
    return set(psql(url, r"select rolname from pg_roles where rolname !~ '^pg_'").split())


@pytest.fixture(scope="module")
def hosted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosted]:
    """Deployed and built by logins that are no superusers; what is missing before is told."""
    target = tmp_path_factory.mktemp("dbt")
    with servers() as pair:
        made = Hosted(pair, {})
        psql(
            made.on_primary(),
            f"create role trader login password '{PASSWORD}';"
            "alter database trading owner to trader;",
        )
        with psycopg.connect(made.on_primary("trader")) as connection:
            create_platform(connection)
        psql(made.url(pair.replica, "postgres"), "drop database analytics")
        for_primary, for_replica = block("adoption.md", "create role marts_deploy").split(
            "-- replica"
        )
        psql(made.on_primary(), for_primary)
        if IS_OLD:
            for_replica = for_replica.replace(" in role pg_create_subscription", "")
        psql(made.url(pair.replica, "postgres"), f"--{for_replica}")
        close_to_base_backups(pair, made)
        made.env |= clean_environment(
            PRIMARY_URL=made.on_primary("marts_deploy"),
            REPLICA_URL=made.on_replica("marts_deploy"),
            DBT_TARGET_PATH=str(target),
            DBT_LOG_PATH=str(target),
        )
        assert "no role bi_reader yet; run signal-marts deploy, then signal-marts build" in (
            made.refused("report", "--output", str(target / "report.html"))
        )
        only_who_may_subscribe(made)
        if IS_OLD:
            make_the_replicas_login(made)
        made.run("doctor")
        assert "create publication" in made.run("deploy", "--dry-run")
        made.run("deploy")
        # Tests of the data are the same whoever deployed.
        made.run("build", "--exclude", "resource_type:test")
        assert json.loads(made.run("status", "--json"))["problems"] == []
        yield made


def close_to_base_backups(pair: EmbeddedPair, made: Hosted) -> None:
    """The guide's lines come first, for the machine that the replica is on here."""
    path = pair.primary.data / "pg_hba.conf"
    lines = block("adoption.md", "+replicator").replace("10.0.0.6", "127.0.0.1")
    given = path.read_text()
    path.write_text(lines + given)
    psql(made.on_primary(), "select pg_reload_conf() \\g /dev/null")


def only_who_may_subscribe(made: Hosted) -> None:
    """Before anything is written, on either side, a deploy says who may not make a subscription."""
    if not IS_OLD:
        psql(made.on_replica(), "revoke pg_create_subscription from marts_deploy")
    said = made.refused("deploy")
    assert "marts_deploy may not create a subscription" in said
    assert roles(made.on_primary()) == {"postgres", "trader", "marts_deploy"}
    assert psql(made.on_primary(), "select to_regclass('public.yoyo_lock')").strip() == ""
    mend = re.search(r"(grant|alter role) [^;]*;", said)
    assert mend is not None, said
    psql(made.on_replica(), mend[0])


def make_the_replicas_login(made: Hosted) -> None:
    if IS_OLD:
        assert "may not make a login with REPLICATION" in made.refused("deploy")
        children.run(
            [Path(sys.executable).parent / "yoyo", "apply", "--batch"],
            env=made.env,
            cwd=PROJECT,
            check=True,
            capture_output=True,
        )
    psql(made.on_primary(), block("adoption.md", "create role marts_replication"))
    made.env["REPLICATION_URL"] = made.on_primary("marts_replication")


def test_each_program_has_a_login(hosted: Hosted, tmp_path: Path) -> None:
    # It is asked for before a file is opened.
    refused = hosted.tried("import", "store.csv", "--mapping", "mapping.yml")
    assert "marts_deploy may not write as ai_writer; set PRIMARY_URL to a login" in refused.stderr
    psql(hosted.on_primary("marts_deploy"), block("adoption.md", "create role momentum"))
    psql(hosted.on_replica("marts_deploy"), block("adoption.md", "create role metabase"))
    psql(hosted.on_replica("marts_deploy"), block("hosting.md", "create role viewer"))
    register = "select register_ai_model('sparse_spectrum', 'momentum', '1')"
    assert psql(hosted.on_primary("momentum"), register).strip() == "1"
    count = "select count(*) > 0 from performance.trades"
    assert psql(hosted.on_replica("metabase"), count).strip() == "t"
    report = ("report", "--output", str(tmp_path / "report.html"))
    hosted.run(*report)
    hosted.run(*report, env={"DASHBOARD_URL": hosted.on_replica("viewer")})
    told = json.loads(hosted.run("doctor", "--json"))
    assert (told["counts"]["warning"], told["counts"]["wrong"]) == (0, 0)


def test_what_comes_later(hosted: Hosted) -> None:
    names = {
        "trading.orders": "public.trading_orders",
        "instrument": "symbol",
        "plan_id": "trade_plan_id",
    }
    for text, options in (
        ("select public.change_column_types(", ()),
        ("select public.withdraw_from_publication(", ("--single-transaction",)),
    ):
        statements = block("adoption.md", text)
        for theirs, ours in names.items():
            statements = statements.replace(theirs, ours)
        psql(hosted.on_primary("trader"), statements, *options)
    hosted.run("alter", "public.trading_orders", "symbol=varchar(41)")
    assert "nothing to do" in hosted.run("deploy")
    hosted.run("rollback", "1", "--discard-data")
    hosted.run("deploy")
    hosted.run("deploy", "--resync")
    if not IS_OLD:
        make_the_replicas_login(hosted)
        assert "subscription connects to" in hosted.run("deploy")
    assert json.loads(hosted.run("status", "--json"))["problems"] == []


def test_a_login_with_replication_takes_no_base_backup(hosted: Hosted) -> None:
    found = examine(
        Database("primary", hosted.on_primary()), Database("replica", hosted.on_replica())
    )
    assert [each.level for each in found if each.check == "base backups"] == ["ok"]
    login = [name for name in roles(hosted.on_primary()) if name.startswith("signal_marts_")]
    for name in [*login, *(["marts_replication"] if "REPLICATION_URL" in hosted.env else [])]:
        with pytest.raises(psycopg.OperationalError, match=r"pg_hba\.conf rejects replication"):
            psycopg.connect(hosted.on_primary(name), replication="true")


def test_the_way_back(hosted: Hosted) -> None:
    if "REPLICATION_URL" not in hosted.env:
        make_the_replicas_login(hosted)
        hosted.run("deploy")
    # Somebody else reads the slot, whom the login that deploys may not send away.
    psql(hosted.on_replica("marts_deploy"), "alter subscription signal_marts disable")
    is_read = "select bool_or(active) from pg_replication_slots"
    eventually(lambda: psql(hosted.on_primary(), is_read).strip() == "f")
    reader = [
        *(str(BIN / "pg_recvlogical"), "--start", "--slot=signal_marts_analytics", "--file=-"),
        *("--option=proto_version=1", "--option=publication_names=signal_marts"),
        f"--dbname={hosted.on_primary('marts_replication')}",
    ]
    with children.Popen(reader, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        eventually(lambda: psql(hosted.on_primary(), is_read).strip() == "t")
        assert "slot signal_marts_analytics on the primary still has a reader" in (
            hosted.refused("uninstall", "--discard-data")
        )
    hosted.run("uninstall", "--discard-data")
    by_hand = {"marts_deploy", "marts_replication", "momentum", "postgres", "trader"}
    assert roles(hosted.on_primary()) <= by_hand
    psql(hosted.on_replica("marts_deploy"), block("adoption.md", "drop database analytics;"))
    found = roles(hosted.url(hosted.pair.replica, "postgres"))
    assert found <= {"marts_deploy", "metabase", "postgres", "viewer"}

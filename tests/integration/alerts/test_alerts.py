"""Alerts of a real pair, sent by apprise to a service on this machine."""

from __future__ import annotations

import base64
import os
import re
import signal
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import alerted
import children
import pytest
from alerted import KEY, SECRET, TROUBLE, Service, all_is_well, made, on_marts, service
from click.testing import CliRunner, Result
from drills import eventually
from landscapes import Landscape, drop_landscape, make_landscape

from runner.alerts import daily
from runner.alerts.states import Seen
from runner.build.watch import Watch
from runner.cli import cli
from runner.demo.embedded import EmbeddedPair
from runner.servers.database import ConnectionFailedError, Database
from runner.settings import PROJECT

NOW = datetime.now(UTC).replace(hour=12)
HOUR = timedelta(hours=1)
ALL = """
channels: {phone: '${PHONE_URL}'}
rules:
  - {kind: decision, severity: info}
  - {kind: model_worse}
  - {kind: model_retrain}
  - {kind: build}
  - {kind: replication, minutes: 0}
  - {kind: unexplained_profit}
  - {kind: rejected_rows}
  - {kind: drawdown, severity: critical}
  - {kind: drawdown, name: of others, only: ["traditional *"]}
"""


@pytest.fixture(scope="module")
def told(pair: EmbeddedPair) -> Iterator[Landscape]:
    """A deployed platform whose marts are stand-ins."""
    landscape = make_landscape(pair, pair.urls().replica)
    landscape.deploy()
    alerted.make_marts(landscape)
    yield landscape
    drop_landscape(landscape)


@pytest.fixture(autouse=True)
def well(told: Landscape) -> None:
    all_is_well(told)


@pytest.fixture
def phone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    with service() as one:
        monkeypatch.setenv("PHONE_URL", one.url)
        yield one


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "alerts.yml"
        path.write_text(text, "utf-8")
        return path

    return write


def test_every_kind_is_told_once_a_change_and_not_again_after_a_restart(
    told: Landscape, phone: Service, write: Callable[[str], Path]
) -> None:
    file = write(ALL)
    with made(told, file) as one:
        one.rounds(NOW)
        assert phone.got == []  # the first decision is no change, and all is well
        on_marts(told, TROUBLE)
        told.on_replica("alter subscription signal_marts disable")
        one.alerts._replication = None
        one.rounds(NOW + HOUR)
        (digest,) = phone.got  # what is due at once goes together
        lines = digest["message"].splitlines()
        assert {line for line in lines if line.startswith("[")} == {
            "[info] decision: BTCUSD",
            "[warning] model_worse: dqn 1: loss",
            "[warning] model_retrain: dqn 1: loss",
            "[warning] build: marts",
            "[warning] replication: replica",
            "[warning] unexplained_profit: USD: bot",
            "[warning] rejected_rows: public.trading_orders",
            "[critical] drawdown: ai all, USD: bot",
        }
        assert any(line.startswith("HOLD → BUY; P(up) 61.0%") for line in lines)
        assert "the last build had 1 failure: daily_performance" in lines
        assert any(
            line.startswith("the subscription is disabled; run signal-marts") for line in lines
        )
        assert any(line.startswith("7.5 USD unexplained on ") for line in lines)
        assert any(line.startswith("25.0% below its highest equity") for line in lines)
        one.rounds(NOW + 2 * HOUR, 10)
    with made(told, file) as one:
        one.rounds(NOW + 3 * HOUR)
        assert len(phone.got) == 1
        told.on_replica("alter subscription signal_marts enable")
        on_marts(told, "update performance.source_performance_daily set drawdown = -0.09")
        one.rounds(NOW + 4 * HOUR)  # below where it fired, not below where it clears
        on_marts(told, "update performance.source_performance_daily set drawdown = -0.07")
        eventually(lambda: told.on_primary("select true from pg_replication_slots where active"))
        one.alerts._replication = None
        one.rounds(NOW + 5 * HOUR)
        (digest,) = phone.got[1:]
        assert [line for line in digest["message"].splitlines() if line.startswith("[")] == [
            "[cleared] replication: replica",
            "[cleared] drawdown: ai all, USD: bot",
        ]
        assert digest["message"].count("It began at") == 2
        assert one.reports == []


def test_a_kill_between_sending_and_noting_repeats_one_message_and_loses_none(
    told: Landscape, phone: Service, write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHONE_URL", f"{phone.url}?rto=600")
    file = write(
        "channels: {phone: '${PHONE_URL}'}\nevery_seconds: 0.1\nrules: [{kind: drawdown}]\n"
    )
    on_marts(told, TROUBLE)
    sent = "select count(*) from signal_marts.alert_messages where sent_at is not null"
    command = [sys.executable, alerted.__file__, told.primary.url, told.replica.url, str(file)]

    def begin() -> children.Popen:
        path = os.pathsep.join([*sys.path, str(PROJECT)])
        return children.Popen(command, env=os.environ | {"PYTHONPATH": path})

    phone.held.clear()  # it has the message, and has not said so
    with begin() as one:
        eventually(lambda: len(phone.got) == 1)
        one.send_signal(signal.SIGKILL)
        one.wait()
    phone.held.set()
    assert told.on_replica(sent) == [(0,)]
    # The message waits until it is tried again.
    told.on_replica("update signal_marts.alert_messages set next_try_at = now()")
    with begin() as one:
        eventually(lambda: told.on_replica(sent) == [(1,)])
        # A send that hangs does not hold up the end of a process that is asked to end.
        phone.held.clear()
        on_marts(told, "update performance.source_performance_daily set drawdown = 0")
        eventually(lambda: len(phone.got) == 3)
        one.terminate()
        eventually(lambda: one.poll() is not None)
        assert (one.returncode, phone.held.is_set()) == (0, False)
        phone.held.set()
    told.on_replica("delete from signal_marts.alert_messages where sent_at is null")
    assert phone.titles == [
        *["[warning] drawdown: ai all, USD: bot"] * 2,
        "[cleared] drawdown: ai all, USD: bot",
    ]
    with made(told, file) as again:
        again.rounds(NOW + HOUR)
    assert len(phone.got) == 3


def test_a_channel_that_is_slow_or_fails_holds_no_other_one_and_shows_no_secret(
    told: Landscape,
    phone: Service,
    write: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    text = "channels: {phone: '${PHONE_URL}', slow: '${SLOW_URL}', bad: '${BAD_URL}'}\n"
    file = write(text + "rules: [{kind: drawdown, repeat_hours: 0}]")
    on_marts(told, TROUBLE)
    before = threading.enumerate()
    with service() as slow, service() as bad:
        monkeypatch.setenv("SLOW_URL", f"{slow.url}?rto=600")
        monkeypatch.setenv("BAD_URL", bad.url)
        slow.held.clear()
        bad.code = 500
        with made(told, file) as one:
            one.alerts.tick(NOW)
            one.alerts._evaluated = -float("inf")
            one.alerts.tick(NOW)

            def is_only_slow_left() -> bool:
                one.alerts.tick(NOW)
                return set(one.alerts._sending) == {"slow"}

            eventually(is_only_slow_left)
            # Python would wait for such a thread at its end.
            assert [t for t in threading.enumerate() if not t.daemon and t not in before] == []
            assert (len(phone.got), len(slow.got), bad.got) == (1, 1, [])
            assert one.reports == [
                "channel bad: the service answered 500; look at what BAD_URL says"
            ]
            # It goes on, and is told once.
            for hour in range(1, 4):
                one.alerts.tick(NOW + hour * HOUR)
                eventually(is_only_slow_left)
            assert len(one.reports) == 1
            listed = CliRunner(env=_environment(told, file)).invoke(cli, ["alerts"])
            assert "the service answered 500" in listed.stdout
            bad.code = 200
            slow.held.set()
            one.sent(NOW + 8 * HOUR)
            assert [len(each.got) for each in (phone, slow, bad)] == [1, 1, 1]
            shown = "".join((*one.reports, listed.output, *capfd.readouterr()))
        assert SECRET not in shown
    stored = told.on_replica("select m::text from signal_marts.alert_messages as m")
    assert SECRET not in str(stored)
    assert [row for row in stored if KEY in str(row)] == []


def test_an_alert_is_acknowledged_by_a_person_and_not_by_a_scanner(
    told: Landscape, phone: Service, write: Callable[[str], Path], unused_port: Callable[[], int]
) -> None:
    from runner.alerts.links import PATH, Acknowledging
    from runner.monitoring.collector import Collector
    from runner.monitoring.watched import Metrics

    port, replica = unused_port(), Database("replica", told.replica.url)
    page = Acknowledging(replica, KEY.encode())
    Metrics("127.0.0.1", port, Collector(replica, replica, print, 0.1), {PATH: page})
    file = write(
        "channels: {phone: '${PHONE_URL}'}\nrules: [{kind: drawdown}]\n"
        f"acknowledge: http://127.0.0.1:{port}/\n"
    )

    def answer(link: str, form: bytes | None = None) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(link, form, timeout=30) as got:  # noqa: S310
                return got.status, got.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def acknowledged() -> list[tuple[object, ...]]:
        return told.on_replica(
            "select rule from signal_marts.alerts where acknowledged_at is not null"
        )

    on_marts(told, TROUBLE)
    with made(told, file) as one:
        one.rounds(NOW)
        one.rounds(NOW + 25 * HOUR)
        assert [re.findall(r"Still, since", each["message"]) for each in phone.got] == [
            [],
            ["Still, since"],
        ]
        links = [each["message"].splitlines()[-1] for each in phone.got]
        assert links[0] == links[1]
        link = links[0]
        for _ in range(2):  # a scanner of mail
            code, text = answer(link)
            assert code == 200
            assert '<form method="post">' in text
            assert "25.0% below its highest equity" in text
        assert acknowledged() == []
        token = link.partition("alert=")[2]
        code, text = answer(link, f"alert={token}".encode())
        assert (code, "Acknowledged at" in text) == (200, True)
        assert len(acknowledged()) == 1
        one.rounds(NOW + 72 * HOUR)
        assert len(phone.got) == 2
        on_marts(told, "update performance.source_performance_daily set drawdown = 0")
        one.rounds(NOW + 73 * HOUR)
        assert phone.titles[2:] == ["[cleared] drawdown: ai all, USD: bot"]
        assert answer(link)[0] == answer(link, f"alert={token}".encode())[0] == 410
        # A new one, which the old link does not acknowledge.
        on_marts(told, TROUBLE)
        one.rounds(NOW + 74 * HOUR)
        assert (len(phone.got), acknowledged()) == (4, [])
        assert answer(link, f"alert={token}".encode())[0] == 410
    paths = ("/metrics", "/", "/x/../acknowledge", "/acknowledge/", "/favicon.ico")
    codes = [answer(f"http://127.0.0.1:{port}{path}")[0] for path in paths]
    assert codes == [200, 200, 404, 404, 404]


def test_what_comes_up_in_quiet_hours_is_one_digest_in_the_morning(
    told: Landscape, phone: Service, write: Callable[[str], Path]
) -> None:
    file = write(ALL + "quiet: {begins: '22:00', ends: '07:00', critical_passes: true}\n")
    night = NOW.replace(hour=23)
    with made(told, file) as one:
        one.rounds(night)
        on_marts(told, TROUBLE)
        one.rounds(night)
        assert phone.titles == ["[critical] drawdown: ai all, USD: bot"]
        on_marts(told, "truncate operations.rejected_rows")
        one.rounds(night + HOUR)
    with made(told, file) as one:
        one.rounds(night + 7 * HOUR)
        assert len(phone.got) == 1
        one.rounds(night + 8 * HOUR)
        (digest,) = phone.got[1:]
        assert digest["title"] == "Signal Marts: 7 messages"
        assert "[warning] rejected_rows" in digest["message"]
        assert "[cleared] rejected_rows" in digest["message"]
        one.rounds(night + 9 * HOUR)
        assert len(phone.got) == 2


def test_the_message_of_the_day_comes_once_a_day_and_has_the_report(
    told: Landscape, phone: Service, write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(ALL + "daily: {at: '11:30', to: [phone]}\ntime_zone: UTC\n")

    def report(path: Path, environment: object) -> None:
        path.write_text("<html>the report</html>")

    monkeypatch.setattr(daily, "report", report)
    morning = NOW.replace(hour=11, minute=0)
    with made(told, file) as one:
        one.rounds(morning)
        assert phone.got == []
        one.rounds(NOW)
    for hour in (1, 2):
        with made(told, file) as one:
            one.rounds(NOW + hour * HOUR)
    (day,) = phone.got
    assert day["title"] == f"Signal Marts, {NOW:%Y-%m-%d}"
    assert day["message"].splitlines() == [
        "Realized P&L today (UTC)",
        "USD: bot: 12.5 USD in 1 trade",
        "",
        "Decisions",
        day["message"].splitlines()[4],
        "",
        "Models",
        "none of 1 version is getting worse",
        "",
        "Open alerts",
        "none",
    ]
    assert day["message"].splitlines()[4].startswith("BTCUSD: HOLD, P(up) 50.0%, at ")
    (attached,) = day["attachments"]
    assert attached["filename"] == f"signal-marts-{NOW:%Y-%m-%d}.html"
    assert base64.b64decode(attached["base64"]) == b"<html>the report</html>"
    # Stale marts have nothing to tell of today.
    with made(told, file) as one:
        one.alerts.note_fresh("all", 20 * 60)
        one.rounds(NOW + 24 * HOUR)
    assert phone.got[1]["message"].splitlines()[0] == (
        "Stale: the marts hold what the primary had 20 min ago. So no figures, and no report."
    )
    assert phone.got[1]["attachments"] == []
    # Before the first round it is not known whether they are.
    with made(told, file) as one:
        one.alerts._is_fresh_known = False
        one.rounds(NOW + 48 * HOUR)
        assert len(phone.got) == 2
        one.alerts.note_fresh("live", 0)
        one.alerts.note_fresh("all", 0)
        one.rounds(NOW + 48 * HOUR)
        assert len(phone.got) == 3
        # A report that a service refuses does not take the message along.
        phone.takes_files = False
        one.rounds(NOW + 72 * HOUR)
        assert phone.got[3]["message"].endswith("No report is attached: the service refused it")


def test_a_replica_that_is_gone_is_told_once_and_remembered(
    told: Landscape, phone: Service, write: Callable[[str], Path], unused_port: Callable[[], int]
) -> None:
    file = write(ALL)
    nowhere = f"postgresql://nobody:{SECRET}@127.0.0.1:{unused_port()}/none"
    with made(told, file) as one:
        one.rounds(NOW)
        there = one.alerts._replica
        one.alerts._close_books()
        one.alerts._replica = Database("replica", nowhere)
        one.rounds(NOW + HOUR, 8)
        assert phone.titles == ["[warning] replication: replica"]
        assert "cannot connect to the replica at 127.0.0.1" in phone.got[0]["message"]
        assert SECRET not in str((phone.got, one.reports))
        one.alerts._replica = there
        one.alerts._replication = None
        one.rounds(NOW + 2 * HOUR)
        assert phone.titles[1:] == ["[cleared] replication: replica"]
    with made(told, file) as one:
        one.rounds(NOW + 3 * HOUR)
    assert len(phone.got) == 2


def test_a_digest_that_a_service_refuses_goes_one_by_one(
    told: Landscape, phone: Service, write: Callable[[str], Path]
) -> None:
    with made(told, write(ALL)) as one:
        one.rounds(NOW)
        on_marts(told, TROUBLE)
        phone.longest = 300
        one.rounds(NOW + HOUR)
        assert len(phone.got) == 7
        assert all(title.startswith("[") for title in phone.titles)
        assert (one.alerts._waiting, one.reports) == ({}, [])


def test_what_is_too_long_for_a_service_is_split(
    told: Landscape, phone: Service, write: Callable[[str], Path]
) -> None:
    with made(told, write(ALL)) as one:
        (sends,) = one.alerts._channels["phone"].service
        sends.body_maxlen = 250
        one.rounds(NOW)
        on_marts(told, TROUBLE)
        one.rounds(NOW + HOUR)
        assert phone.titles == [f"Signal Marts: 7 messages [{n}/4]" for n in range(1, 5)]
        whole = "".join(each["message"] for each in phone.got)
        assert len(re.findall(r"^\[\w+\] |(?<=\S)\[\w+\] ", whole, re.MULTILINE)) == 7


def test_a_send_that_hangs_is_tried_again_and_given_up(
    told: Landscape, phone: Service, write: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHONE_URL", f"{phone.url}?rto=600")
    file = write("channels: {phone: '${PHONE_URL}'}\nrules: [{kind: drawdown, repeat_hours: 0}]\n")
    on_marts(told, TROUBLE)
    with made(told, file) as one:

        def hang(count: int, now: datetime) -> None:
            one.alerts._sending["phone"].begun -= 601
            one.alerts.tick(now)
            eventually(lambda: len(phone.got) == count)

        phone.held.clear()
        for _ in range(2):
            one.alerts._evaluated = -float("inf")
            one.alerts.tick(NOW)
        eventually(lambda: len(phone.got) == 1)
        hang(2, NOW + HOUR)
        # The first try ends well after the second began, and that fails: it was sent.
        sending = one.alerts._sending["phone"]
        one.alerts._results.put(("phone", sending, [None]))
        one.alerts._sending["phone"] = replace(sending)
        one.alerts.tick(NOW + HOUR)
        one.alerts._results.put(("phone", one.alerts._sending["phone"], ["no"]))
        one.alerts.tick(NOW + 3 * HOUR)
        assert (one.alerts._waiting, one.alerts._sending) == ({}, {})
        assert told.on_replica("select failure from signal_marts.alert_messages") == [(None,)]
        # Another message hangs, and no more than three sends do.
        on_marts(told, "update performance.source_performance_daily set drawdown = 0")
        one.alerts._hanging.clear()
        for _ in range(2):
            one.alerts._evaluated = -float("inf")
            one.alerts.tick(NOW + 4 * HOUR)
        eventually(lambda: len(phone.got) == 3)
        hang(4, NOW + 6 * HOUR)
        hang(5, NOW + 9 * HOUR)
        hang(5, NOW + 12 * HOUR)
        assert len(one.alerts._waiting) == 1
        hang(5, NOW + 60 * HOUR)
        assert one.alerts._waiting == {}
        assert one.reports[-1] == "channel phone: given up: [cleared] drawdown: ai all, USD: bot"


def test_a_value_that_cannot_be_used_keeps_no_other_alert_back(
    told: Landscape, phone: Service, write: Callable[[str], Path]
) -> None:
    rules = "rules: [{kind: drawdown}, {kind: rejected_rows}]\n"
    with made(told, write("channels: {phone: '${PHONE_URL}'}\n" + rules)) as one:
        look = one.alerts._look
        bad = {"drawdown": {"a source": Seen("none", "")}}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(one.alerts, "_look", lambda: {**look(), **bad})
            on_marts(told, TROUBLE)
            one.rounds(NOW)
        assert phone.titles == ["[warning] rejected_rows: public.trading_orders"]
        assert one.reports == ["rule drawdown, a source: could not convert string to float: 'none'"]


def test_the_first_build_is_not_told_as_old_or_missing(
    told: Landscape, phone: Service, write: Callable[[str], Path]
) -> None:
    file = write("channels: {phone: '${PHONE_URL}'}\nrules: [{kind: build}, {kind: stale}]\n")
    on_marts(told, "truncate changes.builds")
    with made(told, file) as one:
        one.alerts.note_fresh("all", 3600)
        one.alerts._is_fresh_known = False
        one.rounds(NOW)
        assert phone.got == []
        on_marts(told, TROUBLE)  # it is over, and had a failure
        one.rounds(NOW)
        assert phone.titles == ["Signal Marts: 2 messages"]


def test_a_lock_that_was_lost_is_noticed_and_what_another_watch_sent_is_not_repeated(
    told: Landscape, phone: Service, write: Callable[[str], Path]
) -> None:
    file = write("channels: {phone: '${PHONE_URL}'}\nrules: [{kind: drawdown}]\n")
    with made(told, file) as one:
        one.rounds(NOW)
        told.on_replica(
            "select pg_terminate_backend(pid, 10000) from pg_stat_activity"
            " where application_name = 'signal-marts alerts' and datname = current_database()"
        )
        with made(told, file) as other:
            other.rounds(NOW)
            for _ in range(2):
                with one.alerts._reporting("alerts"):
                    one.alerts.tick(NOW)
            assert "signal-marts alerts (server process" in one.reports[-1]
            assert one.reports[-1].endswith("sends the alerts")
            on_marts(told, TROUBLE)
            other.rounds(NOW + HOUR)
            assert len(phone.got) == 1
        one.rounds(NOW + 2 * HOUR)
        assert len(phone.got) == 1
        # It keeps no transaction open, which would hold back what a server may clean up.
        assert told.on_replica(
            "select state from pg_stat_activity where application_name = 'signal-marts alerts'"
            " and datname = current_database()"
        ) == [("idle",)]


def _environment(told: Landscape, file: Path) -> dict[str, str]:
    return {
        "PRIMARY_URL": told.primary.url,
        "REPLICA_URL": told.replica.url,
        "SIGNAL_MARTS_ALERTS": str(file),
        "SIGNAL_MARTS_ALERT_KEY": KEY,
    }


def test_a_build_of_dbt_in_the_same_process_changes_no_login(
    told: Landscape, monkeypatch: pytest.MonkeyPatch
) -> None:
    pinned = Database("replica", told.replica.url).pinned()
    monkeypatch.setenv("PGPASSWORD", "of dbt's login")
    with pytest.raises(ConnectionFailedError, match="password"), told.replica.connect():
        pass
    with pinned.connect() as session:
        assert session.info.dbname == told.replica.parameters()["dbname"]
    assert pinned.address == told.replica.address
    monkeypatch.setenv("PGHOST", "127.0.0.1")
    monkeypatch.setenv("PGDATABASE", "ours")
    away = Database("replica", "postgresql://:1").pinned()
    monkeypatch.setenv("PGHOST", "127.0.0.2")
    monkeypatch.setenv("PGDATABASE", "of dbt's login")
    assert away.address == "127.0.0.1:1/ours"
    assert away.parameters()["password"] == "of dbt's login"  # noqa: S105


def test_the_command_lists_rules_and_tries_channels(
    told: Landscape, phone: Service, write: Callable[[str], Path]
) -> None:
    text = "channels: {phone: '${PHONE_URL}', other: '${OTHER_URL}'}\nrules: [{kind: drawdown}]\n"
    file = write(text)
    environment = _environment(told, file) | {"OTHER_URL": "no url: " + SECRET}

    def command(*arguments: str) -> Result:
        return CliRunner(env=environment).invoke(cli, ["alerts", *arguments])

    refused = str(command("test").exception)
    assert "hold no URL of a service: OTHER_URL" in refused
    assert SECRET not in refused
    environment["OTHER_URL"] = f"json://127.0.0.1:1/{SECRET} json://127.0.0.1:2"
    refused = str(command("test").exception)
    assert "hold several URLs: OTHER_URL; write a channel" in refused
    assert SECRET not in refused
    environment["OTHER_URL"] = f"json://user:{SECRET}@127.0.0.1:1/{SECRET}"
    done = children.run(
        [sys.executable, "-m", "runner", "alerts", "test"],
        env=os.environ | environment,
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "phone: sent",
        "other: not sent: the service cannot be reached, or refuses; look at what OTHER_URL says",
    ]
    assert done.stderr == "signal-marts: not all channels work: other\n"
    assert phone.titles == ["Signal Marts: test"]
    on_marts(told, TROUBLE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTHER_URL", environment["OTHER_URL"])
        with made(told, file) as one:
            one.rounds(NOW)
    listed = command().stdout
    assert re.search(r"drawdown +warning +phone, other +ai all, USD: bot +firing", listed)
    assert '"told": "firing"' in command("--json").stdout
    # Rules and channels that are no longer in the file are forgotten.
    write("channels: {phone: '${PHONE_URL}'}\nrules: [{kind: stale}]\n")
    with made(told, file) as one:
        one.rounds(NOW)
    assert told.on_replica("select rule from signal_marts.alerts") == []
    assert told.on_replica("select channel from signal_marts.alert_messages") == [("phone",)]


def test_watch_sends_alerts_beside_its_rounds_and_serves_the_page(
    told: Landscape,
    phone: Service,
    write: Callable[[str], Path],
    unused_port: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port = unused_port()
    file = write(
        "channels: {phone: '${PHONE_URL}'}\nevery_seconds: 0.1\nrules: [{kind: drawdown}]\n"
        f"acknowledge: http://127.0.0.1:{port}\n"
    )
    environment: dict[str, str | None] = {**_environment(told, file)}
    on_marts(told, TROUBLE)
    codes = []

    def run(watch: Watch) -> None:
        watch.on_fresh("all", 0.0)
        eventually(lambda: phone.got)
        link = phone.got[0]["message"].splitlines()[-1]
        with urllib.request.urlopen(link) as answer:  # noqa: S310
            codes.append(answer.status)

    monkeypatch.setattr(Watch, "run", run)
    options = ["watch", "--metrics-port", str(port)]
    done = CliRunner(env=environment).invoke(cli, options)
    assert done.exception is None, done.output
    assert (codes, len(phone.got)) == ([200], 1)
    refused = CliRunner(env=environment).invoke(cli, ["watch"])
    assert "add --metrics-port" in str(refused.exception)
    environment["SIGNAL_MARTS_ALERT_KEY"] = None
    refused = CliRunner(env=environment).invoke(cli, options)
    assert "SIGNAL_MARTS_ALERT_KEY is not set" in str(refused.exception)

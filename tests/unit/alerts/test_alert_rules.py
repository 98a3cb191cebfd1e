"""alerts.yml: what it may say, and what is told where it is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner import yaml_files
from runner.alerts import rules
from runner.errors import UsageError
from runner.settings import PROJECT

CHANNELS = "channels: {phone: '${PHONE_URL}'}\n"
EXAMPLE = PROJECT / "deploy" / "alerts.yml"


def write(folder: Path, text: str) -> Path:
    path = folder / "alerts.yml"
    path.write_text(text, "utf-8")
    return path


def test_the_example_is_a_good_file_and_names_every_kind() -> None:
    found = rules.read(EXAMPLE)
    assert found is not None
    assert {rule.kind for rule in found.rules} == rules.KINDS.keys()
    assert found.channels["phone"] == "TELEGRAM_URL"
    assert [rule.levels for rule in found.rules if rule.kind == "drawdown"] == [
        (0.1, 0.08),
        (0.2, pytest.approx(0.16)),
    ]
    assert found.stale_minutes == 15
    page = (PROJECT / "docs" / "alerts.md").read_text("utf-8")
    for kind in rules.KINDS:
        assert f"| `{kind}` |" in page
    fields = (*rules.Rules.model_fields, *rules.Rule.model_fields, *rules.Quiet.model_fields)
    for name in fields:
        assert f"`{name}`" in page


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", ":1: channels is missing"),
        ("channels: {}", ":1: channels Dictionary should have at least 1 item"),
        (CHANNELS + "rules:\n  - {kind: drawdwn}", ":3: rules.0.kind is no kind of rule: take one"),
        (CHANNELS + "rules:\n  - kind: stale\n    to: [fone]", ":4: rules.0.to fone is no channel"),
        (CHANNELS + "rules: [{kind: stale, fire: 1}]", "rules.0.fire is no part of it: channels"),
        (CHANNELS + "rules: [{kind: stale}, {kind: stale}]", "two rules are called stale"),
        (CHANNELS + "rules: [{kind: stale, clears_at: 60}]", "clears_at is above fires_at"),
        (CHANNELS + "rules: [{kind: decision, fires_at: 1}]", "leave out fires_at and clears_at"),
        (CHANNELS + "rules: [{kind: stale, severity: loud}]", "severity Input should be 'info'"),
        (
            CHANNELS + "rules: [{kind: stale, evaluations: 0}]",
            "evaluations Input should be greater",
        ),
        (CHANNELS + "time_zone: Berlin", "time_zone is no time zone"),
        (CHANNELS + "quiet: {begins: 22:00, ends: '07:00'}", 'write it in quotes, as "22:00"'),
        (CHANNELS + "quiet: {begins: '07:00', ends: '07:00'}", "quiet.ends is when it begins"),
        (CHANNELS + "acknowledge: marts.example.com", "acknowledge is no address"),
        (CHANNELS + "daily: {at: '18:00', to: [mail]}", "daily.to mail is no channel: phone are"),
        (CHANNELS + "daily: {at: 18h, to: [phone]}", "daily.at is no time of day"),
        (CHANNELS + "rules: [", ":2: is no YAML"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(rules.AlertsError) as error:
        rules.read(path)
    assert str(error.value).startswith(f"{path}:")
    assert told in str(error.value)


@pytest.mark.parametrize("given", ["tgram://123:SECRET/1", "${A} ${B}", "x${A}", "$SECRET"])
def test_a_url_in_the_file_is_refused_and_not_shown(tmp_path: Path, given: str) -> None:
    path = write(tmp_path, f"channels: {{phone: '{given}'}}\n")
    with pytest.raises(rules.AlertsError, match=r"channels\.phone is no reference: write") as error:
        rules.read(path)
    assert "SECRET" not in str(error.value)


def test_variables_that_are_not_set_are_named(tmp_path: Path) -> None:
    found = rules.read(write(tmp_path, CHANNELS))
    assert found is not None
    assert found.urls({"PHONE_URL": "json://127.0.0.1"}) == {"phone": "json://127.0.0.1"}
    with pytest.raises(UsageError, match="variables that are not set: PHONE_URL"):
        found.urls({"PHONE_URL": ""})


def test_no_file_is_no_alerts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_files, "PROJECT", tmp_path)
    monkeypatch.delenv("SIGNAL_MARTS_ALERTS", raising=False)
    assert rules.read() is None
    monkeypatch.setenv("SIGNAL_MARTS_ALERTS", str(tmp_path / "none.yml"))
    with pytest.raises(rules.AlertsError, match="there is no such file; SIGNAL_MARTS_ALERTS"):
        rules.read()


clocks = st.integers(0, 1439).map(lambda minute: f"{minute // 60:02}:{minute % 60:02}")
zones = st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"])


@given(clocks, clocks, st.integers(0, 10 * 365 * 1440), zones)
def test_quiet_hours_are_those_of_the_clock_on_the_wall(
    begins: str, ends: str, minutes: int, zone: str
) -> None:
    """Across midnight, and on days on which clocks change, the wall's clock decides."""
    quiet = {"begins": begins, "ends": ends}
    made = rules.Rules.model_validate(
        {"channels": {"a": "${A}"}, "time_zone": zone, "quiet": quiet}
    )
    now = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    wall = f"{now.astimezone(ZoneInfo(zone)):%H:%M}"
    expected = begins <= wall < ends if begins <= ends else not ends <= wall < begins
    assert made.is_quiet(now, "warning") == expected
    assert made.is_quiet(now, "critical") == expected


def test_what_is_critical_passes_only_if_the_file_says_so() -> None:
    night = datetime(2026, 1, 1, 23, tzinfo=UTC)
    for passes in (True, False):
        quiet = {"begins": "22:00", "ends": "07:00", "critical_passes": passes}
        made = rules.Rules.model_validate({"channels": {"a": "${A}"}, "quiet": quiet})
        assert made.is_quiet(night, "critical") is not passes
        assert made.is_quiet(night, "warning")

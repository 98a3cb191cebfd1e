"""The command of alerts, and what a watch needs to send them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, fields
from datetime import datetime
from typing import TYPE_CHECKING

import click

from runner import settings
from runner.cli.databases import databases
from runner.cli.entry import cli
from runner.cli.tables import show
from runner.errors import Failure, UsageError
from runner.servers.database import Database

if TYPE_CHECKING:
    from runner.alerts.links import Acknowledging
    from runner.alerts.rules import Rules
    from runner.alerts.sending import Alerts


@cli.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def alerts(context: click.Context, as_json: bool) -> None:
    """List the rules of alerts.yml, and what watch has told of them; `test` tries the channels."""
    if context.invoked_subcommand is None:
        _list(as_json)


def _list(as_json: bool) -> None:
    from runner.alerts import books

    rules = _rules()
    _, replica = databases(settings.load())
    with books.opened(replica) as session:
        states, waiting = books.states(session), books.waiting(session)
    if as_json:
        told = [
            # What now speaks against it is the watch's, and not in the books.
            {"rule": rule, "subject": subject}
            | {each.name: getattr(state, each.name) for each in fields(state) if each.compare}
            for (rule, subject), state in states.items()
        ]
        listed = [{**each.model_dump(), "name": each.title} for each in rules.rules]
        unsent = [asdict(each) for each in waiting]
        found = {"rules": listed, "told": told, "waiting": unsent}
        click.echo(json.dumps(found, default=str, indent=2))
        return
    rows = []
    for rule in rules.rules:
        head = (rule.title, rule.severity, ", ".join(rule.to or rules.channels))
        said = [(key[1], each) for key, each in states.items() if key[0] == rule.title]
        firing = [(subject, each) for subject, each in said if each.told]
        rows += [
            (*head, subject, each.told, _time(each.told_at), _time(each.acknowledged_at), each.text)
            for subject, each in firing
        ] or [(*head, "", "quiet", "", "", "")]
    show(("rule", "severity", "to", "subject", "state", "since", "acknowledged", "what"), rows)
    if waiting:
        headings = ("waits for", "since", "tries", "message", "why")
        show(
            headings,
            [
                (m.channel, _time(m.created_at), str(m.tries), m.title, m.failure or "")
                for m in waiting
            ],
        )


def _time(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d %H:%M}"


@alerts.command()
def test() -> None:
    """Send a test message to every channel; a line each, and 1 where one failed."""
    from runner.alerts.channels import channels

    failed = []
    for name, channel in channels(_rules()).items():
        why = channel.send("Signal Marts: test", "This channel works: alerts arrive here.")
        click.echo(f"{name}: {'sent' if why is None else f'not sent: {why}'}")
        if why is not None:
            failed.append(name)
    if failed:
        raise Failure(f"not all channels work: {', '.join(failed)}")


def _rules() -> Rules:
    from runner.alerts import rules

    found = rules.read()
    if found is None:
        raise UsageError(
            f"there is no {rules.NAME}: write one beside platform.yml, or name it in"
            " SIGNAL_MARTS_ALERTS; docs/alerts.md says what it holds"
        )
    return found


def beside_watch(
    given: settings.Settings,
    primary: Database,
    replica: Database,
    report: Callable[[str], None],
    *,
    is_served: bool,
) -> tuple[Alerts | None, dict[str, Acknowledging]]:
    """The alerts of a watch and its pages; none where there is no alerts.yml."""
    from runner.alerts import links, rules

    found = rules.read()
    if found is None:
        return None, {}
    from runner.alerts.channels import channels
    from runner.alerts.sending import Alerts

    key = None
    if found.acknowledge is not None:
        secret = settings.revealed(given.alert_key)
        if secret is None:
            raise UsageError(
                f"{rules.NAME} asks for links, and SIGNAL_MARTS_ALERT_KEY is not set: set it to"
                " 32 or more random characters, as `openssl rand -hex 32` prints"
            )
        if not is_served:
            raise UsageError(
                f"{rules.NAME} asks for links, and watch serves no page: add --metrics-port"
            )
        key = secret.encode()
    way = settings.revealed(given.replication_url)
    made = Alerts(primary, replica, way, found, channels(found), key, report)
    pages = {} if key is None else {links.PATH: links.Acknowledging(replica, key)}
    return made, pages

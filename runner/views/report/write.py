"""Writes the report's file."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

from runner import extras
from runner.errors import UsageError
from runner.servers.database import Database
from runner.views.dashboard.accounts import Account
from runner.views.dashboard.marts import LIMITS, MartError, MissingMartError, connect, reading
from runner.views.dashboard.wording import moment
from runner.views.report import models, money, operations, signals
from runner.views.report.draft import Draft, Period


def write_report(database: Database, path: Path, *, days: int, until: date | None = None) -> Period:
    """Write the report of ``days`` days up to ``until``, by default the last day in the data.

    Raise UsageError if the extra is not installed, there are no such days, or the file cannot be
    written; UnreachableError if the database cannot be reached.
    """
    extras.need("report")
    limits = replace(LIMITS, application_name="signal-marts report")
    with connect(database, limits) as marts, reading(marts):
        # All questions see the same moment, even if a build runs meanwhile.
        marts.execute("set transaction isolation level repeatable read")
        draft = Draft(marts, database)
        period = _period(draft, days, until)
        text = _html(draft, period, database.address)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
    return period


def _period(draft: Draft, days: int, until: date | None) -> Period:
    """The days of the report; raise UsageError if the marts have none of them."""
    has = draft.ask("days")[0]
    if has["last_date"] is None:
        raise MissingMartError("the marts hold no day yet", "run signal-marts build")
    last = until or has["last_date"]
    first = last - timedelta(days=days - 1)
    if last < has["first_date"] or first > has["last_date"]:
        raise UsageError(
            f"there are no days from {first} to {last}; the marts have {has['first_date']} to "
            f"{has['last_date']}"
        )
    return Period(max(first, has["first_date"]), min(last, has["last_date"]))


def _html(draft: Draft, period: Period, address: str) -> str:
    """The whole file."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    signals.now(draft)
    for account in _currencies(draft):
        money.performance(draft, period, account)
        money.reconciliation(draft, period, account)
        money.trades(draft, period, account)
        money.positions(draft, account)
    signals.signals(draft, period)
    models.models(draft)
    models.health(draft)
    models.training(draft)
    operations.operations(draft)
    environment = Environment(
        loader=PackageLoader("runner.views", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    marts = sorted({mart for section in draft.sections for mart in section.marts})
    about_marts = [(mart, draft.descriptions.get(mart, "")) for mart in marts]
    return environment.get_template("report.html.j2").render(
        period=period,
        made_at=moment(datetime.now(UTC)),
        address=address,
        sections=draft.sections,
        marts=marts,
        definitions=[*about_marts, *sorted(draft.definitions.items())],
        # So that no text of a mart can end its script element.
        specs=json.dumps(draft.specs, separators=(",", ":")).replace("<", "\\u003c"),
        library=_library(),
    )


def _currencies(draft: Draft) -> list[Account]:
    """All accounts together of each currency."""
    try:
        found = [Account(**row) for row in draft.ask("accounts")]
    except MartError:
        found = []
    return [each for each in found if each.is_all_accounts] or [Account()]


@cache
def _library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script; it takes some seconds to make."""
    import altair
    import vl_convert

    version = ".".join(altair.SCHEMA_VERSION.split(".")[:2])
    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", version))

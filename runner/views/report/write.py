"""Writes the report's file."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

from runner import extras
from runner.errors import UsageError
from runner.servers.database import Database
from runner.views.asked import Account, Asked, Choices, Period, choices
from runner.views.dashboard.marts import LIMITS, MissingMartError, connect, reading
from runner.views.dashboard.wording import moment
from runner.views.report.draft import Draft


@dataclass(frozen=True)
class Wanted:
    """The filters of a report, as the dashboard's address names them.

    ``first`` or ``last`` takes the place of the window. No account is, of each currency, all of
    its accounts.
    """

    window: str = "All"
    first: date | None = None
    last: date | None = None
    account: str | None = None
    symbols: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


def write_report(database: Database, path: Path, wanted: Wanted | None = None) -> Period:
    """Write the report, and return its period.

    Raise UsageError if the extra is not installed, a filter names what the marts have not, or the
    file cannot be written; UnreachableError if the database cannot be reached.
    """
    extras.need("report")
    limits = replace(LIMITS, application_name="signal-marts report")
    with connect(database, limits) as marts, reading(marts):
        # All questions see the same moment, even if a build runs meanwhile; between them charts are
        # drawn.
        marts.execute(
            "set transaction isolation level repeatable read;"
            " set local idle_in_transaction_session_timeout = '10min'"
        )
        draft = Draft(marts, database)
        asked = asked_for(wanted or Wanted(), choices(draft.rows))
        text = _html(draft, asked, database.address)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
    return next(period for each in asked if (period := each.period))


def asked_for(wanted: Wanted, has: Choices) -> list[Asked]:
    """What is asked of the marts, once for each account that is shown.

    Raise UsageError if the marts have no such account, symbol, source or days.
    """
    if has.days is None:
        raise MissingMartError("the marts hold no closed day yet", "run signal-marts build")
    for what, names, known in (
        ("symbol", wanted.symbols, has.symbols),
        ("source", wanted.sources, has.sources),
        ("account", filter(None, [wanted.account]), [str(each) for each in has.accounts]),
    ):
        if unknown := [name for name in names if name not in known]:
            raise UsageError(
                f"there is no {what} {', '.join(map(repr, unknown))} in the marts; they have "
                f"{', '.join(known)}"
            )
    days = None
    if wanted.first or wanted.last:
        days = Period(wanted.first or has.days.first, wanted.last or has.days.last)
    accounts = [each for each in has.accounts if str(each) == wanted.account]
    if wanted.account is None:
        accounts = [each for each in has.accounts if each.is_all_accounts] or [Account()]
    made = [
        Asked(has, account, wanted.symbols, wanted.sources, wanted.window, days)
        for account in accounts
    ]
    if made[0].period is None:
        raise UsageError(f"there are no closed days in {days}; the marts have {has.days}")
    return made


def _html(draft: Draft, asked: list[Asked], address: str) -> str:
    """The whole file."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from runner.views.sections import (
        ensemble,
        glance,
        journal,
        models,
        money,
        operations,
        signals,
        versions,
    )

    draft.draw(ensemble.SECTIONS, asked[0])
    for each in asked:
        draft.draw([glance.SECTION], each)
        draft.draw(money.SECTIONS, each)
        draft.draw(journal.SECTIONS, each)
    of_models = (versions.SECTION, *models.SECTIONS)
    for sections in (signals.SECTIONS, of_models, operations.SECTIONS):
        draft.draw(sections, asked[0])
    environment = Environment(
        loader=PackageLoader("runner.views", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    marts = sorted({mart for part in draft.parts for mart in part.marts})
    about_marts = [(mart, draft.descriptions.get(mart, "")) for mart in marts]
    return environment.get_template("report.html.j2").render(
        asked=asked[0],
        period=asked[0].period,
        made_at=moment(datetime.now(UTC)),
        address=address,
        parts=draft.parts,
        marts=marts,
        definitions=[*about_marts, *sorted(draft.definitions.items())],
        # So that no text of a mart can end its script element.
        specs=json.dumps(draft.specs, separators=(",", ":")).replace("<", "\\u003c"),
        library=_library(),
    )


@cache
def _library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script; it takes some seconds to make."""
    import altair
    import vl_convert

    version = ".".join(altair.SCHEMA_VERSION.split(".")[:2])
    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", version))

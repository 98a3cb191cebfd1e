"""Which databases a command works on."""

from __future__ import annotations

import os
from urllib.parse import quote

from runner import settings
from runner.errors import UsageError
from runner.servers.database import Database


def databases(given: settings.Settings) -> tuple[Database, Database]:
    """Primary and replica, from the environment or the embedded pair."""
    primary, replica = map(settings.revealed, (given.primary_url, given.replica_url))
    if primary and replica:
        return Database("primary", primary), Database("replica", replica)
    if primary or replica:
        missing = "REPLICA_URL" if primary else "PRIMARY_URL"
        raise UsageError(f"{missing} is not set; set both, or neither for the embedded pair")
    from runner.demo.embedded import EmbeddedPair

    pair = EmbeddedPair(given.home)
    urls = pair.urls()
    # libpq finds the pair's password in its file.
    os.environ["PGPASSFILE"] = str(urls.passfile)
    return Database("primary", urls.primary), Database("replica", urls.replica)


def reading_database(given: settings.Settings) -> Database:
    """Where the marts are read, from the environment or the embedded pair."""
    if given.dashboard_url or given.replica_url or given.primary_url:
        from runner.views.dashboard.marts import reading_database

        return reading_database(given)
    from runner.demo.embedded import EmbeddedPair

    urls = EmbeddedPair(given.home).urls()
    # libpq finds the pair's password in its file.
    return Database("replica", f"{urls.replica}?passfile={quote(str(urls.passfile), safe='')}")


def mend_of_a_lost_pair() -> str:
    """A hint to add when a database of the embedded pair cannot be reached."""
    from runner.demo.embedded import EmbeddedPair, NotMadeError

    given = settings.load()
    try:
        urls = EmbeddedPair(given.home).urls()
    except NotMadeError:
        return ""
    primary, replica = map(settings.revealed, (given.primary_url, given.replica_url))
    is_meant = primary in (None, urls.primary) and replica in (None, urls.replica)
    if not is_meant or given.dashboard_url is not None:
        return ""
    return "; start the embedded pair: signal-marts up"

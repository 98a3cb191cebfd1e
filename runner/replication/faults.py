"""Faults of replication in words, each with its mend: whoever tells of one tells it from here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

DEPLOY = "run signal-marts deploy"
COPY_AGAIN = "run signal-marts deploy: it copies the tables again"


@dataclass(frozen=True)
class Fault:
    """What is wrong on a side, primary or replica, and the mend.

    ``is_passing``: it ends by itself, or at the next build or deploy, and until then nothing is
    wrong.
    """

    side: str
    text: str
    mend: str
    is_passing: bool = False

    def __str__(self) -> str:
        return f"{self.text}; {self.mend}"


NOT_SET_UP = Fault("replica", "the replica has no subscription", DEPLOY)
DISABLED = Fault("replica", "the subscription is disabled", DEPLOY)
APPLIES_NOTHING = Fault(
    "replica", "the subscription applies nothing", "signal-marts status tells why"
)
ON_THE_WAY = Fault(
    "replica", "changes are still on their way", "signal-marts status shows the lag", True
)
# Each token is later than the one before it, and rows of the future are told by it
# (macros/rejected/latest_moment.sql): such a one would stay for good.
TOKEN_AHEAD = Fault(
    "primary",
    "public.ai_replication_fence on the primary holds a time that is more than a day ahead of its "
    "clock: somebody wrote it, or the clock was set back",
    "delete from public.ai_replication_fence;  -- on the primary, then run signal-marts deploy and "
    "signal-marts build --full-refresh",
)


def not_replicated(tables: Iterable[str]) -> Fault:
    """Tables are published and the sources do not have them, or the other way round."""
    text = f"not replicated as the sources say: {listed(tables)}"
    return Fault("replica", text, DEPLOY)


def still_copying(tables: Iterable[str]) -> Fault:
    """Tables are copied at this moment."""
    mend = "wait; should it not end, the log of the replica's server says why"
    return Fault("replica", f"still copying {listed(tables)}", mend, is_passing=True)


def stuck(tables: Iterable[str]) -> Fault:
    """Copies of tables cannot go on."""
    text = f"the copy of {listed(tables)} cannot go on: the primary no longer has its slot"
    return Fault("replica", text, COPY_AGAIN)


def failed(times: str) -> Fault:
    """The subscription's workers failed."""
    mend = "should it fail again, the log of the replica's server says why"
    return Fault("replica", f"the subscription has failed {times}", mend, is_passing=True)


def of_partitions(name: str) -> Fault:
    """Rows of a table came or went with a partition."""
    return Fault(
        "replica",
        f"rows of {name} came or went with a partition, which is not replicated",
        "run signal-marts deploy: it copies the table again",
    )


def not_loaded(tables: Iterable[str]) -> Fault:
    """The replica lacks rows that the primary has given up."""
    return Fault(
        "replica",
        f"the archived rows of {listed(tables)} are not on the replica",
        "run signal-marts deploy with SIGNAL_MARTS_ARCHIVE set to the folder of their files",
    )


def listed(names: Iterable[str]) -> str:
    """Names in the order of the alphabet."""
    return ", ".join(sorted(names))

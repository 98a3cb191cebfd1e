"""Faults of replication, each with its mend: ``status`` and ``doctor`` tell the same ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from runner.replication import catalog, fence, landing, partitions, sync
from runner.servers.contract import Table
from runner.servers.sides import Sides

_DEPLOY = "run signal-marts deploy"
_COPY_AGAIN = "run signal-marts deploy: it copies the tables again"


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


NOT_SET_UP = Fault("replica", "the replica has no subscription", _DEPLOY)


def find(sides: Sides, contract: Sequence[Table]) -> Iterator[Fault]:
    """What is wrong with the replication of these tables; nothing is written.

    Tokens come last: a login may see all else, and not them.
    """
    subscription = catalog.read_subscription(sides.on_replica)
    if subscription is None:
        yield NOT_SET_UP
    else:
        yield from _of_subscription(sides, contract, subscription)
    token = catalog.written_token(sides.on_primary)
    if token is not None and token.is_ahead:
        yield Fault("primary", fence.AHEAD, fence.AHEAD_MEND)


def _of_subscription(
    sides: Sides, contract: Sequence[Table], subscription: catalog.Subscription
) -> Iterator[Fault]:
    primary, replica = sides.on_primary, sides.on_replica
    if not subscription.is_enabled:
        yield Fault("replica", "the subscription is disabled", _DEPLOY)
    name = catalog.slot_name(replica)
    if subscription.slot != name:
        text = f"the subscription reads slot {subscription.slot or '(none)'} instead of {name}"
        yield Fault("replica", text, _DEPLOY)
    slot = catalog.read_slot(primary, name)
    yield from _of_slot(slot, subscription)
    copying = catalog.copying_tables(replica)
    yield from _of_tables(sides, contract, copying)
    if subscription.publications != (sync.PUBLICATION,):
        names = ", ".join(subscription.publications)
        yield Fault("replica", f"the subscription reads publication {names}", _COPY_AGAIN)
    if slot is not None and contract and sync.publication_differs(sides, contract):
        yield Fault("primary", "the publication is not as the sources say", _DEPLOY)
    if not copying:
        gap = fence.find_gap(primary, replica)
        if gap is not None and gap.reason is not None:
            yield Fault("replica", gap.reason, _COPY_AGAIN)


def _of_slot(slot: catalog.Slot | None, subscription: catalog.Subscription) -> Iterator[Fault]:
    if slot is None:
        text = "the slot is gone from the primary, so changes are missing"
        yield Fault("primary", text, _COPY_AGAIN)
        return
    if slot.is_lost:
        text = f"slot {slot.name} is lost: the primary no longer has the log that the replica needs"
        yield Fault("primary", text, _COPY_AGAIN)
        return
    if slot.wal_status == "unreserved":
        yield Fault(
            "primary",
            f"slot {slot.name} is about to be lost: its log may go at the next checkpoint",
            "alter system set max_slot_wal_keep_size = '10GB'; select pg_reload_conf();"
            "  -- and let the replica catch up",
            is_passing=True,
        )
    if subscription.is_enabled and not slot.is_active:
        yield Fault(
            "replica",
            f"nobody reads slot {slot.name}, and the primary keeps its log for it ({slot.lag_bytes}"
            " bytes so far): the replica's server is down, cannot connect, or fails again and again"
            f" ({subscription.errors} errors so far)",
            "its server log says why; run signal-marts deploy to connect anew",
        )


def _of_tables(sides: Sides, contract: Sequence[Table], copying: set[str]) -> Iterator[Fault]:
    primary, replica = sides.on_primary, sides.on_replica
    wanted = {table.qualified for table in contract}
    if missing := wanted - catalog.subscribed_tables(replica):
        yield Fault("replica", f"not replicated: {_listed(missing)}", _DEPLOY)
    if stuck := catalog.stuck_copies(primary, replica):
        yield Fault("replica", f"the copy of {_listed(stuck)} cannot go on", _DEPLOY)
    if going_on := copying - stuck:
        yield Fault(
            "replica",
            f"still copying {_listed(going_on)}",
            "wait; should it not end, the log of the replica's server says why",
            is_passing=True,
        )
    if pending := landing.pending_copies(replica):
        text = f"to be copied again: {_listed(pending)}"
        yield Fault("replica", text, _DEPLOY, is_passing=True)
    for name in landing.differing(replica, contract):
        text = f"the landing table {name} is not as the sources say"
        yield Fault("replica", text, _DEPLOY)
    if uncaptured := landing.not_captured(replica, contract):
        yield Fault(
            "replica",
            f"changes of {_listed(uncaptured)} go unnoticed by the next build, since triggers are "
            "missing",
            _DEPLOY,
        )
    differing = partitions.different(replica)
    yield from map(of_partitions, sorted(differing))
    if unseen := partitions.unseen(primary, replica, contract) - differing:
        yield Fault(
            "primary",
            f"partitions of {_listed(unseen)} came, went or were rewritten",
            "the next build compares the rows",
            is_passing=True,
        )


def of_partitions(name: str) -> Fault:
    """Rows of a table came or went with a partition."""
    return Fault(
        "replica",
        f"rows of {name} came or went with a partition, which is not replicated",
        "run signal-marts deploy: it copies the table again",
    )


def _listed(names: set[str] | Sequence[str]) -> str:
    return ", ".join(sorted(names))

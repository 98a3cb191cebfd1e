"""What is wrong with replication: ``status`` and ``doctor`` ask, and tell the same faults."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from runner.platform import mapping
from runner.replication import archives, catalog, faults, fence, landed, mapped, partitions, sync
from runner.replication.faults import COPY_AGAIN, DEPLOY, Fault, listed
from runner.servers.contract import Table
from runner.servers.sides import Sides


def find(sides: Sides, contract: Sequence[Table]) -> Iterator[Fault]:
    """What is wrong with the replication of these tables; nothing is written.

    Tokens come last: a login may see all else, and not them.
    """
    subscription = catalog.read_subscription(sides.on_replica)
    if subscription is None:
        yield faults.NOT_SET_UP
    else:
        yield from _of_subscription(sides, contract, subscription)
    token = catalog.written_token(sides.on_primary)
    if token is not None and token.is_ahead:
        yield faults.TOKEN_AHEAD


def _of_subscription(
    sides: Sides, contract: Sequence[Table], subscription: catalog.Subscription
) -> Iterator[Fault]:
    primary, replica = sides.on_primary, sides.on_replica
    if not subscription.is_enabled:
        yield faults.DISABLED
    name = catalog.slot_name(replica)
    if subscription.slot != name:
        text = f"the subscription reads slot {subscription.slot or '(none)'} instead of {name}"
        yield Fault("replica", text, DEPLOY)
    slot = catalog.read_slot(primary, name)
    yield from _of_slot(slot, subscription)
    copying = catalog.copying_tables(replica)
    yield from _of_tables(sides, contract, copying)
    if subscription.publications != (sync.PUBLICATION,):
        names = ", ".join(subscription.publications)
        yield Fault("replica", f"the subscription reads publication {names}", COPY_AGAIN)
    if slot is not None and contract and sync.publication_differs(sides, contract):
        yield Fault("primary", "the publication is not as the sources say", DEPLOY)
    if not copying:
        gap = fence.find_gap(primary, replica)
        if gap is not None and gap.reason is not None:
            yield Fault("replica", gap.reason, COPY_AGAIN)


def _of_slot(slot: catalog.Slot | None, subscription: catalog.Subscription) -> Iterator[Fault]:
    if slot is None:
        text = "the slot is gone from the primary, so changes are missing"
        yield Fault("primary", text, COPY_AGAIN)
        return
    if slot.is_lost:
        text = f"slot {slot.name} is lost: the primary no longer has the log that the replica needs"
        yield Fault("primary", text, COPY_AGAIN)
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
    if differing := wanted ^ catalog.subscribed_tables(replica):
        yield faults.not_replicated(differing)
    if stuck := catalog.stuck_copies(primary, replica):
        yield faults.stuck(stuck)
    if going_on := copying - stuck:
        yield faults.still_copying(going_on)
    if pending := landed.pending_copies(replica):
        text = f"to be copied again: {listed(pending)}"
        yield Fault("replica", text, DEPLOY, is_passing=True)
    for name in landed.differing(replica, contract):
        text = f"the landing table {name} is not as the sources say"
        yield Fault("replica", text, DEPLOY)
    for name, what, mend in landed.refusals(replica):
        text = f"{what} of the landing table {name} can refuse rows that the primary has"
        yield Fault("replica", text, mend)
    if stale := mapped.stale(replica, mapping.read()):
        text = f"views of {listed(stale)} are not as the mapping file says"
        yield Fault("replica", text, DEPLOY)
    if uncaptured := landed.not_captured(replica, contract):
        yield Fault(
            "replica",
            f"changes of {listed(uncaptured)} go unnoticed by the next build, since triggers are "
            "missing",
            DEPLOY,
        )
    if missing := archives.not_loaded(primary, replica, contract):
        yield faults.not_loaded(missing)
    for name, until in archives.unfinished(primary, contract):
        text = f"rows of {name} of before {until:%Y-%m-%d} are not all archived yet"
        mend = f"signal-marts archive {name} --before {until:%Y-%m-%d}, as it was begun"
        yield Fault("primary", text, mend, is_passing=True)
    repartitioned = partitions.different(replica)
    yield from map(faults.of_partitions, sorted(repartitioned))
    if unseen := partitions.unseen(primary, replica, contract) - repartitioned:
        yield Fault(
            "primary",
            f"partitions of {listed(unseen)} came, went or were rewritten",
            "the next build compares the rows",
            is_passing=True,
        )

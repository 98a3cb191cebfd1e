"""What is told of a slot, in every state that PostgreSQL has for one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runner.replication.catalog import Slot, Subscription
from runner.replication.health import _of_slot

NAME = "signal_marts_analytics"
slots = st.builds(
    Slot,
    name=st.just(NAME),
    is_active=st.booleans(),
    wal_status=st.sampled_from(("reserved", "extended", "unreserved", "lost")),
    lag_bytes=st.none() | st.integers(0, 2**40),
    safe_wal_bytes=st.none() | st.integers(-(2**40), 2**40),
)
subscriptions = st.builds(
    Subscription,
    is_enabled=st.booleans(),
    route=st.none(),
    slot=st.just(NAME),
    publications=st.just(("signal_marts",)),
    errors=st.integers(0, 1000),
)


@given(slots, subscriptions)
def test_each_state_is_told_once(slot: Slot, subscription: Subscription) -> None:
    faults = [*_of_slot(slot, subscription)]
    told = " / ".join(fault.text for fault in faults)
    assert all(NAME in fault.text and fault.mend for fault in faults)
    assert ("is lost" in told) == slot.is_lost
    if slot.is_lost:
        assert [fault.side for fault in faults] == ["primary"]
        return
    assert ("about to be lost" in told) == (slot.wal_status == "unreserved")
    # A disabled subscription is told by itself: that nobody reads its slot follows from it.
    is_unread = subscription.is_enabled and not slot.is_active
    assert (f"nobody reads slot {NAME}" in told) == is_unread
    assert (f"({subscription.errors} errors so far)" in told) == is_unread
    # Nothing is wrong yet where the slot may still be saved.
    assert all(fault.is_passing == ("about to be lost" in fault.text) for fault in faults)


@given(subscriptions)
def test_a_slot_that_is_gone_needs_new_copies(subscription: Subscription) -> None:
    (fault,) = _of_slot(None, subscription)
    assert fault.side == "primary"
    assert "slot is gone" in fault.text
    assert "copies the tables again" in str(fault)

"""What the fence makes of what it sees: it waits, it passes, or it says why that is in vain.

What servers answer is given; tests/integration/replication has the servers themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.replication import copies, faults, fence, landed
from runner.replication.catalog import Subscription, Token
from runner.replication.copies import Loss
from runner.servers.contract import Table

NOBODY: Any = None  # a connection that nothing is asked on
AT = datetime(2025, 3, 1, tzinfo=UTC)
ORDERS = Table("public", "trading_orders", "platform", (("id", "bigint"),))
SECOND = timedelta(seconds=1)


def token(seconds: float) -> Token:
    return Token(UUID(int=int(seconds * 10**6) % 2**64), AT + seconds * SECOND, is_ahead=False)


class Servers:
    """What both sides answer; a list is answered one by one, and its last answer stays."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.subscription: Any = Subscription(True, None, "s", ("signal_marts",), 0)
        self.subscribed: Any = {ORDERS.qualified}
        self.copying: Any = set()
        self.stuck: Any = set()
        self.shown: Any = token(1)
        self.written: Any = token(1)
        self.is_past: Any = False
        self.loss: Loss | None = None
        self.clock = 0.0
        for name, answer in {
            "read_subscription": lambda replica: self._next("subscription"),
            "subscribed_tables": lambda replica: self._next("subscribed"),
            "copying_tables": lambda replica: self._next("copying"),
            "stuck_copies": lambda primary, replica: self._next("stuck"),
            "last_token": lambda replica: self._next("shown"),
            "written_token": lambda primary: self._next("written"),
            "slot_name": lambda replica: "s",
            "scalar": lambda connection, query, *rest: (
                self._next("is_past") if "confirmed_flush_lsn" in query else "0/0"
            ),
            "_write_token": lambda primary: token(2),
        }.items():
            monkeypatch.setattr(fence, name, answer)
        monkeypatch.setattr(landed, "uncounted_copies", lambda replica: set())
        monkeypatch.setattr(copies, "find_loss", self._count)
        clock = SimpleNamespace(sleep=self._sleep, monotonic=lambda: self.clock)
        monkeypatch.setattr(fence, "time", clock)

    def _next(self, name: str) -> Any:
        answer = getattr(self, name)
        if isinstance(answer, list):
            return answer.pop(0) if len(answer) > 1 else answer[0]
        return answer

    def _sleep(self, seconds: float) -> None:
        self.clock += seconds

    def _count(
        self, primary: Any, replica: Any, contract: Sequence[Table], catch_up: Callable[[], None]
    ) -> Loss | None:
        catch_up()
        return self.loss

    def failing(self, *errors: int) -> None:
        """Its workers have failed so often, as each look tells."""
        self.subscription = [
            Subscription(True, None, "s", ("signal_marts",), count) for count in errors
        ]


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Servers:
    return Servers(monkeypatch)


def wait(timeout: float = 1) -> None:
    fence.wait(NOBODY, NOBODY, [ORDERS], timeout=timeout)


def test_it_waits_as_long_as_changes_are_on_their_way(servers: Servers) -> None:
    servers.shown = [token(1)] * 5 + [None, token(2)]
    wait()
    assert 0 < servers.clock < 1


@pytest.mark.parametrize(
    ("changes", "error", "told"),
    [
        ({"subscription": None}, fence.FenceError, str(faults.NOT_SET_UP)),
        (
            {"subscription": Subscription(False, None, "s", ("signal_marts",), 0)},
            fence.DisabledError,
            str(faults.DISABLED),
        ),
        (
            {"subscribed": {"public.other"}},
            fence.FenceError,
            "not replicated as the sources say: public.other, public.trading_orders",
        ),
        (
            {"shown": token(1), "stuck": {ORDERS.qualified}},
            fence.BrokenReplicationError,
            "the copy of public.trading_orders cannot go on",
        ),
    ],
    ids=["no subscription", "disabled", "other tables", "a stuck copy"],
)
def test_it_does_not_wait_in_vain(
    servers: Servers, changes: dict[str, Any], error: type[Exception], told: str
) -> None:
    vars(servers).update(changes)
    with pytest.raises(error) as failed:
        wait(timeout=3600)
    assert told in str(failed.value)
    assert servers.clock == 0
    assert type(failed.value) is error


def test_the_first_thing_that_is_wrong_is_told(servers: Servers) -> None:
    servers.shown = token(1)
    servers.copying = {ORDERS.qualified}
    with pytest.raises(fence.FenceError, match=r"after 1 seconds: still copying public\.trading"):
        wait()
    assert 1 <= servers.clock < 1.1
    servers.subscribed = set()
    with pytest.raises(fence.FenceError, match="not replicated as the sources say"):
        wait()


def test_one_failure_of_a_worker_passes_and_two_do_not(servers: Servers) -> None:
    servers.shown = [token(1), token(1), token(1), token(2)]
    servers.failing(7, 7, 8)
    wait()
    servers.shown = token(1)
    servers.failing(7, 7, 8, 8, 9)
    with pytest.raises(fence.BrokenReplicationError, match="tries it again and again"):
        wait(timeout=3600)


def test_lost_rows_are_counted(servers: Servers) -> None:
    servers.shown = token(2)
    servers.written = token(2)
    servers.loss = Loss(ORDERS.qualified, 1_234_567, 12)
    with pytest.raises(fence.LostRowsError, match="has 1,234,567 and the replica 12"):
        wait()


@given(st.floats(-3 * 86400, 3 * 86400, allow_nan=False))
def test_a_token_of_others_proves_as_much_for_a_day(seconds: float) -> None:
    with pytest.MonkeyPatch.context() as patch:
        Servers(patch).shown = token(seconds)
        obstacle = fence._obstacle(NOBODY, {ORDERS.qualified}, token(0))
    shown = token(seconds).written_at - AT
    assert obstacle == (None if timedelta() <= shown <= timedelta(days=1) else faults.ON_THE_WAY)


REPLICA_LOST, PRIMARY_LOST = "replica lost changes", "primary lost"


@pytest.mark.parametrize(
    ("shown", "written", "is_past", "gap"),
    [
        (token(1), token(1), True, None),
        (None, None, True, None),
        # On its way, or the slot is just past it.
        (token(1), token(2), False, ""),
        (None, token(2), False, ""),
        ([token(1), token(2)], token(2), True, ""),
        ([token(1), token(3)], token(2), True, ""),
        ([None, token(2)], token(2), True, ""),
        # The slot is past it, and the replica will never show it.
        (token(1), token(2), True, REPLICA_LOST),
        (None, token(2), True, REPLICA_LOST),
        # Sent, and a moment later shown by the primary itself.
        (token(2), [token(1), token(1), token(2)], False, None),
        (token(2), [token(1), None, token(3)], False, ""),
        # Never shown by it.
        (token(2), token(1), False, PRIMARY_LOST),
        (token(2), token(1), True, PRIMARY_LOST),
    ],
)
def test_which_side_was_set_back(
    servers: Servers, shown: Any, written: Any, is_past: bool, gap: str | None
) -> None:
    servers.shown, servers.written, servers.is_past = shown, written, is_past
    found = fence.find_gap(NOBODY, NOBODY)
    if gap is None:
        assert found is None
    else:
        assert found is not None
        assert (found.reason is None) == (gap == "")
        assert gap in (found.reason or "")


def test_a_lost_change_ends_the_wait_before_a_token_is_written(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new token would hide what the last one tells."""
    monkeypatch.setattr(fence, "_write_token", lambda primary: pytest.fail("written"))
    servers.shown, servers.written, servers.is_past = token(1), token(2), True
    with pytest.raises(fence.BrokenReplicationError, match=r"lost changes .*copies the tables"):
        wait()

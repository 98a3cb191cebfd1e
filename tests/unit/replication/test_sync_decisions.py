"""What sync makes of what it finds: what is copied again and why, and in which order it is done.

What servers answer is given; tests/integration/replication has the servers themselves.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import UsageError
from runner.replication import landed, login, sync
from runner.replication.catalog import Slot, Subscription
from runner.servers.changes import Changes
from runner.servers.contract import Table
from runner.servers.database import Database
from runner.servers.sides import Sides

NOBODY: Any = None  # a connection that nothing is asked on
SECRET = "postgresql://trader:hidden@one:5432/trading"  # noqa: S105
SIDES = Sides(
    Database("primary", SECRET), Database("replica", "postgresql://two/a"), NOBODY, NOBODY, None
)
ORDERS = Table("public", "orders", "platform", (("id", "bigint"), ("price", "numeric")))
PLANS = Table("trade", "plans", "platform", (("id", "bigint"),))
CONTRACT = (ORDERS, PLANS)
WHOLE = {"public.orders": {"id", "price"}, "trade.plans": {"id"}}


def subscription(**changes: Any) -> Subscription:
    values: dict[str, Any] = {
        "is_enabled": True,
        "route": "here",
        "slot": "s",
        "publications": ("signal_marts",),
        "errors": 0,
    }
    return Subscription(**(values | changes))


def slot(**changes: Any) -> Slot:
    values: dict[str, Any] = {
        "name": "s",
        "is_active": True,
        "wal_status": "reserved",
        "lag_bytes": 0,
        "safe_wal_bytes": None,
    }
    return Slot(**(values | changes))


def answering(patch: pytest.MonkeyPatch, **answers: Any) -> None:
    """Functions of sync that ask a server give these answers."""
    for name, answer in answers.items():
        patch.setattr(sync, name, lambda *_, given=answer, **__: given)


def shown(patch: pytest.MonkeyPatch, step: str, *arguments: Any, **answers: Any) -> list[str]:
    """What a step of a dry run would do, a line each."""
    answering(patch, **answers)
    lines: list[str] = []
    getattr(sync, step)(*arguments, Changes(lines.append, is_dry_run=True))
    return lines


# --- what is copied again ---------------------------------------------------------------------


@given(
    st.none() | st.sampled_from(["reserved", "unreserved", "lost"]),
    st.none() | st.tuples(st.sampled_from(["s", "other", None]), st.sampled_from(["ours", "b"])),
    st.none() | st.just(WHOLE),
    st.sets(st.sampled_from([*WHOLE, "gone.from_the_sources"])),
)
def test_all_is_copied_where_changes_are_lost_for_good(
    wal_status: str | None,
    subscribed: tuple[str | None, str] | None,
    published: dict[str, set[str]] | None,
    again: set[str],
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        answering(
            patch,
            slot_name="s",
            read_slot=None if wal_status is None else slot(wal_status=wal_status),
            read_subscription=None
            if subscribed is None
            else subscription(
                slot=subscribed[0],
                publications=("signal_marts",) if subscribed[1] == "ours" else ("b",),
            ),
            _published=published,
        )
        why = sync._why_anew(SIDES, CONTRACT, again)
    is_detached = subscribed is not None and subscribed[0] != "s"
    is_elsewhere = subscribed is not None and subscribed[1] != "ours"
    reasons = {
        "the slot is gone from the primary": wal_status is None,
        "the slot is lost": wal_status == "lost",
        "detached from its slot": is_detached,
        "another publication": is_elsewhere,
        "the publication is gone": published is None,
        "every table needs it": again >= set(WHOLE),
    }
    first = next((reason for reason, holds in reasons.items() if holds), None)
    assert why is None if first is None else first in (why or "")


@pytest.mark.parametrize(
    ("published", "is_all", "expected"),
    [
        (WHOLE, True, set()),
        (WHOLE, False, {"public.orders"}),
        ({"public.orders": {"id"}}, True, {"public.orders"}),
        ({}, True, {"public.orders"}),
        (None, True, {"public.orders"}),
        # What is published besides does no harm.
        (WHOLE | {"public.orders": {"id", "price", "mood"}}, True, set()),
    ],
)
def test_tables_that_were_published_in_part_are_copied(
    monkeypatch: pytest.MonkeyPatch, published: Any, is_all: bool, expected: set[str]
) -> None:
    """Of those that are subscribed: others are copied anyhow."""
    answering(
        monkeypatch,
        subscribed_tables={"public.orders"},
        _published=published,
        _publishes_all_changes=is_all,
    )
    assert sync._narrowed(SIDES, CONTRACT) == expected


def test_only_tables_of_the_sources_are_asked_for() -> None:
    sync._check_names(CONTRACT, None)
    sync._check_names(CONTRACT, ["trade.plans"])
    with pytest.raises(UsageError, match=r"no table plans, x to copy .*public\.orders, trade\.p"):
        sync._check_names(CONTRACT, ["plans", "trade.plans", "x"])


# --- what is done -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("published", "is_all", "expected"),
    [
        (None, True, ["drop publication if exists", "create publication signal_marts for table"]),
        (None, False, ["drop publication if exists", "create publication signal_marts for table"]),
        (WHOLE, True, []),
        ({}, True, ["set table"]),
        (WHOLE | {"public.orders": {"id"}}, False, ["set table", "set (publish = "]),
        (WHOLE, False, ["set (publish = "]),
    ],
)
def test_the_publication_is_made_or_set_right(
    monkeypatch: pytest.MonkeyPatch, published: Any, is_all: bool, expected: list[str]
) -> None:
    lines = shown(
        monkeypatch, "_publish", NOBODY, CONTRACT, _published=published,
        _publishes_all_changes=is_all,
    )  # fmt: skip
    statements = [line for line in lines if not line.startswith("--")]
    assert len(statements) == len(expected)
    for statement, part in zip(statements, expected, strict=True):
        assert part in statement
        if "table" in part:
            assert '"public"."orders" ("id", "price"), "trade"."plans" ("id")' in statement


def test_a_table_that_comes_back_is_emptied_before_it_is_copied(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(landed, "landing_tables", lambda replica: {"public.orders": {}})
    assert shown(monkeypatch, "_subscribe", SIDES, set(WHOLE), subscribed_tables=set(WHOLE)) == []
    lines = shown(monkeypatch, "_subscribe", SIDES, set(WHOLE), subscribed_tables={"trade.plans"})
    lock, empty, refresh = [line for line in lines if not line.startswith("--")]
    assert lock.startswith("lock table")
    assert 'delete from "public"."orders"' in empty
    assert refresh == "alter subscription signal_marts refresh publication;"
    # One that goes leaves its rows where they are.
    lines = shown(monkeypatch, "_subscribe", SIDES, {"trade.plans"}, subscribed_tables=set(WHOLE))
    assert [line for line in lines if not line.startswith("--")] == [refresh]


def test_a_table_goes_out_of_the_publication_before_the_subscription(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = shown(monkeypatch, "_withdraw", SIDES, CONTRACT, {"public.orders"})
    assert lines == [
        "-- primary: publication without public.orders for a moment",
        'alter publication signal_marts set table "trade"."plans" ("id");',
        "-- replica: subscription without them",
        "alter subscription signal_marts refresh publication;",
    ]


@pytest.mark.parametrize(
    ("found", "given", "again", "is_connecting", "expected"),
    [
        (slot(), {}, set(), False, []),
        # Nothing can be said to a slot that is gone: all is made anew.
        (None, {"is_enabled": False}, set(), False, []),
        (slot(), {"route": "elsewhere"}, set(), False, ["connect"]),
        (slot(), {}, {"public.orders"}, False, ["connect"]),
        # After a restart a worker comes by itself.
        (slot(is_active=False), {}, set(), True, []),
        (slot(is_active=False), {}, set(), False, ["connect"]),
        (slot(is_active=False), {"is_enabled": False}, set(), True, ["connect", "enable"]),
        (slot(), {"is_enabled": False}, set(), False, ["enable"]),
    ],
)
def test_a_subscription_is_mended_only_where_it_does_not_run(
    monkeypatch: pytest.MonkeyPatch,
    found: Slot | None,
    given: dict[str, Any],
    again: set[str],
    is_connecting: bool,
    expected: list[str],
) -> None:
    monkeypatch.setattr(login, "wanted_route", lambda sides: "here")
    monkeypatch.setattr(landed, "landing_tables", lambda replica: {"public.orders": {}})
    lines = shown(
        monkeypatch, "_repair_subscription", SIDES, subscription(**given), again,
        slot_name="s", read_slot=found, _is_connecting=is_connecting,
    )  # fmt: skip
    statements = [line for line in lines if line.startswith("alter subscription")]
    wanted = {
        "connect": "alter subscription signal_marts connection '…';",
        "enable": "alter subscription signal_marts enable;",
    }
    assert statements == [wanted[step] for step in expected]
    # Passwords stand in connection strings.
    assert "hidden" not in "\n".join(lines)

"""Decisions about two servers that the tests' own pair cannot show."""

from __future__ import annotations

import pytest

from runner.replication.login import login_problem
from runner.replication.preconditions import encoding_problems, reader


@pytest.mark.parametrize(
    ("version", "may_make", "closed", "is_well"),
    [
        # Before 16, a login with REPLICATION is a superuser's to make, whatever else one holds.
        (150010, True, [], False),
        (150010, False, ["replicator"], False),
        (160004, True, [], True),
        (160004, True, ["replicator"], False),
        (180001, False, [], False),
    ],
)
def test_who_may_make_a_login_with_replication(
    version: int, may_make: bool, closed: list[str], is_well: bool
) -> None:
    found = login_problem("Trader", version=version, may_make=may_make, closed=closed)
    assert (found is None) == is_well
    if found is not None:
        assert "set REPLICATION_URL" in found.mend
        # What would not help is not offered.
        is_offered = version >= 160000
        assert ('alter role "Trader" createrole replication;' in found.mend) == is_offered
        assert ('grant "replicator" to "Trader"' in found.mend) == (is_offered and bool(closed))


@pytest.mark.parametrize(
    ("primary", "replica", "wrong"),
    [
        ("UTF8", "UTF8", []),
        ("LATIN1", "UTF8", []),
        ("EUC_JP", "UTF8", []),
        ("SQL_ASCII", "UTF8", ["primary"]),
        ("UTF8", "LATIN1", ["replica"]),
        # Its texts would fit, but what their JSON escapes might not.
        ("LATIN1", "LATIN1", ["replica"]),
        ("SQL_ASCII", "SQL_ASCII", ["primary", "replica"]),
    ],
)
def test_which_encodings_go_together(primary: str, replica: str, wrong: list[str]) -> None:
    found = [
        each.text.split("'")[0].removeprefix("the ") for each in encoding_problems(primary, replica)
    ]
    assert found == wrong


def test_who_copies() -> None:
    assert reader(None) == "replicator"
    assert reader("postgresql://marts:secret@h/d") == "marts"
    # The replica's server would take the name of its own system user.
    assert reader("postgresql://h/d") is None

"""Samples beside a watch: no failure ends them."""

from __future__ import annotations

from threading import Event

import psycopg

from runner.observation.sample import meanwhile


def test_no_failure_ends_the_samples() -> None:
    failures = iter(
        [
            psycopg.OperationalError("gone\nand more"),
            psycopg.OperationalError("gone"),
            None,
            psycopg.OperationalError("gone"),
            TypeError(),
        ]
    )
    counted: list[int] = []
    told: list[str] = []
    ended = Event()

    def take() -> None:
        failure = next(failures, "none is left")
        if isinstance(failure, Exception):
            raise failure
        if failure is not None:
            ended.set()

    with meanwhile(take, 0.001, lambda: counted.append(1), told.append):
        assert ended.wait(60)
    assert len(counted) == 4
    assert told == [
        "no sample was taken: gone",
        "no sample was taken: gone",
        "no sample was taken: TypeError",
    ]

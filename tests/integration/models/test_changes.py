"""Builds from changes equal builds in full after random changes and accidents.

SIGNAL_MARTS_STEPS asks for more random steps than usual, SIGNAL_MARTS_SEED for other ones.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from histories import Histories
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from mortal_servers import configure, servers

from runner.demo.embedded import EmbeddedPair

STEPS = int(os.environ.get("SIGNAL_MARTS_STEPS", "375"))
SEED = int(os.environ.get("SIGNAL_MARTS_SEED", "0"))
_STEPS_OF_A_HISTORY = 125  # the first history of a run is the simplest there is


@pytest.fixture(scope="module")
def mortals() -> Iterator[EmbeddedPair]:
    """A pair whose servers may be killed, and where long transactions arrive before they end."""
    with servers() as pair:
        configure(pair, pair.primary, "logical_decoding_work_mem", "64kB")
        yield pair


@pytest.mark.timeout(60 * STEPS)
def test_marts_from_changes_equal_marts_in_full(mortals: EmbeddedPair) -> None:
    Histories.pair = mortals
    run_state_machine_as_test(
        seed(SEED)(Histories),
        settings=settings(
            max_examples=max(1, STEPS // _STEPS_OF_A_HISTORY),
            stateful_step_count=_STEPS_OF_A_HISTORY,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )

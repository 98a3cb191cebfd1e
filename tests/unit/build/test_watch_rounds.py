"""The line that a watch writes of each round."""

from __future__ import annotations

from dataclasses import replace

from runner.build.watch import Round

ROUND = Round(
    number=7,
    origins=("public.trading_orders", "public.market_bars"),
    models=12,
    is_tested=False,
    is_complete=True,
    failures=(),
    seconds=0.25,
    rejected_rows={},
)


def test_a_round_tells_what_changed() -> None:
    assert str(ROUND) == ("round 7: 12 models in 0.2 s (public.trading_orders, public.market_bars)")


def test_a_round_of_everything_says_so() -> None:
    told = str(replace(ROUND, origins=None, is_tested=True))
    assert told == "round 7: 12 models and tests in 0.2 s (everything)"


def test_a_round_of_live_marts_alone_and_what_failed_in_it() -> None:
    told = str(replace(ROUND, is_complete=False, failures=("trades", "rl_progress")))
    assert told.startswith("round 7: 12 live models in ")
    assert told.endswith("; failed: trades, rl_progress")

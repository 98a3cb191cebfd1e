"""The demo's AI modules: small but real stand-ins for the platform's own."""

from __future__ import annotations

from runner.demo.modules.base import AIModule
from runner.demo.modules.genetic import GeneticModule
from runner.demo.modules.reinforcement import ReinforcementModule
from runner.demo.modules.spectrum import SpectrumModule

__all__ = ["AIModule", "GeneticModule", "ReinforcementModule", "SpectrumModule", "modules"]


def modules(seed: int) -> list[AIModule]:
    """The modules that the demo replays a market through; the same for the same seed.

    Two of each kind, which look at windows of other lengths.
    """
    return [
        ReinforcementModule(seed),
        ReinforcementModule(seed, "q_trader_short", memory=1440, discount=0.5, horizon=24),
        GeneticModule(seed),
        GeneticModule(seed, "strategy_breeder_wide", memory=1440, population=32, horizon=12),
        SpectrumModule(seed),
        SpectrumModule(seed, "cycle_finder_long", window=480, retrain_bars=48, horizon=8),
    ]

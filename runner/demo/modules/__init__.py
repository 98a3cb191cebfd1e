"""The demo's AI modules: small but real stand-ins for the platform's own."""

from __future__ import annotations

from runner.demo.modules.base import AIModule
from runner.demo.modules.genetic import GeneticModule
from runner.demo.modules.reinforcement import ReinforcementModule
from runner.demo.modules.spectrum import SpectrumModule

__all__ = ["AIModule", "GeneticModule", "ReinforcementModule", "SpectrumModule", "modules"]


def modules(seed: int) -> list[AIModule]:
    """The modules that the demo replays a market through; the same for the same seed.

    Each kind comes in two versions, as on a platform that tries a new one beside the old.
    """
    return [
        ReinforcementModule(seed),
        ReinforcementModule(seed, "1.1.0", memory=1440, discount=0.5, horizon=24),
        GeneticModule(seed),
        GeneticModule(seed, "1.1.0", memory=1440, population=32, horizon=12),
        SpectrumModule(seed),
        SpectrumModule(seed, "1.1.0", window=480, retrain_bars=48, horizon=8),
    ]

"""What AI modules import: ``from signal_marts import AITradingIntegration, Pools, Signal``.

The names are those of :mod:`runner.client`, which says what they promise. They need no more than
what ``pip install signal-marts`` brings; commands and models need the extra ``run``.
"""

from runner.client import *  # noqa: F403
from runner.client import __all__ as __all__

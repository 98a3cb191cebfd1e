"""Models: a model's skill, its calibration, its training progress, its health and versions."""

from __future__ import annotations

from runner.views.asked import Asked
from runner.views.dashboard import parts
from runner.views.sections import models


def page(asked: Asked) -> None:
    """Draw the page."""
    parts.draw(models.SECTIONS, asked)

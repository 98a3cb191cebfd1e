"""Performance: realized P&L, risk and certainty of the AI and the platform's own strategies."""

from __future__ import annotations

from runner.views.asked import Asked
from runner.views.dashboard import parts
from runner.views.sections import money


def page(asked: Asked) -> None:
    """Draw the page."""
    parts.contents(each.title for each in money.SECTIONS)
    parts.draw(money.SECTIONS, asked)

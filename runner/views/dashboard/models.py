"""Models: two side by side, then skill, calibration, training progress, health and versions."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from runner.views.asked import Asked
from runner.views.dashboard import bar, parts
from runner.views.sections import models, versions
from runner.views.sections.versions import Side
from runner.views.surface import Surface


def page(asked: Asked) -> None:
    """Draw the page."""
    sections = (replace(versions.SECTION, draw=_side_by_side), *models.SECTIONS)
    parts.contents(each.title for each in sections)
    parts.draw(sections, asked)


def _side_by_side(to: Surface, asked: Asked) -> None:
    """The section with a choice of the two, and of days for each."""
    sides = versions.models(to, asked)
    if not sides:
        to.empty("No model yet. AI modules register themselves when they first write.")
        return
    pair = versions.first_pair(sides, asked) or (sides[0], sides[0])
    with st.container(horizontal=True, vertical_alignment="top", gap="small"):
        a, b = (_chosen(asked, sides, name, side) for name, side in zip("AB", pair, strict=True))
    versions.side_by_side(to, asked, a, b)


def _chosen(asked: Asked, sides: list[Side], name: str, unasked: Side) -> Side:
    labels = [each.model for each in sides]
    bar.tell_unknown(name.lower(), labels, "model")
    label = st.selectbox(
        name,
        labels,
        index=sides.index(unasked),
        key=name.lower(),
        bind="query-params",
        width=bar.WIDTH,
    )
    days = bar.days_of(asked.choices, f"{name.lower()}_day", f"Days of {name} (UTC)")
    return replace(sides[labels.index(label)], days=days)

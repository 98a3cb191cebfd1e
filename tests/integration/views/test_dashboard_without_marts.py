"""The dashboard where nothing is there yet: its pages say what to run."""

from __future__ import annotations

import os

import pytest
from browser import BIN, PAGES, served
from landscapes import Landscape
from shown_marts import draw, told


def test_databases_where_nothing_was_deployed_or_built(
    landscape: Landscape, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It starts all the same, and its pages say what to run until that was done."""
    monkeypatch.delenv("DASHBOARD_URL", raising=False)
    monkeypatch.setenv("REPLICA_URL", landscape.replica.url)
    with served(BIN, env=dict(os.environ)):
        pass
    for module in ("now", "performance"):  # Each waits for its pool.
        assert "Nothing to see yet. " in (notes := told(draw(module)).replace("*", "")), module
        assert "run signal-marts deploy, then signal-marts build" in notes, module
    landscape.deploy()
    for module in map(str.lower, PAGES):
        assert "is not built yet; run signal-marts build" in (notes := told(draw(module))), module
        assert "deploy" not in notes.replace("No subscription", ""), module


def test_a_database_that_refuses(landscape: Landscape, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASHBOARD_URL", f"{landscape.replica.url}_gone")
    drawn = draw("now")
    assert "The marts cannot be read" in told(drawn)
    assert "does not exist" in told(drawn)

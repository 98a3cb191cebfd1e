"""What the dashboard gives to be saved."""

from __future__ import annotations

from runner.views.dashboard import parts


def test_downloads_hold_no_formulas() -> None:
    text = parts.as_csv([{"name": "=1+1", "value": -1.5}, {"name": "a,b", "value": None}])
    assert text == 'name,value\n\'=1+1,-1.5\n"a,b",\n'

"""What is shown on the way: names of anybody's choice neither steer a terminal nor end the work."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from runner import progress


@pytest.mark.parametrize("name", ["[/x]", "[link=file:///]x", "\x1b]52;c;QQ==\x1b\\", "a\u2028b"])
@pytest.mark.parametrize("is_terminal", [True, False])
def test_names_are_shown_as_they_are(
    name: str, is_terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=is_terminal, width=200, highlight=False)
    monkeypatch.setattr(progress, "console", console)
    with progress.progress("work") as advance:
        advance(1, 2, name)
    assert progress.harmless(name) in shown.getvalue()
    assert "\x1b]52" not in shown.getvalue()

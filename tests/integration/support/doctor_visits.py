"""How tests ask the doctor."""

from __future__ import annotations

from landscapes import Landscape

from runner.doctor import Finding, examine

PASSWORD = "not-to-be-told-7Qx"  # noqa: S105 - of roles that a test makes


def look(landscape: Landscape) -> list[Finding]:
    return examine(landscape.primary, landscape.replica)


def amiss(findings: list[Finding], *levels: str) -> list[Finding]:
    return [each for each in findings if each.level in (levels or ("wrong", "unknown", "warning"))]


def only(findings: list[Finding], check: str) -> Finding:
    """The one finding of a check that is not well; all others are."""
    found = amiss(findings)
    assert [each.check for each in found] == [check], found
    return found[0]

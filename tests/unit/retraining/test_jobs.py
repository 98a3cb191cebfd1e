"""What is told of a job in a line."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from runner.retraining.jobs import Job

AT = datetime(2025, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (None, "asked for"),
        ("registered version 2025-03-01.1", "registered version 2025-03-01.1"),
        ("it failed; its output ends with:\nTraceback\n  KeyError: 'a'\n", "KeyError: 'a'"),
    ],
)
def test_a_job_is_told_by_its_outcome_and_a_trainer_s_last_line(
    outcome: str | None, told: str
) -> None:
    job = Job(1, "a", "done", "asked for", None, AT, AT, AT, 1, 0, 0.0, "", outcome, None)
    assert job.in_short.removeprefix("it failed; its output ends with: ") == told

"""The demo on real prices: years of bars with gaps, splits and bad prints."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from command_line import clean_environment, marts

from runner.demo.embedded import EmbeddedPair
from runner.settings import PROJECT

FOLDER = Path(os.environ.get("SIGNAL_MARTS_BARS", PROJECT.parent / "shared/data/market"))


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no bar files in {FOLDER} (SIGNAL_MARTS_BARS)")
def test_all_models_tests_and_contracts_pass_on_real_bars(tmp_path: Path) -> None:
    files = sorted(FOLDER.glob("*.csv.gz"))
    env = clean_environment(
        SIGNAL_MARTS_HOME=str(tmp_path / "home"),
        DBT_TARGET_PATH=str(tmp_path / "target"),
        DBT_LOG_PATH=str(tmp_path / "logs"),
    )
    try:
        result = marts("demo", *(f"--bars={path}" for path in files), env=env)
        assert result.returncode == 0, result.stderr
        assert "tests passed" in result.stderr
        assert "AI vs. rule-based" in result.stdout
    finally:
        EmbeddedPair(tmp_path / "home").destroy()

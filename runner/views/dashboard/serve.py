"""Starting the dashboard: Streamlit replaces this process, with options alone.

No settings file is read or written, no file is watched, and no outside server is contacted.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from runner import extras
from runner.errors import UsageError
from runner.servers.database import Database

_THEME = {
    "primaryColor": "#0072B2",
    "greenColor": "#009E73",
    "redColor": "#D55E00",
    "blueColor": "#0072B2",
    "orangeColor": "#E69F00",
    "violetColor": "#CC79A7",
    "chartCategoricalColors": '["#0072B2","#D55E00","#009E73","#CC79A7","#56B4E9","#E69F00"]',
}
_OPTIONS = {
    "server.headless": "true",
    "server.fileWatcherType": "none",
    "server.enableStaticServing": "false",
    "browser.gatherUsageStats": "false",
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",
    "client.showErrorLinks": "false",
    "theme.paddingTop": "1rem",
    "theme.paddingBottom": "2rem",
    "theme.headingFontSizes": '["1.9rem","1.35rem","1.15rem"]',
    "theme.metricValueFontSize": "1.6rem",
    **{f"theme.light.{name}": value for name, value in _THEME.items()},
    **{f"theme.dark.{name}": value for name, value in _THEME.items()},
    "theme.dark.primaryColor": "#56B4E9",  # the other blue has too little contrast there
}


def serve(database: Database, address: str, port: int) -> None:
    """Become the dashboard of ``database`` at ``address`` and ``port``; end by SIGTERM or SIGINT.

    Raise UsageError if Streamlit is not installed or the port is taken.
    """
    extras.need("dashboard")
    _check_free(address, port)
    options = _OPTIONS | {"server.address": address, "server.port": str(port)}
    command = [sys.executable, "-m", "streamlit", "run", str(Path(__file__).with_name("app.py"))]
    command += [f"--{name}={value}" for name, value in options.items()]
    # The URL is passed on as settings.load reads it, never as an argument, which other users could
    # see.
    os.environ["DASHBOARD_URL"] = database.url
    sys.stdout.flush()
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # Streamlit's output is progress, not data
    os.execv(sys.executable, command)  # noqa: S606


def _check_free(address: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, port))
    except OSError as error:
        raise UsageError(
            f"cannot listen on {address}:{port} ({error.strerror}); "
            "choose another --port or --address"
        ) from None

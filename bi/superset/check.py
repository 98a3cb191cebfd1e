"""Import the dashboards into a throwaway Superset, against the demo's marts, and draw every chart.

``make superset`` runs it after ``make demo``. Superset runs in the environment whose folder of
programs is the first argument, keeps what it needs in a temporary folder, and reads the marts as a
login of its own that is a member of bi_reader. Each chart must get rows. Screenshots are written to
``target/superset``.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import yaml
from playwright.sync_api import Page, Response, sync_playwright
from psycopg import sql

from runner.demo.embedded import EmbeddedPair
from runner.errors import SignalMartsError
from runner.servers.database import Database
from runner.settings import PROJECT, load

FOLDER = Path(__file__).parent
EXPORT = FOLDER / "export"
LOGIN = "superset_check"
START_SECONDS = 180
CHART_MILLISECONDS = 120_000


def main() -> int:
    programs = Path(sys.argv[1]).resolve()
    screenshots = PROJECT / "target/superset"
    screenshots.mkdir(parents=True, exist_ok=True)
    failures = []
    with (
        tempfile.TemporaryDirectory(prefix="superset-") as home,
        reader() as database,
        superset(programs, Path(home), database) as (address, password),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page(viewport={"width": 1400, "height": 1500})
        log_in(page, address, password)
        for path in sorted((EXPORT / "dashboards").glob("*.yaml")):
            board = yaml.safe_load(path.read_text("utf-8"))
            failures += draw(page, address, board, screenshots / f"{path.stem}.png")
        browser.close()
    for failure in failures:
        click.echo(failure, err=True)
    return 1 if failures else 0


@contextlib.contextmanager
def reader() -> Iterator[str]:
    """A login made as docs/bi.md says, on the embedded replica; yields SQLAlchemy's URI of it."""
    pair = EmbeddedPair(load().home)
    pair.urls()  # one that is not made yet has no marts, and says so
    urls = pair.up()
    replica = Database("replica", f"{urls.replica}?passfile={urls.passfile}")
    password = secrets.token_hex(16)
    name = sql.Identifier(LOGIN)
    with replica.connect(autocommit=True) as connection:
        connection.execute(sql.SQL("drop role if exists {}").format(name))
        connection.execute(
            sql.SQL(
                "create role {} login password {} in role bi_reader connection limit 10"
            ).format(name, sql.Literal(password))
        )
        for setting, value in (
            ("statement_timeout", "60s"),
            ("default_transaction_read_only", "on"),
            ("timezone", "UTC"),
        ):
            connection.execute(
                sql.SQL("alter role {} set {} = {}").format(
                    name, sql.Identifier(setting), sql.Literal(value)
                )
            )
    server = replica.parameters()
    try:
        yield (
            f"postgresql+psycopg2://{LOGIN}:{password}"
            f"@{server['host']}:{server['port']}/{server['dbname']}"
        )
    finally:
        with replica.connect(autocommit=True) as connection:
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where usename = %s",
                (LOGIN,),
            )
            connection.execute(sql.SQL("drop role {}").format(name))


@contextlib.contextmanager
def superset(programs: Path, home: Path, database: str) -> Iterator[tuple[str, str]]:
    """A Superset with the dashboards in it; yields its address and the password of ``admin``."""
    password = secrets.token_hex(16)
    environment = {
        **{key: value for key, value in os.environ.items() if key in ("PATH", "LANG", "TMPDIR")},
        "FLASK_APP": "superset",
        "SUPERSET_HOME": str(home),
        "SUPERSET_CONFIG_PATH": str(FOLDER / "superset_config.py"),
        "SUPERSET_SECRET_KEY": secrets.token_hex(32),
        "SCARF_ANALYTICS": "false",
    }
    log = home / "superset.log"

    def run(*arguments: str) -> None:
        click.echo(f"superset {arguments[0]}", err=True)
        with log.open("ab") as output:
            done = subprocess.run(
                [str(programs / "superset"), *arguments],
                env=environment,
                cwd=home,
                stdout=output,
                stderr=output,
            )
        if done.returncode:
            raise SystemExit(f"superset {arguments[0]} failed:\n{log.read_text()[-4000:]}")

    run("db", "upgrade")
    run(
        *("fab", "create-admin", "--username", "admin", "--firstname", "A", "--lastname", "B"),
        *("--email", "admin@example.com", "--password", password),
    )
    run("init")
    run("import-dashboards", "--username", "admin", "--path", str(bundle(home, database)))
    port = unused_port()
    with log.open("ab") as output:
        server = subprocess.Popen(
            [str(programs / "superset"), "run", "--port", str(port), "--with-threads"],
            env=environment,
            cwd=home,
            stdout=output,
            stderr=output,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(f"{address}/health", server, log)
        yield address, password
    finally:
        server.terminate()
        server.wait(30)


def bundle(folder: Path, database: str) -> Path:
    """The dashboards as one zip, which is what Superset imports, with the database's own URI."""
    path = folder / "dashboards.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(EXPORT.rglob("*.yaml")):
            text = file.read_text("utf-8")
            if file.parent.name == "databases":
                text = yaml.safe_dump({**yaml.safe_load(text), "sqlalchemy_uri": database})
            archive.writestr(f"export/{file.relative_to(EXPORT)}", text)
    return path


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310 - our own loopback
            return
        if server.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"Superset did not start:\n{log.read_text()[-4000:]}")
        time.sleep(0.5)


def log_in(page: Page, address: str, password: str) -> None:
    page.goto(f"{address}/login/")
    page.fill("#username", "admin")
    page.fill("#password", password)
    page.click("button[type=submit]")
    page.wait_for_url(lambda url: "/login" not in url)


def draw(page: Page, address: str, board: dict[str, Any], screenshot: Path) -> list[str]:
    """Open a dashboard, wait for all of its charts, and return what went wrong."""
    charts = sum(
        isinstance(each, dict) and each["type"] == "CHART" for each in board["position"].values()
    )
    failures: list[str] = []
    answers: list[int] = []

    def answered(response: Response) -> None:
        if "/api/v1/chart/data" not in response.url:
            return
        if response.status != 200:
            failures.append(f"{board['slug']}: {response.status} {response.text()[:500]}")
            return
        rows = [each["rowcount"] for each in response.json()["result"]]
        answers.append(min(rows))

    page.on("response", answered)
    page.goto(f"{address}/superset/dashboard/{board['slug']}/")
    deadline = time.monotonic() + CHART_MILLISECONDS / 1000
    while len(answers) + len(failures) < charts and time.monotonic() < deadline:
        page.wait_for_timeout(500)
    page.wait_for_timeout(3000)  # until what came is drawn
    page.remove_listener("response", answered)
    page.screenshot(path=screenshot, full_page=True)
    if len(answers) < charts:
        failures.append(f"{board['slug']}: {len(answers)} of {charts} charts were answered")
    failures += [f"{board['slug']}: a chart has no rows"] * answers.count(0)
    click.echo(f"{board['slug']}: {charts} charts, {sum(answers):,} rows, {screenshot}")
    return failures


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SignalMartsError as error:
        sys.exit(f"make superset: {error}")

"""Commands that run dbt: build, watch, docs."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from contextlib import nullcontext
from functools import partial

import click

from runner import settings
from runner.cli.databases import databases
from runner.cli.entry import cli, interrupt
from runner.errors import Failure
from runner.progress import note, progress


@cli.command()
@click.option(
    "--select", multiple=True, help="Models to build, in dbt's syntax, and what they need."
)
@click.option("--exclude", multiple=True, help="Models to leave out, unless others need them.")
@click.option("--full-refresh", is_flag=True, help="Build incremental models from nothing.")
def build(select: tuple[str, ...], exclude: tuple[str, ...], full_refresh: bool) -> None:
    """Build and test the marts from all that the primary has committed."""
    from runner.build.builds import build as run
    from runner.build.builds import rejected_rows, report_build
    from runner.servers.role_logins import as_role

    given = settings.load()
    primary, replica = databases(given)
    with progress("building") as advance:
        result = run(
            primary,
            replica,
            fence_timeout=given.fence_timeout_seconds,
            advance=advance,
            select=select,
            exclude=exclude,
            full_refresh=full_refresh,
            report=note,
        )
    report_build(result)
    # Relations owned by the builds' role are read with no more than its rights.
    with as_role(replica, "transformer").connect() as session:
        rejected = rejected_rows(session)
    if rejected:
        if given.fail_on_rejected_rows:
            raise Failure(_cannot_be_used(rejected))
        note(_cannot_be_used(rejected))


@cli.command()
@click.option(
    "--interval",
    default=0.5,
    show_default=True,
    type=click.FloatRange(min=0),
    help="Least seconds between the beginnings of two rounds.",
)
@click.option(
    "--all-every",
    default=2.0,
    show_default=True,
    type=click.FloatRange(min=0),
    help="Least seconds between two rounds that build all marts; those between, the live ones.",
)
@click.option(
    "--test-every",
    default=3600.0,
    show_default=True,
    type=click.FloatRange(min=0),
    help="Seconds between two rounds with all tests; 0: never.",
)
@click.option(
    "--metrics-port", type=click.IntRange(1, 65535), help="Serve metrics for Prometheus here."
)
@click.option(
    "--metrics-address", default="127.0.0.1", show_default=True, help="Where the metrics listen."
)
@click.option(
    "--deliver-decisions",
    is_flag=True,
    help="Write each published decision into ai_ensemble_decisions on the primary, and notify.",
)
def watch(
    interval: float,
    all_every: float,
    test_every: float,
    metrics_port: int | None,
    metrics_address: str,
    deliver_decisions: bool,
) -> None:
    """Build the marts whenever rows arrive, until SIGTERM; a line a round on stdout."""
    from runner.build.watch import Round, Watch
    from runner.cli.alerting import beside_watch
    from runner.monitoring.collector import Collector
    from runner.monitoring.watched import Metrics
    from runner.observation.sample import meanwhile, observe

    given = settings.load()
    # Threads connect while dbt builds.
    primary, replica = (each.pinned() for each in databases(given))

    def on_delivered(seconds: list[float] | None) -> None:
        metrics.note_waiting(seconds is None)
        metrics.note_delivered(seconds or [])

    def report(text: str) -> None:
        note(f"signal-marts: {text}")

    alerts, pages = beside_watch(
        given, primary, replica, report, is_served=metrics_port is not None
    )
    metrics = Metrics(metrics_address, metrics_port, Collector(primary, replica, report), pages)
    is_asked_to_stop = False
    rejected: Mapping[str, int] = {}

    def on_round(done: Round) -> None:
        nonlocal rejected
        click.echo(str(done))
        metrics.count(done)
        if done.rejected_rows != rejected:
            rejected = done.rejected_rows
            note(_cannot_be_used(rejected))

    def on_trouble(text: str) -> None:
        report(text)
        metrics.count_trouble()

    def on_fresh(marts: str, seconds: float) -> None:
        metrics.note_fresh(marts, seconds)
        if alerts is not None:
            alerts.note_fresh(marts, seconds)

    def stop(signal_number: int, frame: object) -> None:
        nonlocal is_asked_to_stop
        is_asked_to_stop = True
        # The running build is cancelled, as by Ctrl-C: each model is built completely or not at
        # all.
        interrupt(signal_number, frame)

    signal.signal(signal.SIGTERM, stop)
    take = partial(observe, primary, replica, keep_days=given.observe_days, is_sparing=True)
    try:
        with (
            meanwhile(take, given.observe_seconds, metrics.count_failed_sample, report),
            nullcontext() if alerts is None else alerts.beside(),
        ):
            Watch(
                primary,
                replica,
                interval=interval,
                rest_interval=all_every,
                test_interval=test_every,
                fence_timeout=given.fence_timeout_seconds,
                on_round=on_round,
                on_trouble=on_trouble,
                on_fresh=on_fresh,
                on_delivered=on_delivered if deliver_decisions else None,
            ).run()
    except KeyboardInterrupt:
        if not is_asked_to_stop:
            raise
        note("stopped")


def _cannot_be_used(rejected: Mapping[str, int]) -> str:
    if not rejected:
        return "every row can be used"
    return f"rows that cannot be used: {counts(rejected)}; operations.rejected_rows names them"


def counts(rejected: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} of {table}" for table, count in rejected.items())


@cli.command()
def docs() -> None:
    """Write the lineage site, one self-contained file, and print its path."""
    from runner.build import transform
    from runner.servers import role_logins

    _, replica = databases(settings.load())
    builder = role_logins.as_role(replica, "transformer")
    with progress("writing the lineage site") as advance:
        site = transform.docs(builder.environment(), advance=advance)
    click.echo(site)

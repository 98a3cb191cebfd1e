"""Commands of retraining: queue a training, and run what waits."""

from __future__ import annotations

import dataclasses
import json
import signal
import threading
from datetime import UTC, datetime

import click

from runner import settings
from runner.cli.databases import databases
from runner.cli.entry import cli
from runner.cli.tables import moment, show
from runner.errors import Failure, UsageError
from runner.extras import need
from runner.progress import note
from runner.servers.database import Connection


@cli.command()
@click.option("--model", help="Name of the model.")
@click.option("--reason", default="asked for", show_default=True, help="Why; it is kept.")
@click.option("--as-of", type=moment, help="The moment (UTC) to train at; else when it runs.")
@click.option("--cancel", is_flag=True, help="Cancel its waiting job, and end its running one.")
@click.option("--list", "is_list", is_flag=True, help="Show the last jobs.")
@click.option("--json", "as_json", is_flag=True, help="Print them, in full, as a JSON array.")
def retrain(
    model: str | None,
    reason: str,
    as_of: datetime | None,
    cancel: bool,
    is_list: bool,
    as_json: bool,
) -> None:
    """Queue a training of a model as retraining.yml says; `worker` runs it.

    Refused (exit code 5) while one of the model waits, or the trial of its last one runs.
    """
    from runner.retraining import jobs, queue

    if is_list == (model is not None):
        raise UsageError("give either --model or --list")
    primary, _ = databases(settings.load())
    with primary.connect(autocommit=True) as connection:
        jobs.check(connection)
        if is_list:
            _show(connection, as_json)
        elif cancel:
            note(queue.cancel(connection, str(model)) or f"no retraining of {model} waits or runs")
        else:
            _ask(connection, str(model), reason, as_of)


def _ask(connection: Connection, model: str, reason: str, as_of: datetime | None) -> None:
    from runner.retraining import plan, queue, registration

    need("worker")
    plan.of(plan.read(), model)
    registration.last(connection, model)
    if as_of is not None and as_of > datetime.now(UTC):
        raise UsageError(f"{as_of.isoformat()} is yet to come")
    if not reason.strip():
        raise UsageError("give a reason: it stays in the model's history")
    number = queue.ask(connection, model, reason, as_of)
    note(f"retraining {number} of {model} queued")


def _show(connection: Connection, as_json: bool) -> None:
    from runner.retraining import jobs

    found = jobs.read(connection)
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(each) for each in found], default=str, indent=2))
        return
    show(
        ("job", "model", "state", "since", "until", "progress", "what"),
        [
            (
                str(each.id),
                each.model,
                each.state,
                f"{each.since:%Y-%m-%d %H:%M}",
                f"{each.deadline:%Y-%m-%d %H:%M}" if each.state in ("waiting", "running") else "",
                f"{each.done:.0%}" if each.state == "running" else "",
                each.doing if each.state == "running" else each.in_short,
            )
            for each in found
        ],
    )


@cli.command()
@click.option("--once", is_flag=True, help="End when no job waits; with 1 if one failed.")
def worker(once: bool) -> None:
    """Run queued retrainings, and queue those that retraining.yml asks for, until SIGTERM."""
    from runner.retraining import plan, sandbox
    from runner.retraining.worker import Worker

    need("worker")
    stop = threading.Event()
    stopped_by = signal.SIGTERM

    def ask_to_stop(signal_number: int, frame: object) -> None:
        nonlocal stopped_by
        # A second one ends it at once.
        signal.signal(signal_number, signal.SIG_DFL)
        stopped_by = signal.Signals(signal_number)
        stop.set()

    signal.signal(signal.SIGTERM, ask_to_stop)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, ask_to_stop)
    found = plan.read()
    if not found:
        raise UsageError("there is nothing to do: there is no retraining.yml, or it names no model")
    # A trainer runs as our user, and the environment has the URLs.
    sandbox.hide()
    running = Worker(*databases(settings.load()), found, stop, note)
    running.run(once=once)
    if stop.is_set():
        if stopped_by == signal.SIGINT:
            raise KeyboardInterrupt
        note("stopped")
    elif running.failures:
        raise Failure("not all retrainings went well; signal-marts retrain --list tells why")

"""The group of commands, and the messages and exit codes of their errors."""

from __future__ import annotations

import os
import signal
import sys
import traceback

import click
import psycopg

from runner.cli.databases import mend_of_a_lost_pair
from runner.errors import SignalMartsError
from runner.progress import note


def main() -> None:
    """Run the command line; every error becomes one message and an exit code."""
    # The running command is cancelled, as by Ctrl-C. An ignored SIGINT stays ignored: a script's
    # Ctrl-C must not reach the commands that it started in the background.
    signal.signal(signal.SIGTERM, interrupt)
    # Reports, rejected rows and dbt's files hold rows of the databases: only their owner reads
    # them.
    os.umask(0o077)
    try:
        cli(standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):  # click makes the one of the other
        note("stopped")
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except SignalMartsError as error:
        mend = mend_of_a_lost_pair() if error.exit_code == 3 else ""
        note(f"signal-marts: {error}{mend}")
        sys.exit(error.exit_code)
    except psycopg.Error as error:
        # Only the message: a connection's parameters or a statement may hold a secret.
        told = [error.diag.message_primary or str(error).strip() or type(error).__name__]
        told += [text for text in (error.diag.message_detail, error.diag.message_hint) if text]
        note(f"signal-marts: the database said: {'; '.join(told)}")
        # No state: the connection broke; class 08 and 57P: the server ended or refused it.
        is_lost = isinstance(error, psycopg.OperationalError) and (
            error.sqlstate is None or error.sqlstate.startswith(("08", "57P"))
        )
        sys.exit(3 if is_lost else 1)
    except BrokenPipeError:
        # The reader of stdout has closed it, so no message can be shown.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if os.environ.get("SIGNAL_MARTS_DEBUG"):
            traceback.print_exc()
        note(
            f"signal-marts: an error that should not happen: {type(error).__name__}: {error} "
            "(SIGNAL_MARTS_DEBUG=1 shows where)"
        )
        sys.exit(70)


def interrupt(signal_number: int, frame: object) -> None:
    """Stop in good order; a second time at once."""
    signal.signal(signal_number, signal.SIG_DFL)
    raise KeyboardInterrupt


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="signal-marts")
def cli() -> None:
    """AI trading signals beside a trading platform, in marts a team can trust with money."""

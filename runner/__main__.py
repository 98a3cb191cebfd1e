"""``python -m runner`` and the command ``signal-marts``."""

import sys

from runner import extras
from runner.errors import UsageError


def main() -> None:
    """Run the command line, where what it needs is installed."""
    try:
        extras.need("run")
    except UsageError as error:
        print(f"signal-marts: {error}", file=sys.stderr)  # noqa: T201 - rich may be what is missing
        sys.exit(error.exit_code)
    from runner import cli

    cli.main()


if __name__ == "__main__":
    # As the installed command ends: after an interrupt that was caught while modules load, Python
    # would else end by SIGINT, whatever came after it.
    sys.exit(main())  # type: ignore[func-returns-value]

"""Minutes of `signal-marts watch` among kills and rows that nobody can use: all must end equal.

One thread changes the platform all the time, as random histories do, with hostile values among the
changes. Meanwhile watch, its sessions and both servers are killed, tables are lost, emptied and
copied anew. Every two minutes the changes stop, and watch must bring the marts up to date by
itself; then the landing tables must equal the primary's, the marts a full refresh in other schemas
bit for bit, and status must have nothing to say.

    make soak ARGS="--minutes 10 --seed 1"

The seed decides what happens in which order; when it happens depends on the machine as well. The
servers are of the drill's own, and go with it, at Ctrl-C too.
"""

from __future__ import annotations

import argparse
import signal
import sys
import traceback
from pathlib import Path
from random import Random

sys.path.extend(
    str(Path(__file__).parents[1] / name) for name in (".", "integration/support", "reference")
)

from histories import Histories
from mishaps import ACCIDENTS
from mortal_servers import configure, servers
from soak import Soak

LAP_SECONDS = 120


def main(arguments: list[str] | None = None) -> int:
    """Run laps until the minutes are over; 0 where all was equal after each."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=10, help="of changes and accidents")
    parser.add_argument("--seed", type=int, default=Random().randrange(10**6))
    parser.add_argument(
        "--hold", action="store_true", help="after a failure, keep the servers until Ctrl-C"
    )
    chosen = parser.parse_args(arguments)
    print(f"seed {chosen.seed}, {chosen.minutes:g} minutes", flush=True)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt_once)
    with servers() as pair:
        # So that long transactions arrive before they end.
        configure(pair, pair.primary, "logical_decoding_work_mem", "64kB")
        Histories.pair = pair
        history = Histories()
        with history.closing:
            soak = Soak(history, chosen.seed, ACCIDENTS)
            try:
                left = chosen.minutes * 60
                while left > 0:
                    soak.lap(min(left, LAP_SECONDS))
                    left -= LAP_SECONDS
            except Exception:
                traceback.print_exc(file=sys.stdout)
                soak.tell_end()
                print(f"FAILED: seed {chosen.seed}", flush=True)
                if chosen.hold:
                    signal.pause()
                return 1
            finally:
                soak.end()
    print(
        f"equal: seed {chosen.seed}, "
        + ", ".join(f"{count} {name}" for name, count in soak.counts.items())
    )
    return 0


def _interrupt_once(number: int, frame: object) -> None:
    """End in good order: a second Ctrl-C does not keep the servers from being stopped."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        sys.exit(130)

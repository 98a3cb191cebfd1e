"""A trainer as a command: does at once what its options say, well or badly."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path


def progress(done: float, text: str) -> None:
    with Path("progress.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"done": done, "text": text}) + "\n")


def main() -> None:
    """Train, if that is the word for it."""
    given = json.loads(Path("assignment.json").read_text("utf-8"))
    options = given["options"]
    what = options["do"]
    records = []
    progress(0.5, "half of it")
    if what == "raise":
        raise ValueError("no such luck")
    if what == "hang":
        Path(options["started"]).write_text(str(os.getpid()), "utf-8")
        time.sleep(600)
    if what == "daemon":
        # It leaves the session, and its parent ends.
        pid = Path(options["pid"])
        if not os.fork():
            os.setsid()
            if not os.fork():
                pid.write_text(str(os.getpid()), "utf-8")
                time.sleep(600)
            os._exit(0)
        os.wait()
        while not (pid.exists() and pid.read_text("utf-8")):
            time.sleep(0.01)
    if what == "kill its supervisor":
        # What is left holds the other end of its answer, and the progress is no file any more.
        supervisor = os.getppid()
        answer = os.open(f"/proc/{supervisor}/fd/1", os.O_WRONLY)
        os.set_inheritable(answer, True)
        left = subprocess.Popen(["sleep", "120"], close_fds=False, start_new_session=True)
        Path("progress.jsonl").unlink()
        os.mkfifo("progress.jsonl")
        Path(options["pid"]).write_text(str(left.pid), "utf-8")
        os.kill(supervisor, signal.SIGKILL)
    if what == "eat memory":
        held = []
        while True:
            held.append(b"x" * (8 << 20))
    if what == "eat disk":
        for number in range(10_000):
            Path(f"big{number}").write_bytes(b"x" * (1 << 20))
    if what == "big file":
        with Path("big").open("wb") as file:
            while True:
                file.write(b"x" * (1 << 20))
    if what == "print":
        for _ in range(300):
            os.write(1, b"words " * 160_000)
        os.write(1, b"the last words\n")
        raise SystemExit(3)
    if what == "look":
        Path(options["seen"]).write_text(json.dumps(dict(os.environ)), "utf-8")
    if what == "learn":
        # Of the training set and the last version, so that equal ones give an equal candidate.
        records = [
            {
                "generation_number": number,
                "best_fitness": 1.5,
                "average_fitness": 1.25,
                "population_diversity": None,
                "best_individual": {"period": number},
                "created_at": given["as_of"],
            }
            for number in (1, 2)
        ]
    text = json.dumps({"config": {"steps": options.get("steps", 1)}, "records": records})
    Path("artifact").write_bytes(options.get("artifact", "weights").encode())
    Path("candidate.json").write_text(options.get("candidate", text), "utf-8")


if __name__ == "__main__":
    main()

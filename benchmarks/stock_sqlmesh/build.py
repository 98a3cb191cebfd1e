"""Bring a model of the current folder's SQLMesh project up to a time; print the seconds it took.

Arguments are the model and the time, in ISO 8601. Loading the project does not count.
"""

from __future__ import annotations

import sys
import time

from sqlmesh import Context

model, ended_at = sys.argv[1:]
context = Context(paths=".")
built = context.state_reader.get_environment("prod")
start = time.perf_counter()
if built:
    context.run(execution_time=ended_at, ignore_cron=True)
else:
    context.plan(
        execution_time=ended_at, select_models=[f"+{model}"], auto_apply=True, no_prompts=True
    )
print(time.perf_counter() - start)

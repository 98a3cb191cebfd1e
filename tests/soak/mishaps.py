"""What happens to a watch, its sessions, its servers and its tables; each tells what it met."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable

import children
import psutil
import psycopg
from drills import eventually, plain_dbt
from hostile_writer import PATIENCE, TABLES
from mortal_servers import kill_server
from soak import Soak

from runner.demo.embedded import EmbeddedServer
from runner.doctor.status import as_json, status
from runner.replication.fence import FenceError
from runner.replication.trial_copy import UnreplicableRowError
from runner.settings import PROJECT


def kill_watch(soak: Soak) -> None:
    """kill -9 of the watch"""
    assert soak.watch is not None
    soak.watch.end(signal.SIGKILL)
    soak.start_watch()


def end_watch(soak: Soak) -> None:
    """SIGTERM to the watch"""
    soak.stop_watch()
    soak.start_watch()


def pause_watch(soak: Soak) -> None:
    """the watch was stopped for some seconds"""
    assert soak.watch is not None
    with soak.watch.paused():
        time.sleep(soak.random.uniform(1, 8))


def _kill(soak: Soak, *killed: EmbeddedServer) -> None:
    for server in killed:
        kill_server(server)
    soak.rest(soak.random.choice((0, 0, 2, 6)))
    soak.bring_up()


def kill_replica(soak: Soak) -> None:
    """kill -9 of the replica's server"""
    _kill(soak, soak.pair.replica)


def kill_primary(soak: Soak) -> None:
    """kill -9 of the primary's server"""
    _kill(soak, soak.pair.primary)


def kill_both(soak: Soak) -> None:
    """kill -9 of both servers"""
    _kill(soak, soak.pair.primary, soak.pair.replica)


def restart(soak: Soak) -> None:
    """a server restarted"""
    soak.random.choice((soak.pair.primary, soak.pair.replica)).stop()
    soak.bring_up()


def kill_backend(soak: Soak) -> str:
    """kill -9 of a session of a build, at which its server starts anew"""
    found = soak.landscape.on_replica(
        "select pid from pg_stat_activity where datname = current_database()"
        " and application_name in ('dbt', 'signal-marts round')"
        " order by state = 'active' desc limit 1"
    )
    for (pid,) in found:
        assert isinstance(pid, int)
        with contextlib.suppress(psutil.NoSuchProcess):
            if (session := psutil.Process(pid)).ppid() == soak.pair.replica.pid():
                session.kill()
    # A moment later the server notices.
    time.sleep(1)
    eventually(soak.is_up, seconds=PATIENCE)
    return f"{len(found)} killed"


def _terminate(soak: Soak, side: str, condition: str) -> str:
    rows = soak.landscape.execute(
        side,
        "select pg_terminate_backend(pid) from pg_stat_activity"
        f" where pid <> pg_backend_pid() and {condition}",
    )
    return f"{len(rows)} ended"


def end_apply_worker(soak: Soak) -> str:
    """the apply worker's session was ended"""
    return _terminate(soak, "replica", "backend_type like 'logical replication%worker'")


def end_sender(soak: Soak) -> str:
    """the primary's sender was ended"""
    return _terminate(soak, "primary", "backend_type = 'walsender'")


def end_dbt(soak: Soak) -> str:
    """dbt's sessions were ended"""
    return _terminate(soak, "replica", "application_name = 'dbt'")


def end_sessions(soak: Soak) -> str:
    """the watch's own sessions were ended"""
    side = soak.random.choice(("primary", "replica"))
    return _terminate(soak, side, "application_name like 'signal-marts%'") + f" on the {side}"


def fail_a_model(soak: Soak) -> str:
    """a model could not write for some seconds"""
    table = soak.history._table(soak.random.randrange(2**32))
    if table is None:
        return "none yet"
    with contextlib.suppress(psycopg.errors.UndefinedTable, psycopg.errors.DeadlockDetected):
        soak.history._on_replica(
            "alter table {} add constraint never check (false) not valid", table
        )
    soak.rest(soak.random.uniform(1, 6))
    _again(
        soak,
        lambda: soak.history._on_replica(
            "alter table if exists {} drop constraint if exists never", table
        ),
    )
    return ".".join(table)


def lose_a_table(soak: Soak) -> str:
    """a model's table was dropped"""
    table = soak.history._table(soak.random.randrange(2**32))
    if table is None:
        return "none yet"
    _again(soak, lambda: soak.history._on_replica("drop table if exists {} cascade", table))
    return ".".join(table)


def rewrite_a_table(soak: Soak) -> str:
    """a landing table was rewritten"""
    table = soak.random.choice(TABLES)
    _again(
        soak,
        lambda: soak.landscape.on_replica(
            f"set lock_timeout = '5s'; cluster public.{table.name} using {table.name}_pkey"
        ),
    )
    return table.qualified


def _again(soak: Soak, act: Callable[[], object]) -> None:
    """Until it meets no deadlock with a build."""

    def is_done() -> bool:
        try:
            act()
        except (psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable):
            return False
        return True

    eventually(is_done, seconds=PATIENCE)


def dbt_alone(soak: Soak) -> str:
    """dbt alone built some models"""
    some = soak.random.sample(soak.history.models(), 2)
    done = children.run(
        plain_dbt(soak.history.parsed("plain"), "--select", *(f"+{name}+" for name in some)),
        cwd=PROJECT,
        env=os.environ | soak.landscape.replica.environment(),
        capture_output=True,
    )
    return f"{', '.join(some)}: exit code {done.returncode}"


def deploy(soak: Soak) -> str:
    """a deploy"""
    return _deploy(soak, None)


def resync(soak: Soak) -> str:
    """a deploy that copies again"""
    some = soak.random.choice(((), (soak.random.choice(TABLES).qualified,)))
    return f"{', '.join(some) or 'all'}: {_deploy(soak, some)}"


def _deploy(soak: Soak, resync: tuple[str, ...] | None) -> str:
    """A new slot waits for transactions that are open, so there is no long one meanwhile."""
    assert soak.writer is not None
    soak.writer.may_hold_long.clear()
    tries = 0

    def is_done() -> bool:
        nonlocal tries
        tries += 1
        try:
            soak.landscape.deploy(resync=resync)
        except FenceError as error:
            soak.tell(f"deploy: {str(error).splitlines()[0]}")
            return False
        return True

    eventually(lambda: soak.history.long is None)
    eventually(is_done, seconds=PATIENCE)
    soak.writer.may_hold_long.set()
    return f"{tries} tries"


def stop_at_a_row(soak: Soak) -> str:
    """a document came that the replica cannot take, and went again"""
    name = soak.landscape.replica.parameters()["dbname"]
    soak.landscape.on_replica(f"alter database {name} set max_stack_depth = '200kB'")
    _terminate(soak, "replica", "backend_type like 'logical replication%worker'")
    soak.landscape.on_primary(DEEP)
    soak.rest(soak.random.uniform(1, 6))
    assert soak.writer is not None
    soak.writer.may_hold_long.clear()
    eventually(lambda: soak.history.long is None)
    try:
        soak.landscape.deploy()
        told = "deployed"
    except (UnreplicableRowError, FenceError) as error:
        told = str(error)[:60]
    soak.landscape.on_primary("update ai_models set config = '{}' where config ? 'deep'")
    soak.landscape.on_replica(f"alter database {name} reset max_stack_depth")
    _deploy(soak, None)
    return told


def look(soak: Soak) -> str:
    """status was asked"""
    found = status(soak.landscape.primary, soak.landscape.replica)
    as_json(found)
    return f"{len(found.problems)} problems"


DEEP = """
    set local session_replication_role = replica;
    insert into ai_models (model_type, model_name, version, config)
    select 'sparse_spectrum', 'deep', '1', jsonb_build_object('deep', deep.v)
    from (
        with recursive deep (n, v) as (
            select 1, '[]'::jsonb
            union all
            select n + 1, jsonb_build_array(v) from deep where n < 4000
        )

        select v from deep order by n desc limit 1
    ) as deep
"""

ACCIDENTS: tuple[Callable[[Soak], str | None], ...] = (
    *(kill_watch, kill_watch, end_watch, pause_watch),
    *(kill_replica, kill_replica, kill_primary, kill_both, restart),
    *(kill_backend, end_apply_worker, end_sender, end_dbt, end_sessions),
    *(fail_a_model, lose_a_table, rewrite_a_table, dbt_alone),
    *(deploy, resync, stop_at_a_row, look),
)

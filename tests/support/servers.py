"""Private servers for tests and benchmarks: MariaDB, Redis and Nextup itself.

Each lives in a folder of its own, listens on loopback only and is stopped by whoever started it.
"""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

import pymysql
import redis
from sqlalchemy import Engine, NullPool, create_engine, make_url

ROOT = Path(__file__).resolve().parents[2]

# Above this the system itself hands out ports, so a client's own port may be in the way.
FIRST_PORT, LAST_PORT = 20000, 32000
PORT_TRIES = 5

# A port that was given out may not be in use yet; nobody else of this run is given it meanwhile.
_given_out: set[int] = set()


class ServerMissing(Exception):
    """A program that the server needs is not installed; the message names it and its package."""


class ServerFailed(Exception):
    """The server did not become ready; the message holds the end of its log."""


def find_program(*names: str, package: str) -> str:
    """The path of the first that is there, also where only the administrator's PATH has it."""
    for name in names:
        path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")
        if path is not None:
            return path
    raise ServerMissing(f"{names[0]} is not installed (apt install {package})")


def free_port() -> int:
    """A port of loopback on which nobody listens now, another one each time.

    Of the processes among which pytest-xdist shares out a run, each chooses among its own.
    """
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    while True:
        port = random.choice(range(FIRST_PORT + number, LAST_PORT, processes))
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in _given_out:
                _given_out.add(port)
                return port


def wait_until(condition: Callable[[], bool], *, timeout: float, every: float = 0.02) -> bool:
    """Whether `condition` became true within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True


class Server(ABC):
    """A process with a port and a folder; starts again after a stop or a kill with its data."""

    start_timeout = 60.0
    stop_timeout = 30.0

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = 0
        self.log_path = directory / "output.log"
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> Sequence[str]:
        """The command line, listening on `self.port`."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether the server answers."""

    def prepare(self) -> None:
        """Make what the server needs before it starts."""
        self.directory.mkdir(parents=True, exist_ok=True)

    def environment(self) -> Mapping[str, str]:
        return os.environ

    @property
    def process(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise ServerFailed(f"{type(self).__name__} was never started")
        return self._process

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start and wait until ready; keeps the port of an earlier start."""
        self.prepare()
        for _ in range(PORT_TRIES):
            chosen = self.port
            self.port = chosen or free_port()
            self.launch()
            if wait_until(lambda: not self.running or self.ready(), timeout=self.start_timeout):
                if self.running:
                    return self
                if not chosen and "ddress already in use" in self.output():
                    self.port = 0
                    continue
            self.kill()
            break
        raise ServerFailed(f"{type(self).__name__} did not start:\n{self.output()[-3000:]}")

    def launch(self) -> None:
        """Begin to start, and wait for nothing."""
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                cwd=self.directory,
                env=dict(self.environment()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A Ctrl-C at the terminal is for the tests; they stop their servers in order.
                start_new_session=True,
            )

    def stop(self, sig: int = signal.SIGTERM) -> int:
        """Ask the server to stop and give its exit status; kill it if it does not."""
        if self.running:
            self.process.send_signal(sig)
            try:
                self.process.wait(self.stop_timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                raise ServerFailed(f"{type(self).__name__} did not stop") from None
        return self.process.wait()

    def kill(self) -> None:
        """End the server and its children at once, without a chance to tidy up."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def restart(self) -> Self:
        self.stop()
        return self.start()

    def output(self) -> str:
        """What the server wrote so far."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        if self._process is not None:
            self.stop()


class MariaDB(Server):
    """A MariaDB server; user and password are `app`."""

    def __init__(
        self, directory: Path, *, durable: bool = False, options: Sequence[str] = ()
    ) -> None:
        """Without `durable` a commit does not wait for the disk, which a crash of ours survives."""
        super().__init__(directory)
        self.program = find_program("mariadbd", package="mariadb-server-core")
        self.installer = find_program("mariadb-install-db", package="mariadb-server-core")
        self.durable = durable
        self.options = tuple(options)

    @property
    def data(self) -> Path:
        return self.directory / "data"

    def _common(self) -> list[str]:
        options = ["--no-defaults", f"--datadir={self.data}"]
        # The package alone brings no user of its own; the server refuses root unless told.
        return [*options, "--user=root"] if os.geteuid() == 0 else options

    def prepare(self) -> None:
        super().prepare()
        if not (self.data / "mysql").is_dir():
            self._install()
        (self.directory / "init.sql").write_text(
            "CREATE USER IF NOT EXISTS app@'127.0.0.1' IDENTIFIED BY 'app';\n"
            "GRANT ALL ON *.* TO app@'127.0.0.1' WITH GRANT OPTION;\n"
        )

    def _install(self) -> None:
        command = [
            self.installer,
            *self._common(),
            "--skip-test-db",
            "--skip-name-resolve",
            "--auth-root-authentication-method=socket",
            "--innodb-log-file-size=16M",
            # In a folder that is shared, servers that begin sweep away what others work with.
            f"--tmpdir={self.directory}",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ServerFailed(f"mariadb-install-db failed:\n{done.stdout}{done.stderr}")

    def command(self) -> Sequence[str]:
        flush = "1" if self.durable else "0"
        return [
            self.program,
            *self._common(),
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            # A socket's path may not be longer than about a hundred characters; the folder's may.
            "--socket=mysql.sock",
            f"--pid-file={self.directory / 'mariadbd.pid'}",
            f"--init-file={self.directory / 'init.sql'}",
            f"--tmpdir={self.directory}",
            "--skip-log-bin",
            "--character-set-server=utf8mb4",
            "--max-connections=400",
            "--innodb-buffer-pool-size=128M",
            f"--innodb-flush-log-at-trx-commit={flush}",
            f"--innodb-doublewrite={flush}",
            *self.options,
        ]

    def connect(self, database: str | None = None) -> "pymysql.Connection":
        return pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user="app",
            password="app",
            database=database,
            autocommit=True,
            # It reads all certificates of the system, which takes longer than the rest.
            ssl_disabled=True,
        )

    def ready(self) -> bool:
        try:
            self.connect().close()
        except pymysql.MySQLError:
            return False
        return True

    def execute(self, statement: str) -> None:
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(statement)

    def create_database(self, name: str) -> str:
        """Make the database anew and give its URL."""
        self.execute(f"DROP DATABASE IF EXISTS `{name}`")
        self.execute(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
        return self.url(name)

    def url(self, database: str) -> str:
        return f"mysql+pymysql://app:app@127.0.0.1:{self.port}/{database}?charset=utf8mb4"


def plain_engine(url: str) -> Engine:
    """To look at a database once; for TLS the driver would read certificates each time."""
    server = make_url(url).get_backend_name() != "sqlite"
    options = {"ssl_disabled": True} if server else {}
    return create_engine(url, poolclass=NullPool, connect_args=options)


class Redis(Server):
    """A Redis server that keeps everything in memory."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        # The same program under another name, in a package that brings no service.
        self.original = find_program("redis-check-rdb", package="redis-tools")
        self.program = directory / "redis-server"

    def prepare(self) -> None:
        super().prepare()
        if not self.program.is_symlink():
            self.program.symlink_to(self.original)

    def command(self) -> Sequence[str]:
        return [
            str(self.program),
            f"--port {self.port}",
            "--bind 127.0.0.1",
            f"--dir {self.directory}",
            "--save ''",
            "--appendonly no",
        ]

    def ready(self) -> bool:
        try:
            with contextlib.closing(redis.Redis(port=self.port)) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"


class AppServer(Server):
    """Nextup as `bin/run` starts it, on a private instance folder."""

    def __init__(self, directory: Path, *, environ: Mapping[str, str] | None = None) -> None:
        super().__init__(directory)
        self.environ = dict(environ or {})
        self.instance_path = directory / "instance"

    def command(self) -> Sequence[str]:
        return [sys.executable, "-m", "webapp.server"]

    def environment(self) -> Mapping[str, str]:
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONPATH": str(ROOT),
            "INSTANCE_PATH": str(self.instance_path),
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            # Nothing listens there: what a server fetches by itself does not leave the machine.
            "HTTPS_PROXY": "http://127.0.0.1:9",
            **self.environ,
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ready(self) -> bool:
        if len(self.worker_pids()) < int(self.environ.get("WORKERS", "1")):
            return False
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def worker_pids(self) -> list[int]:
        """The processes that answer requests."""
        return [child for child in children_of(self.pid) if _listens(child)]

    def deliverer_pids(self) -> list[int]:
        """The process that sends mails."""
        return [child for child in children_of(self.pid) if _runs(child, "webapp.server.deliverer")]

    def kill(self) -> None:
        # They lead groups of their own.
        children = children_of(self.pid) if self.running else []
        super().kill()
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(map(alive, children)), timeout=10)


def children_of(pid: int) -> list[int]:
    """The processes that a process has started and not yet waited for."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        lists = [(task / "children").read_text() for task in tasks]
    except FileNotFoundError:
        return []
    return [int(child) for children in lists for child in children.split()]


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def _runs(pid: int, module: str) -> bool:
    try:
        return module in Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except FileNotFoundError:
        return False


def _listens(pid: int) -> bool:
    """Whether the process holds a listening socket."""
    targets = []
    try:
        tables = [Path(f"/proc/{pid}/net/{name}").read_text() for name in ("tcp", "tcp6")]
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            # It may be closed meanwhile.
            with contextlib.suppress(FileNotFoundError):
                targets.append(os.readlink(entry))
    except (FileNotFoundError, PermissionError):
        return False
    rows = (line.split() for table in tables for line in table.splitlines()[1:])
    listening = {f"socket:[{row[9]}]" for row in rows if row[3] == "0A"}
    return not listening.isdisjoint(targets)

"""A private MariaDB Galera cluster on loopback.

The nodes begin as copies of one. A node that was away is sent what it missed (IST), which the
others keep, and never a whole copy (SST): so no program is needed that makes one.
"""

import contextlib
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.support.servers import MariaDB, ServerFailed, ServerMissing, free_port

PROVIDER = Path("/usr/lib/galera/libgalera_smm.so")
# The folder of wsrep_sst_missed_only, which the server looks for on its PATH.
PROGRAMS = Path(__file__).parent / "galera"
NODES = 3
# A node that is silent for so long is left out by the others, who do not commit until then.
SUSPECTED_AFTER = "PT2S"
GIVEN_UP_AFTER = "PT4S"
# Rows of a transaction that takes a node a noticeable part of a second.
HEAVY = 20_000
# It takes less than one. Once it went on for ever, eating memory, and did not when asked again.
RECOVERY_SECONDS = 20


class Node(MariaDB):
    """One of the servers. It joins the others when it starts, and recovers after a kill."""

    start_timeout = 120.0

    def __init__(self, directory: Path, *, own_port: int, group_ports: Sequence[int]) -> None:
        """The nodes talk among themselves on `group_ports`, of which `own_port` is this one's."""
        if not PROVIDER.exists():
            raise ServerMissing(f"{PROVIDER} is not installed (apt install galera-4)")
        peers = ",".join(f"127.0.0.1:{port}" for port in group_ports)
        provider_options = {
            "gmcast.listen_addr": f"tcp://127.0.0.1:{own_port}",
            "ist.recv_addr": f"127.0.0.1:{free_port()}",
            "gcache.size": "64M",
            "evs.keepalive_period": "PT0.5S",
            "evs.inactive_check_period": "PT0.5S",
            "evs.suspect_timeout": SUSPECTED_AFTER,
            "evs.inactive_timeout": GIVEN_UP_AFTER,
        }
        options = [
            "--wsrep-on=ON",
            f"--wsrep-provider={PROVIDER}",
            f"--wsrep-cluster-address=gcomm://{peers}",
            "--wsrep-node-address=127.0.0.1",
            f"--wsrep-provider-options={';'.join(map('='.join, provider_options.items()))}",
            "--wsrep-sst-method=missed_only",
            "--wsrep-slave-threads=2",
            "--binlog-format=ROW",
            "--innodb-autoinc-lock-mode=2",
            # Users came with the copied data; a node may not write before it has joined.
            "--init-file=",
        ]
        super().__init__(directory, durable=True, options=options)
        self.founds_cluster = False
        self._position = ""

    def environment(self) -> Mapping[str, str]:
        environ = super().environment()
        return {**environ, "PATH": f"{PROGRAMS}:{environ['PATH']}"}

    def prepare(self) -> None:
        """After a kill only InnoDB knows the last transaction that this node has."""
        state = self.data / "grastate.dat"
        unclean = state.exists() and re.search(r"^seqno: *-1$", state.read_text(), re.MULTILINE)
        self._position = self._recover() if unclean else ""

    def _recover(self) -> str:
        command = [*super().command(), "--wsrep-recover"]
        log = self.directory / "recovery.log"
        for _ in range(2):
            with log.open("wb") as output, contextlib.suppress(subprocess.TimeoutExpired):
                subprocess.run(
                    command,
                    stdout=output,
                    stderr=output,
                    check=False,
                    cwd=self.directory,
                    timeout=RECOVERY_SECONDS,
                )
            if found := re.findall(r"Recovered position: *(\S+)", log.read_text()):
                return str(found[-1])
        raise ServerFailed(f"no position was recovered:\n{log.read_text()[-3000:]}")

    def command(self) -> Sequence[str]:
        command = [*super().command()]
        if self.founds_cluster:
            command.append("--wsrep-new-cluster")
        if self._position:
            command.append(f"--wsrep-start-position={self._position}")
        return command

    def ready(self) -> bool:
        return super().ready() and self.status("wsrep_local_state_comment") == "Synced"

    def status(self, name: str) -> str:
        """One of the server's counters or states, by its name."""
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("SHOW GLOBAL STATUS LIKE %s", [name])
            [(_, value)] = cursor.fetchall()
        return str(value)

    def catch_up(self) -> None:
        """Return when everything that any node has committed can be read here."""
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("SET SESSION wsrep_sync_wait = 1")
            cursor.execute("SELECT 1")


class Cluster:
    """Three nodes that all take writes; user and password are `app`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        ports = [free_port() for _ in range(NODES)]
        self.nodes = [
            Node(directory / f"node{number}", own_port=port, group_ports=ports)
            for number, port in enumerate(ports, start=1)
        ]

    def __enter__(self) -> Self:
        first, *others = self.nodes
        with MariaDB(first.directory):
            pass
        first.founds_cluster = True
        with first:
            pass
        for node in others:
            own = shutil.ignore_patterns("galera.cache", "*.log", "*.sock")
            shutil.copytree(first.directory, node.directory, ignore=own)
        try:
            first.start()
            first.founds_cluster = False
            for node in others:
                node.start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop()

    def _stop(self) -> None:
        for node in reversed(self.nodes):
            if node.running:
                node.stop()

    def create_database(self, name: str) -> list[str]:
        """Make the database anew and give its URL on each node."""
        self.nodes[0].create_database(name)
        self.catch_up()
        return [node.url(name) for node in self.nodes]

    def catch_up(self) -> None:
        """Return when what is committed can be read on every node, without waiting for it."""
        for node in self.nodes:
            node.catch_up()

    @contextlib.contextmanager
    def falling_behind(self) -> Iterator[None]:
        """One large transaction after another on the first node, which the others take long to do.

        They do everything in the order of its commits, so all that follows waits there, too.
        """
        first, stopping = self.nodes[0], threading.Event()
        first.create_database("ballast")
        first.execute(
            "CREATE TABLE ballast.ballast (id INT PRIMARY KEY, n INT)"
            f" SELECT seq AS id, 0 AS n FROM ballast.seq_1_to_{HEAVY}"
        )

        def write() -> None:
            while not stopping.wait(0.1):
                first.execute("UPDATE ballast.ballast SET n = n + 1")

        writer = threading.Thread(target=write)
        writer.start()
        try:
            yield
        finally:
            stopping.set()
            writer.join()
            self.catch_up()
            first.execute("DROP DATABASE ballast")

    def conflicts(self) -> int:
        """How often since the nodes' start a transaction lost to one of another node.

        It was found out when it committed, or before, when the other's changes arrived.
        """
        names = ("wsrep_local_cert_failures", "wsrep_local_bf_aborts")
        return sum(int(node.status(name)) for node in self.nodes for name in names)

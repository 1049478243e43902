"""`python -m bench.references NAME --port N --workers N --threads N`, served as Nextup is."""

import argparse

from granian.constants import HTTPModes, Interfaces, RuntimeModes
from granian.log import LogLevels

from webapp.server.connections import CONNECTIONS_PER_WORKER
from webapp.server.granian import PinnedServer


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.references")
    parser.add_argument("name", choices=("bare", "raw", "route"))
    for number in ("--port", "--workers", "--threads"):
        parser.add_argument(number, type=int, required=True)
    asked = parser.parse_args()
    PinnedServer(
        f"bench.references.{asked.name}:app",
        address="127.0.0.1",
        port=asked.port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        websockets=False,
        runtime_mode=RuntimeModes.st,
        workers=asked.workers,
        blocking_threads=asked.threads,
        backpressure=CONNECTIONS_PER_WORKER,
        log_level=LogLevels.error,
    ).serve()


if __name__ == "__main__":
    main()

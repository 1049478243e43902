"""The real server under load, on a database that a test may kill."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.cluster import Cluster
from tests.support.servers import AppServer, MariaDB
from tests.support.site import ENVIRON, Site


@pytest.fixture(scope="package")
def durable_server(server_folder: Path) -> Iterator[MariaDB]:
    """A MariaDB of our own, that keeps what it has committed whatever happens to it."""
    with MariaDB(server_folder / "durable", durable=True) as server:
        yield server


@pytest.fixture
def fresh_url(durable_server: MariaDB) -> str:
    return durable_server.create_database("fresh")


@pytest.fixture(scope="package")
def galera_server(server_folder: Path) -> Iterator[Cluster]:
    """Three nodes of Galera, all of which take writes."""
    with Cluster(server_folder / "galera") as cluster:
        yield cluster


@pytest.fixture
def start_site(start_server: Callable[..., AppServer]) -> Callable[..., Site]:
    """Start the server on a database: `start_site(url, WORKERS="2")`.

    `reached_by` is another URL for the server itself, that of a proxy.
    """

    def start(database_url: str, *, reached_by: str | None = None, **environ: str) -> Site:
        url = reached_by or database_url
        return Site(start_server(**ENVIRON, DATABASE_URL=url, **environ), database_url)

    return start

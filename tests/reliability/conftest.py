"""The real server under load, on a database that a test may kill."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import (
    DATABASE_NAME,
    DATABASES,
    create_extra_database,
    drop_extra_database,
)
from tests.support.cluster import Cluster
from tests.support.migrated import migrated_database, migrated_file
from tests.support.servers import AppServer, MariaDB
from tests.support.site import ENVIRON, Site


@pytest.fixture(scope="package")
def durable_server(disk_folder: Path) -> Iterator[MariaDB]:
    """A MariaDB of our own, that keeps what it has committed whatever happens to it."""
    with MariaDB(disk_folder / "durable", durable=True) as server:
        yield server


@pytest.fixture
def fresh_url(durable_server: MariaDB) -> str:
    return migrated_database(durable_server, "fresh")


@pytest.fixture(params=DATABASES)
def any_url(request: pytest.FixtureRequest, tmp_path: Path, server_folder: Path) -> Iterator[str]:
    """An empty database of each kind: SQLite, MariaDB and what TEST_DATABASE_URL names."""
    if request.param == "sqlite":
        yield migrated_file(tmp_path / "nextup.db", server_folder)
    else:
        yield from empty_database(request)


@pytest.fixture(params=[name for name in DATABASES if name != "sqlite"])
def server_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database of each server on this machine: MariaDB and TEST_DATABASE_URL."""
    yield from empty_database(request)


def empty_database(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "mariadb":
        yield request.getfixturevalue("fresh_url")
        return
    name = f"{DATABASE_NAME}_fresh"
    yield create_extra_database(name)
    drop_extra_database(name)


@pytest.fixture(scope="package")
def galera_server(disk_folder: Path) -> Iterator[Cluster]:
    """Three nodes of Galera, all of which take writes."""
    with Cluster(disk_folder / "galera") as cluster:
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

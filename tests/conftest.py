"""Real databases, the application on each of them, and the real server.

A test that takes `app`, `client` or `database_url` runs once per database: SQLite, a private
MariaDB and, where TEST_DATABASE_URL names one, a further server.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_migrate import upgrade
from jinja2 import FileSystemBytecodeCache
from sqlalchemy import URL, Engine, create_engine, make_url, text
from werkzeug.security import generate_password_hash

from tests.support.servers import ROOT, AppServer, MariaDB, Redis
from webapp import create_app
from webapp.config import Settings
from webapp.extensions import db, limiter
from webapp.services import accounts, availability

SERVERS = ("mariadb", "redis", "galera", "chromium", "wrk")
EXTRA_DATABASE_URL = os.environ.get("TEST_DATABASE_URL")
DATABASES = ["sqlite", "mariadb", *(["extra"] if EXTRA_DATABASE_URL else [])]
DATABASE_NAME = f"nextup_test_{os.getpid()}"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--without",
        action="append",
        default=[],
        choices=SERVERS,
        help="leave out the tests that need this server (without it they fail)",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    absent = set(config.getoption("--without"))
    soak = "soak" in config.getoption("markexpr")
    left_out = {
        item
        for item in items
        if not absent.isdisjoint(needed_servers(item))
        or (item.get_closest_marker("soak") and not soak)
    }
    if left_out:
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]


def needed_servers(item: pytest.Item) -> set[str]:
    callspec = getattr(item, "callspec", None)
    urls = ("database_url", "any_url", "server_url")
    databases = {callspec.params.get(url) for url in urls} if callspec else set()
    fixtures = {name.removesuffix("_server") for name in getattr(item, "fixturenames", ())}
    if "durable" in fixtures:
        fixtures.add("mariadb")
    browser = {"chromium"} if item.get_closest_marker("browser") else set()
    return databases | fixtures | browser


@pytest.fixture(autouse=True)
def quick_hashes() -> Iterator[pytest.MonkeyPatch]:
    """The same hashing, with so little work that the tests need not wait for it, until undone."""
    quick = partial(generate_password_hash, method="pbkdf2:sha256:1")
    # A patch of its own: what a test patches has to be undone before its other fixtures end.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accounts, "generate_password_hash", quick)
        yield patch


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """A folder with a short name: MariaDB's socket lives in it."""
    with tempfile.TemporaryDirectory(prefix="nextup-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def mariadb_server(server_folder: Path) -> Iterator[MariaDB]:
    """A MariaDB shared by the session; a test that stops or kills one makes its own."""
    with MariaDB(server_folder / "mariadb") as server:
        yield server


@pytest.fixture(scope="session")
def redis_server(server_folder: Path) -> Iterator[Redis]:
    with Redis(server_folder / "redis") as server:
        yield server


@pytest.fixture(scope="session", params=DATABASES)
def database_url(request: pytest.FixtureRequest, server_folder: Path) -> Iterator[str]:
    """The URL of an empty, migrated database."""
    match request.param:
        case "sqlite":
            url = f"sqlite:///{server_folder / 'nextup.db'}"
        case "mariadb":
            url = request.getfixturevalue("mariadb_server").create_database(DATABASE_NAME)
        case _:
            url = create_extra_database(DATABASE_NAME)
    settings = make_settings(url, server_folder)
    migrating = create_app(settings)
    with migrating.app_context():
        upgrade(directory=str(ROOT / "migrations"))
    dispose(migrating)
    yield url
    if request.param == "extra":
        drop_extra_database(DATABASE_NAME)


def extra_server() -> URL:
    """The server that TEST_DATABASE_URL names; its database need not be there."""
    return make_url(EXTRA_DATABASE_URL or "").set(drivername="mysql+pymysql", database="")


def create_extra_database(name: str) -> str:
    url = extra_server()
    drop_extra_database(name)
    run(url.render_as_string(False), f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    return url.set(database=name).render_as_string(False)


def drop_extra_database(name: str) -> None:
    url = extra_server()
    run(url.render_as_string(False), f"DROP DATABASE IF EXISTS {name}")


def run(url: str, statement: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def make_settings(database_url: str, folder: Path, **environ: str) -> Settings:
    """Settings for tests; `environ` overrides variables by name."""
    return Settings.from_environ(
        {
            "DATABASE_URL": database_url,
            "SECRET_KEY": "a key that only tests use",
            "RATELIMIT_DEFAULT": "1000000 per minute",
            "LOG_FILE": str(folder / "nextup.log"),
            **environ,
        },
        instance_path=folder,
    )


def dispose(app: Flask) -> None:
    """Close the connections of an application that is not used any more."""
    with app.app_context():
        for engine in db.engines.values():
            engine.dispose()


@pytest.fixture(scope="session")
def cleaner(database_url: str) -> Iterator[Engine]:
    engine = create_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def compiled_templates(server_folder: Path) -> FileSystemBytecodeCache:
    """To compile them for each test's application takes longer than most tests."""
    folder = server_folder / "templates"
    folder.mkdir()
    return FileSystemBytecodeCache(str(folder))


@pytest.fixture
def make_app(
    database_url: str,
    cleaner: Engine,
    tmp_path: Path,
    compiled_templates: FileSystemBytecodeCache,
) -> Iterator[Callable[..., Flask]]:
    """Make the application with other settings: `make_app(RATELIMIT_DEFAULT="3 per minute")`."""
    made: list[Flask] = []

    def make(**environ: str) -> Flask:
        app = create_app(make_settings(database_url, tmp_path, **environ))
        app.testing = True
        app.jinja_env.bytecode_cache = compiled_templates
        limiter.reset()
        availability.forget()
        made.append(app)
        return app

    yield make
    for app in made:
        dispose(app)
    empty_tables(cleaner)


def empty_tables(engine: Engine) -> None:
    with engine.begin() as connection:
        for table in reversed(db.metadata.sorted_tables):
            connection.execute(table.delete())


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def start_server(server_folder: Path) -> Iterator[Callable[..., AppServer]]:
    """Start the real server with variables: `start_server(WORKERS="2", DATABASE_URL=...)`."""
    servers: list[AppServer] = []

    def start(**environ: str) -> AppServer:
        folder = Path(tempfile.mkdtemp(dir=server_folder))
        server = AppServer(folder, environ=environ)
        servers.append(server)
        return server.start()

    yield start
    for server in servers:
        server.kill()

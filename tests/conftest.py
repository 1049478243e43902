"""Real databases, the application on each of them, and the real server.

A test that takes `app`, `client` or `database_url` runs once per database: SQLite, a private
MariaDB and, where TEST_DATABASE_URL names one, a further server. In the rooms and files that
ON_SQLITE names it runs on SQLite alone, and one marked with `on_servers` on servers alone, unless
it is marked with `every_database` or the long tier runs.
"""

import gc
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_migrate import upgrade
from jinja2 import Environment, FileSystemBytecodeCache
from jinja2.bccache import Bucket
from sqlalchemy import URL, Engine, create_engine, make_url, text
from werkzeug.security import generate_password_hash

from tests.support.migrated import empty_tables
from tests.support.servers import ROOT, AppServer, MariaDB, Redis
from tests.support.shared_app import SharedApp, forget
from webapp import create_app
from webapp.accounts import services as accounts
from webapp.config import Settings
from webapp.extensions import db
from webapp.text.templates import Templates
from webapp.web.rate_limits import limiter

pytest_plugins = ["tests.support.seconds", "tests.support.fixtures"]

SERVERS = ("mariadb", "redis", "galera", "chromium", "wrk", "nginx", "haproxy", "caddy")
EXTRA_DATABASE_URL = os.environ.get("TEST_DATABASE_URL")
DATABASES = ["sqlite", "mariadb", *(["extra"] if EXTRA_DATABASE_URL else [])]
# For tests that choose theirs: the others are looked at in the long tier alone.
NORMALLY_SQLITE = [
    *DATABASES[:1],
    *(pytest.param(d, marks=pytest.mark.long) for d in DATABASES[1:]),
]
NORMALLY_SERVERS = [pytest.param("sqlite", marks=pytest.mark.long), *DATABASES[1:]]
DATABASE_NAME = f"nextup_test_{os.getpid()}"
# What pages, the API and mails say is the same on every database; the rooms below run on each.
ON_SQLITE = {
    *("pages", "api", "browser", "web"),
    *("test_account_mails.py", "test_announcements.py", "test_asks.py", "test_compose.py"),
    *("test_find.py", "test_hostile_input.py", "test_languages.py", "test_limits.py"),
    *("test_offers.py", "test_ownership.py", "test_questions.py", "test_times.py"),
    *("test_transports.py", "test_complaints.py", "test_reaching.py", "test_mailing.py"),
}
MEMORY, MEMORY_NEEDED = Path("/dev/shm"), 4 * 1024**3
# How many more objects there are at the next look for garbage; Python's own number is 700.
FEWER_LOOKS = 5000
# How often the long tier runs a race.
RACES = 100
# Begun first, so that no process is left alone with one of them at the end of a run.
SLOWEST = ("reliability", "server", "browser", "mail", "storage", "test_counts.py")
# An application that differs from another in these alone is shared: one for each BASE_URL, and
# MAIL_URL is read when a mail is to leave.
SHARED_ACROSS = {"BASE_URL", "MAIL_URL"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--without",
        action="append",
        default=[],
        choices=SERVERS,
        help="leave out the tests that need this server (without it they fail)",
    )
    parser.addoption(
        "--long",
        action="store_true",
        help="run also what takes long, and the tests of every room on every database",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    test, long = metafunc.definition, metafunc.config.getoption("--long")
    if test.get_closest_marker("race") and long:
        metafunc.fixturenames.append("race")
        metafunc.parametrize("race", range(RACES))
    chosen = {mark.args[0] for mark in test.iter_markers("parametrize")}
    if "database_url" in metafunc.fixturenames and "database_url" not in chosen:
        everywhere = long or test.get_closest_marker("every_database")
        names = DATABASES
        if not everywhere and test.get_closest_marker("on_servers"):
            names = DATABASES[1:]
        elif not everywhere and not ON_SQLITE.isdisjoint(test.path.parts):
            names = ["sqlite"]
        metafunc.parametrize("database_url", names, indirect=True, scope="session")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    absent = set(config.getoption("--without"))
    long = config.getoption("--long")
    left_out = {
        item
        for item in items
        if not absent.isdisjoint(needed_servers(item))
        or (item.get_closest_marker("long") and not long)
    }
    if left_out:
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]
    items.sort(key=turn)


def pytest_collection_finish() -> None:
    """What is there now stays: to look through it for garbage again took a tenth of all tests."""
    gc.freeze()
    gc.set_threshold(FEWER_LOOKS)


def turn(item: pytest.Item) -> int:
    """Where the test's file or folder stands among the slowest."""
    name = item.path.relative_to(ROOT / "tests").parts[0]
    return SLOWEST.index(name) if name in SLOWEST else len(SLOWEST)


def needed_servers(item: pytest.Item) -> set[str]:
    callspec = getattr(item, "callspec", None)
    urls = ("database_url", "any_url", "server_url")
    databases = {callspec.params.get(url) for url in urls} if callspec else set()
    proxies = {name for name in SERVERS if callspec and callspec.params.get("kind") == name}
    fixtures = {name.removesuffix("_server") for name in getattr(item, "fixturenames", ())}
    if "durable" in fixtures:
        fixtures.add("mariadb")
    browser = {"chromium"} if item.get_closest_marker("browser") else set()
    return databases | proxies | fixtures | browser


@contextmanager
def hashing_quickly() -> Iterator[pytest.MonkeyPatch]:
    """The same hashing, with so little work that the tests need not wait for it, until undone."""
    quick = partial(generate_password_hash, method="pbkdf2:sha256:1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accounts, "generate_password_hash", quick)
        yield patch


@pytest.fixture(autouse=True)
def quick_hashes() -> Iterator[pytest.MonkeyPatch]:
    # A patch of its own: what a test patches has to be undone before its other fixtures end.
    with hashing_quickly() as patch:
        yield patch


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """A folder with a short name: MariaDB's socket lives in it.

    In memory where there is room: every commit on SQLite waits for the disk.
    """
    roomy = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > MEMORY_NEEDED
    with tempfile.TemporaryDirectory(prefix="nextup-", dir=MEMORY if roomy else None) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def disk_folder() -> Iterator[Path]:
    """The same for servers that are to take as long as on a disk."""
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


@dataclass(frozen=True, slots=True)
class Database:
    """An empty, migrated database that tests use in turn, and the applications that they share."""

    url: str
    cleaner: Engine
    apps: dict[str | None, SharedApp]


@pytest.fixture(scope="session")
def databases() -> Iterator[dict[str, Database]]:
    """The databases made so far, by name: they stay, in whatever order tests ask for them."""
    made: dict[str, Database] = {}
    yield made
    for database in made.values():
        database.cleaner.dispose()
    if "extra" in made:
        drop_extra_database(DATABASE_NAME)


@pytest.fixture(scope="session")
def database_url(
    request: pytest.FixtureRequest, databases: dict[str, Database], server_folder: Path
) -> str:
    """The URL of an empty, migrated database; pytest_generate_tests says of which."""
    name = request.param
    if name not in databases:
        match name:
            case "sqlite":
                url = f"sqlite:///{server_folder / 'nextup.db'}"
            case "mariadb":
                url = request.getfixturevalue("mariadb_server").create_database(DATABASE_NAME)
            case _:
                url = create_extra_database(DATABASE_NAME)
        migrating = create_app(make_settings(url, server_folder))
        with migrating.app_context():
            upgrade(directory=str(ROOT / "migrations"))
        dispose(migrating)
        databases[name] = Database(url, create_engine(url), {})
    return databases[name].url


@pytest.fixture(scope="session")
def database(database_url: str, databases: dict[str, Database]) -> Database:
    return next(known for known in databases.values() if known.url == database_url)


@pytest.fixture(scope="session")
def cleaner(database: Database) -> Engine:
    """For `empty_tables`, where a test does not do so by `make_app`."""
    return database.cleaner


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
            "BOOKINGS_FREELY": "1000000",
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


class CompiledTemplates(FileSystemBytecodeCache):
    """The same template is other code in another language."""

    def get_bucket(
        self, environment: Environment, name: str, filename: str | None, source: str
    ) -> Bucket:
        assert isinstance(environment, Templates)
        code = environment.language.code
        return super().get_bucket(environment, f"{code} {name}", filename, source)


@pytest.fixture(scope="session")
def compiled_templates(server_folder: Path) -> FileSystemBytecodeCache:
    """To compile them for each test's application takes longer than most tests."""
    folder = server_folder / "templates"
    folder.mkdir()
    return CompiledTemplates(str(folder))


@pytest.fixture
def make_app(
    database: Database, tmp_path: Path, compiled_templates: FileSystemBytecodeCache
) -> Iterator[Callable[..., Flask]]:
    """The application, or one with other settings: `make_app(RATELIMIT_DEFAULT="3 per minute")`.

    To make one takes longer than most tests. So tests share it where the settings allow that, and
    find it as if it were new; a test that adds to it, not only to `app.config`, asks for its `own`.
    """
    used: list[Flask] = []

    def make(*, own: bool = False, **environ: str) -> Flask:
        forget()
        settings = make_settings(database.url, tmp_path, **environ)
        if own or not environ.keys() <= SHARED_ACROSS:
            app = for_tests(create_app(settings), compiled_templates)
            limiter.reset()
        else:
            base_url = environ.get("BASE_URL")
            if base_url not in database.apps:
                app = for_tests(create_app(settings), compiled_templates)
                database.apps[base_url] = SharedApp(app)
            app = database.apps[base_url].begin_anew(settings)
        used.append(app)
        return app

    yield make
    for app in used:
        dispose(app)
    empty_tables(database.cleaner)


def for_tests(app: Flask, templates: FileSystemBytecodeCache) -> Flask:
    app.testing = True
    app.jinja_env.bytecode_cache = templates
    return app


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app()


@pytest.fixture
def own_app(make_app: Callable[..., Flask]) -> Flask:
    """An application that no other test uses, to add to it."""
    return make_app(own=True)


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

"""The shape of the code: which room may import which, and that every module stays small."""

import ast
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.support.servers import ROOT

WEBAPP = ROOT / "webapp"
MODULES = sorted(WEBAPP.rglob("*.py"))
LARGEST_MODULE = 380
LARGEST_FACTORY = 90

# Anybody may import these single modules, and they import no room.
COMMON = {"brand", "clock", "config", "errors", "extensions", "identity", "logs", "mail_url"}
# Which rooms a room may import.
MAY_IMPORT = {
    "storage": set(),
    "text": {"storage"},
    "booking": {"storage"},
    "events": {"booking", "storage"},
    "accounts": {"storage"},
    "door": {"booking", "storage"},
    "verify": {"booking", "storage"},
    "mail": {"booking", "events", "accounts", "storage", "text"},
    "operations": {"booking", "events", "accounts", "verify", "mail", "storage", "text"},
    "web": {"accounts", "door", "events", "storage", "text"},
    "pages": {
        *("accounts", "booking", "door", "events", "mail"),
        *("operations", "storage", "text", "web"),
    },
    "api": {"accounts", "booking", "door", "events", "mail", "storage", "text", "web"},
}
EVERYTHING = {"server", "cli", "__init__"}
# Rooms that know nothing of a request.
BELOW_WEB = {
    *("storage", "text", "booking", "door", "events", "accounts", "verify", "mail", "operations"),
}
OF_A_REQUEST = {"flask.request", "flask.session", "flask.g", "flask.globals"}
# What decides is pure: it neither reads nor writes, and no time passes in it.
OF_WISHES = {f"webapp.booking.{name}" for name in ("commands", "inventory", "ticket_types")}
PURE = {
    "booking/ledger.py": OF_WISHES | {"webapp.booking.holdings", "webapp.booking.wishes"},
    "booking/holdings.py": OF_WISHES | {"webapp.booking.journal", "webapp.booking.line"},
    "booking/line.py": OF_WISHES,
    "booking/wishes.py": OF_WISHES,
    "booking/ticket_types.py": {"webapp.booking.commands"},
    "booking/journal.py": {"webapp.booking.commands"},
    "booking/commands.py": set(),
    "door/decide.py": set(),
    "booking/inventory.py": {
        "webapp.booking.commands",
        "webapp.booking.ticket_types",
        "webapp.storage.rows",
    },
    "storage/rows.py": set(),
    "storage/batcher.py": {"webapp.errors"},
}
IMPURE = {"time", "random", "secrets", "uuid", "os"}


def name_of(path: Path) -> str:
    return str(path.relative_to(WEBAPP))


def room_of(path: Path) -> str:
    """The room of a module, or its own name where it is in none."""
    first = path.relative_to(WEBAPP).parts[0]
    return first.removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Everything a module imports, also within functions, as dotted names."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}: import by the full name"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def rooms_in(names: Iterable[str]) -> set[str]:
    """The rooms and single modules of ours among dotted names."""
    return {name.split(".")[1] for name in names if name.startswith("webapp.")}


def modules_of(*rooms: str) -> list[Path]:
    return [path for path in MODULES if room_of(path) in rooms]


def test_every_room_is_in_the_table() -> None:
    assert {room_of(path) for path in MODULES} == COMMON | MAY_IMPORT.keys() | EVERYTHING


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_room_imports_only_what_lies_below_it(room: str) -> None:
    allowed = MAY_IMPORT[room] | COMMON | {room}
    too_much = {name_of(p): rooms_in(imports(p)) - allowed for p in modules_of(room)}
    assert not {name: found for name, found in too_much.items() if found}


@pytest.mark.parametrize("module", sorted(COMMON))
def test_what_everybody_imports_imports_no_room(module: str) -> None:
    [path] = modules_of(module)
    assert rooms_in(imports(path)) <= COMMON


def test_below_the_web_nobody_knows_of_a_request() -> None:
    knowing = {name_of(p): imports(p) & OF_A_REQUEST for p in modules_of(*BELOW_WEB)}
    assert not {name: found for name, found in knowing.items() if found}


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_import_the_standard_library_and_each_other_only(name: str) -> None:
    found = imports(WEBAPP / name)
    foreign = {one for one in found if one.split(".")[0] not in sys.stdlib_module_names}
    assert {one.rpartition(".")[0] for one in foreign} <= PURE[name]
    assert not {one.split(".")[0] for one in found} & IMPURE


def test_pages_know_of_operations_only_what_the_doctor_says() -> None:
    found = {name for path in modules_of("pages") for name in imports(path)}
    used = {name for name in found if name.startswith("webapp.operations")}
    assert all(name.startswith("webapp.operations.doctor") for name in used), used


def test_decoder_of_pictures_knows_nothing_of_the_application() -> None:
    """Each picture starts one anew, and what breaks it should find nothing."""
    found = {name.split(".")[0] for name in imports(WEBAPP / "events/decoder.py")}
    assert found - sys.stdlib_module_names == {"PIL"}


def test_only_transactions_begin_and_commit() -> None:
    """One module holds the retries, so one module holds the commits."""
    committing = {
        name_of(path)
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("commit", "begin_nested")
    }
    assert committing == {"storage/transaction.py"}


def test_views_leave_the_database_to_the_rooms_below() -> None:
    """No session, no connection, no query: and so nothing that they could commit."""
    database = ("sqlalchemy", "pymysql", "sqlite3", "webapp.storage.engines",
                "webapp.storage.transaction", "webapp.booking.load", "webapp.booking.save",
                "webapp.booking.batch", "webapp.booking.ledger")  # fmt: skip
    reaching = {
        name_of(path): {name for name in imports(path) if name.startswith(database)}
        for path in modules_of("pages", "api")
    }
    assert not {name: found for name, found in reaching.items() if found}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module_is_small_enough_to_be_read_at_once(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= (LARGEST_FACTORY if path == WEBAPP / "__init__.py" else LARGEST_MODULE)

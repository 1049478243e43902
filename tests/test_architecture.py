"""The shape of the code: layers point one way, and every module stays small."""

import ast
import sys
from pathlib import Path

import pytest

from tests.support.servers import ROOT

WEBAPP = ROOT / "webapp"
MODULES = sorted(WEBAPP.rglob("*.py"))
SERVICES = [path for path in MODULES if path.parent == WEBAPP / "services"]
VIEWS = [path for path in MODULES if {"pages", "api"} & set(path.relative_to(WEBAPP).parts)]
PURE = [WEBAPP / "services" / name for name in ("ledger.py", "commands.py", "group_commit.py")]
LARGEST_MODULE = 380


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


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


def beneath(names: set[str], *packages: str) -> set[str]:
    return {name for name in names for p in packages if name == p or name.startswith(f"{p}.")}


def test_there_is_something_to_look_at() -> None:
    assert len(SERVICES) > 8
    assert len(VIEWS) > 6
    assert all(path.exists() for path in PURE)


@pytest.mark.parametrize("path", SERVICES, ids=name_of)
def test_services_know_nothing_of_requests_and_of_the_layers_above(path: Path) -> None:
    of_the_web = beneath(imports(path), "flask") - {"flask.Flask", "flask.current_app"}
    assert of_the_web == set()
    above = ("webapp.pages", "webapp.api", "webapp.schemas", "webapp.htmx", "webapp.security")
    assert beneath(imports(path), *above) == set()


@pytest.mark.parametrize("path", PURE, ids=name_of)
def test_pure_modules_import_the_standard_library_and_each_other_only(path: Path) -> None:
    ours = {f"webapp.services.{pure.stem}" for pure in PURE}
    foreign = {
        name
        for name in imports(path)
        if name.split(".")[0] not in sys.stdlib_module_names and not beneath({name}, *ours)
    }
    assert foreign == set()


def test_ledger_has_no_clock_and_no_chance() -> None:
    for path in PURE[:2]:
        assert (
            beneath(imports(path), "time", "datetime", "random", "secrets", "uuid", "os") == set()
        )


@pytest.mark.parametrize("path", VIEWS, ids=name_of)
def test_views_leave_the_database_to_the_services(path: Path) -> None:
    """No session, no connection, no query: and so nothing that they could commit."""
    database = ("sqlalchemy", "webapp.extensions.db", "webapp.database", "pymysql", "sqlite3",
                "webapp.services.transaction", "webapp.services.batch.run",
                "webapp.services.batch.run_together", "webapp.services.batch.submit",
                "webapp.services.book.lock_event",
                "webapp.services.record", "webapp.services.ledger.Ledger")  # fmt: skip
    assert beneath(imports(path), *database) - beneath(imports(path), "sqlalchemy.Row") == set()
    called = {
        node.func.attr
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    assert called.isdisjoint({"commit", "rollback", "execute"})


@pytest.mark.parametrize("path", VIEWS, ids=name_of)
def test_pages_and_api_do_not_lean_on_each_other(path: Path) -> None:
    other = "webapp.api" if "pages" in path.parts else "webapp.pages"
    assert beneath(imports(path), other) == set()


def test_only_transactions_begin_and_commit() -> None:
    """One module holds the retries, so one module holds the commits."""
    committing = set()
    for path in SERVICES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in ("commit", "begin_nested"):
                committing.add(path.name)
    assert committing == {"transaction.py"}


def test_models_import_nothing_of_ours_but_the_extensions() -> None:
    ours = beneath(imports(WEBAPP / "models.py"), "webapp")
    assert {name.rpartition(".")[0] for name in ours} == {"webapp.extensions"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module_is_small_enough_to_be_read_at_once(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LARGEST_MODULE

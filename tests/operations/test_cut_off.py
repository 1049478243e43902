"""A backup or a restore that is killed anywhere has done nothing, or all of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from tests.operations.conftest import EmptyDatabase, rows_of, run
from tests.support.cut_upgrade import KILLED, Upgrades, upgrades
from webapp.operations.backup import key_of

# How many steps lie between two kills outside of the long tier.
STRIDE = 6


@pytest.fixture(scope="module")
def cutting() -> Iterator[Upgrades]:
    with upgrades() as started:
        yield started


@pytest.fixture
def stride(request: pytest.FixtureRequest) -> int:
    return 1 if request.config.getoption("--long") else STRIDE


def test_backup_that_is_killed_leaves_no_file_of_that_name(
    busy: Flask, database_url: str, cutting: Upgrades, stride: int, tmp_path: Path
) -> None:
    before = rows_of(database_url)
    folder = tmp_path / "backups"
    folder.mkdir()
    file = folder / "backup.db"
    words = ("backup", file)
    step, kills = 1, 0
    while True:
        status = cutting.run(database_url, tmp_path, cut_behind=step, words=words)
        if file.exists():
            # Its name comes last, and whatever is done then is done to what is whole.
            assert rows_of(file) == before
            assert key_of(file).exists()
            break
        assert status == KILLED
        kills += 1
        # Most of the steps make tables, which are in the way of nothing.
        step += stride if stride == 1 else 3 if database_url.startswith("sqlite") else 45
    assert kills >= 2
    file.unlink()
    # What killed ones have left is not in the way, and does not stay.
    assert run(busy, "backup", file).exit_code == 0
    assert {path.name for path in folder.iterdir()} == {"backup.db", "backup.db.secret-key"}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("kind", ["sqlite", pytest.param("mariadb", marks=pytest.mark.long)])
def test_restore_that_is_killed_leaves_nothing_and_is_done_by_the_next_one(
    busy: Flask,
    database_url: str,
    kind: str,
    cutting: Upgrades,
    stride: int,
    empty_database: EmptyDatabase,
    tmp_path: Path,
) -> None:
    before = rows_of(database_url)
    file = tmp_path / "backup.db"
    assert run(busy, "backup", file).exit_code == 0
    other = tmp_path / "other"
    other.mkdir()
    url = empty_database(kind)
    # How tables are made when that is cut off is shown in test_upgrades.
    assert cutting.run(url, other) == 0
    step, kills = 1, 0
    while cutting.run(url, other, cut_behind=step, words=("restore", file)) == KILLED:
        kills += 1
        step += stride
        assert [name for name, rows in rows_of(url).items() if rows] == []
    assert kills >= 3
    assert rows_of(url) == before
    assert not list(other.glob("*.part*"))

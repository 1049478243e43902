"""The memory of a backup and a restore does not grow with the site."""

from pathlib import Path

import pytest

from bench.copies import measure
from tests.support.servers import MariaDB

pytestmark = pytest.mark.long

BOOKINGS = 100_000
# An idle application takes some 95 MB, and SQLite may hold 64 MB of a file that it fills.
MOST_MEGABYTES = 200


def test_memory_stays_flat(mariadb_server: MariaDB, tmp_path: Path) -> None:
    runs = list(measure(mariadb_server, tmp_path, BOOKINGS))
    for run in runs:
        print(run)
    assert len(runs) == 4
    assert {run.what: run.memory for run in runs if run.memory > MOST_MEGABYTES} == {}

"""Our reading of results gives what PyMySQL's own gives."""

import ssl
from contextlib import closing
from io import DEFAULT_BUFFER_SIZE, BufferedReader
from pathlib import Path
from socket import SocketIO

import pymysql
import pytest

from tests.support.mail import make_certificate
from tests.support.servers import MariaDB
from webapp.storage import fast_mysql
from webapp.storage.fast_mysql import PlainConnection, QuickConnection

QUERIES = (
    "SELECT 1, -5000000000, NULL, 'a', '', 'ü🎟', x'00ff', 1.5e0, 1.25, DATE '2031-07-01',"
    " CAST('2031-07-01 19:30:00.000123' AS DATETIME(6)), TIMESTAMP '2031-07-01 19:30:00',"
    " TIME '19:30:00', CAST('{}' AS JSON), b'101'",
    "SELECT REPEAT('x', 250), REPEAT('x', 251), REPEAT('ü', 300), REPEAT('x', 70000)",
    "SELECT seq AS n, NULLIF(seq, 2) FROM seq_1_to_300",
    "SELECT seq AS n, NULLIF(seq, 2) FROM seq_1_to_300",
    "SELECT seq FROM seq_1_to_3 WHERE seq > 3",
    "SELECT CAST('0000-00-00 00:00:00' AS DATETIME)",
    "DO 1",
    # Alike at first, and other columns after that.
    "SELECT 1 AS one, 2 AS two",
    "SELECT 1 AS one, 'a' AS two",
    # More columns than fit into what is received at once.
    "SELECT " + ", ".join(f"{number} AS a_rather_long_name_{number}" for number in range(400)),
)


def connection(server: MariaDB, kind: type) -> "pymysql.Connection":
    server.execute("CREATE DATABASE IF NOT EXISTS numbers")
    address = {"host": "127.0.0.1", "port": server.port, "user": "app", "password": "app"}
    made: pymysql.Connection = kind(**address, database="numbers", charset="utf8mb4")
    with made.cursor() as cursor:
        cursor.execute("SET SESSION sql_mode = '', max_statement_time = 0")
    return made


@pytest.mark.parametrize("buffer_size", [DEFAULT_BUFFER_SIZE, 1, 100])
def test_results_are_those_of_pymysql(mariadb_server: MariaDB, buffer_size: int) -> None:
    """However much of a result is there when its columns are looked at."""
    with (
        closing(connection(mariadb_server, pymysql.Connection)) as plain,
        closing(connection(mariadb_server, QuickConnection)) as quick,
    ):
        quick._rfile = BufferedReader(SocketIO(quick._sock, "r"), buffer_size)
        for query in QUERIES * 2:
            found = []
            for each in (plain, quick):
                with each.cursor() as cursor:
                    count = cursor.execute(query.replace("AS JSON", "AS CHAR"))
                    found.append((count, cursor.description, cursor.fetchall()))
            assert found[0] == found[1], query[:50]
            assert [list(map(type, row)) for row in found[0][2]] == [
                list(map(type, row)) for row in found[1][2]
            ]


def test_error_behind_the_first_row_is_raised_and_the_connection_goes_on(
    mariadb_server: MariaDB,
) -> None:
    with (
        closing(connection(mariadb_server, QuickConnection)) as quick,
        quick.cursor() as cursor,
    ):
        with pytest.raises(pymysql.err.MySQLError, match="more than 1 row"):
            cursor.execute(
                "SELECT IF(seq < 300, seq, (SELECT seq FROM seq_1_to_2)) FROM seq_1_to_300"
            )
        cursor.execute("SELECT 7")
        assert cursor.fetchall() == ((7,),)


def test_columns_that_are_remembered_are_bounded(
    mariadb_server: MariaDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fast_mysql, "KNOWN_RESULTS", 4)
    with (
        closing(connection(mariadb_server, QuickConnection)) as quick,
        quick.cursor() as cursor,
    ):
        for number in range(20):
            cursor.execute(f"SELECT {number} AS column_{number}")
    assert len(fast_mysql._known) <= 4


def test_shared_tls_is_what_pymysql_makes_for_each_and_a_certificate_is_still_checked(
    tmp_path: Path,
) -> None:
    certificate, _ = make_certificate(tmp_path)
    own = pymysql.Connection(defer_connect=True).ctx
    shared = QuickConnection(defer_connect=True)
    assert shared.ctx is PlainConnection(defer_connect=True).ctx
    assert not shared._ssl_required
    for name in ("verify_mode", "check_hostname", "options", "minimum_version", "protocol"):
        assert getattr(shared.ctx, name) == getattr(own, name), name
    assert shared.ctx.get_ciphers() == own.get_ciphers()
    checking = QuickConnection(defer_connect=True, ssl={"ca": str(certificate)})
    assert checking._ssl_required
    assert checking.ctx.verify_mode is ssl.CERT_REQUIRED
    assert checking.ctx is not shared.ctx

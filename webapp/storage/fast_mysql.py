"""What overrides PyMySQL for speed; without it everything works as well.

With each result come the descriptions of its columns, and to read the 31 of an event took ten
times as long as all the rest: they are the same each time, byte for byte. Measured in process on
MariaDB: FIGURES.
"""

import ssl
from collections.abc import Callable
from datetime import datetime
from functools import cache
from io import BufferedReader
from typing import Any, NamedTuple

from pymysql import err
from pymysql.connections import MAX_PACKET_LEN, TEXT_TYPES, Connection, MySQLResult
from pymysql.constants import FIELD_TYPE
from pymysql.converters import convert_datetime, through
from pymysql.protocol import EOFPacketWrapper, FieldDescriptorPacket, MysqlPacket
from sqlalchemy import Dialect
from sqlalchemy.pool import ConnectionPoolEntry

Convert = Callable[[bytes], Any]

# The first byte of a value is its length, unless it is one of these.
NULL, TWO_BYTES, THREE_BYTES, EIGHT_BYTES = 251, 252, 253, 254
BYTES_OF_LENGTH = {TWO_BYTES: 2, THREE_BYTES: 3, EIGHT_BYTES: 8}
END_OF_ROWS, FAILURE = 0xFE, 0xFF
LONGEST_END = 8
BINARY = 63
# Of each packet the first bytes are its length and its number.
HEADER_BYTES = 4
# More than the statements we have.
KNOWN_RESULTS = 512


class Columns(NamedTuple):
    """What a result says of its columns, and how their values are read."""

    fields: list[FieldDescriptorPacket]
    description: tuple[tuple[Any, ...], ...]
    converters: list[Convert]


_known: dict[tuple[bytes, str], Columns] = {}


def connect(
    dialect: Dialect, record: ConnectionPoolEntry, arguments: Any, options: Any
) -> "QuickConnection":
    """For SQLAlchemy's event `do_connect`."""
    return QuickConnection(*arguments, **options)


def connect_plainly(
    dialect: Dialect, record: ConnectionPoolEntry, arguments: Any, options: Any
) -> "PlainConnection":
    """The same where results are read in PyMySQL's own way."""
    return PlainConnection(*arguments, **options)


class PlainConnection(Connection):  # type: ignore[misc]  # it has no types
    """A connection that does not read every certificate of the system where it checks none."""

    def _create_ssl_ctx(self, sslp: dict[str, Any]) -> ssl.SSLContext:
        made: ssl.SSLContext = super()._create_ssl_ctx(sslp) if sslp else unchecked_tls()
        return made


@cache
def unchecked_tls() -> ssl.SSLContext:
    """What PyMySQL makes for each connection whose URL says nothing of TLS, in 20 ms."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class QuickConnection(PlainConnection):
    """A connection that knows the columns it has read before."""

    _next_seq_id: int
    _rfile: BufferedReader

    def _read_query_result(self, unbuffered: bool = False) -> Any:
        if unbuffered:
            return super()._read_query_result(unbuffered)
        self._result = None
        result = QuickResult(self)
        result.read()
        self._result = result
        if result.server_status is not None:
            self.server_status = result.server_status
        return result.affected_rows

    def received(self, packets: int) -> bytes:
        """The next packets with their headers, as far as they are there; they are not yet read."""
        try:
            told = self._rfile.peek()
        except OSError:
            # Whoever reads meets it again.
            return b""
        end = 0
        for _ in range(packets):
            end += HEADER_BYTES + int.from_bytes(told[end : end + 3], "little")
        return told[:end]

    def skip(self, packets: int, size: int) -> None:
        """Read packets of `size` bytes together that were looked at and are in order."""
        self._read_bytes(size)
        self._next_seq_id = (self._next_seq_id + packets) % 256

    def read_packet(self) -> bytes:
        """What the next packet holds. Raises what PyMySQL does."""
        header = self._read_bytes(4)
        if header[3] != self._next_seq_id:
            self._force_close()
            raise err.OperationalError(err.CR.CR_SERVER_LOST, "Packets out of order")
        self._next_seq_id = (header[3] + 1) % 256
        length = header[0] | header[1] << 8 | header[2] << 16
        content: bytes = self._read_bytes(length)
        if length == MAX_PACKET_LEN:
            content += self.read_packet()
        return content


class QuickResult(MySQLResult):  # type: ignore[misc]  # it has no types
    """A result whose columns are looked up, and whose rows are read in one go."""

    connection: Any
    affected_rows: Any

    def _get_descriptions(self) -> None:
        connection, count = self.connection, self.field_count
        told = connection.received(count), connection.encoding
        columns = _known.get(told)
        if columns is not None and told[0][3] == connection._next_seq_id:
            connection.skip(count, len(told[0]))
        else:
            columns = self._read_columns(told)
        self.fields, self.description, self.converters = columns
        connection.read_packet()

    def _read_columns(self, told: tuple[bytes, str]) -> Columns:
        connection, encoding = self.connection, self.connection.encoding
        fields = [connection._read_packet(FieldDescriptorPacket) for _ in range(self.field_count)]
        columns = Columns(
            fields,
            tuple([field.description() for field in fields]),
            [converter_of(field, connection.decoders, encoding) for field in fields],
        )
        size = sum(HEADER_BYTES + len(field.get_all_data()) for field in fields)
        # A result with more columns than were received at once is read column by column.
        if size == len(told[0]):
            if len(_known) >= KNOWN_RESULTS:
                _known.clear()
            _known[told] = columns
        return columns

    def _read_rowdata_packet(self) -> None:
        read, converters = self.connection.read_packet, self.converters
        rows = []
        while True:
            told = read()
            first = told[0]
            if first == END_OF_ROWS and len(told) <= LONGEST_END:
                break
            if first == FAILURE:
                MysqlPacket(told, self.connection.encoding).raise_for_error()
            rows.append(row_of(told, converters))
        end = EOFPacketWrapper(MysqlPacket(told, self.connection.encoding))
        self.warning_count, self.has_next = end.warning_count, end.has_next
        self.connection = None
        self.affected_rows = len(rows)
        self.rows = tuple(rows)


def row_of(told: bytes, converters: list[Convert]) -> tuple[Any, ...]:
    """The values of a row."""
    values: list[Any] = []
    at = 0
    for convert in converters:
        length = told[at]
        at += 1
        if length == NULL:
            values.append(None)
            continue
        if length > NULL:
            size = BYTES_OF_LENGTH[length]
            length = int.from_bytes(told[at : at + size], "little")
            at += size
        values.append(convert(told[at : at + length]))
        at += length
    return tuple(values)


def converter_of(
    field: FieldDescriptorPacket, decoders: dict[int, Convert], encoding: str
) -> Convert:
    """How the values of a column are read, as PyMySQL would."""
    kind = field.type_code
    if kind in TEXT_TYPES and field.charsetnr == BINARY and kind != FIELD_TYPE.JSON:
        text: Convert = bytes
    elif kind in TEXT_TYPES or kind == FIELD_TYPE.JSON:
        text = decoder(encoding)
    else:
        text = decoder("ascii")
    convert = decoders.get(kind)
    if convert is None or convert is through:
        return text
    if convert is int:
        return int
    if convert is convert_datetime:
        return moment
    return lambda told: convert(text(told))


def decoder(encoding: str) -> Convert:
    return lambda told: told.decode(encoding)


def moment(told: bytes) -> Any:
    text = told.decode("ascii")
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return convert_datetime(text)

"""Our pictures of a code hold the same squares as Segno's own."""

import random
import re
import zlib

import pytest
import segno

from webapp.text import qr_code

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def codes() -> list[str]:
    chosen = random.Random(1)
    return ["".join(chosen.choices(CROCKFORD, k=16)) for _ in range(40)]


def squares_by_segno(text: str, border: int) -> list[str]:
    mode = "alphanumeric" if len(text) == qr_code.LENGTH else None
    code = segno.make(text, error="m", mode=mode, micro=False, mask=0)
    return ["".join(map(str, row)) for row in code.matrix_iter(border=border)]


def squares_in_svg(svg: str) -> list[str]:
    """What its pen draws, in the middle of each row."""
    [size] = re.findall(r'viewBox="0 0 (\d+) \d+"', svg)
    rows = [["0"] * int(size) for _ in range(int(size))]
    x, y, way = re.findall(r'd="M(\d+) (\d+)\.5([^"]*)"', svg)[0]
    column, row = int(x), int(y)
    for across, right, down in re.findall(r"h(\d+)|m(-?\d+) (\d+)", way):
        if across:
            rows[row][column : column + int(across)] = "1" * int(across)
        column += int(across or right)
        row += int(down or 0)
    return ["".join(squares) for squares in rows]


def squares_in_png(png: bytes) -> list[str]:
    """The middle of each of its squares."""
    side = int.from_bytes(png[16:20], "big")
    start = png.index(b"IDAT") + 4
    told = zlib.decompressobj().decompress(png[start:])
    rows, above = [], bytes(side // 8)
    for at in range(0, len(told), side // 8 + 1):
        kind, line = told[at], told[at + 1 : at + 1 + side // 8]
        above = line if kind == 0 else bytes(a ^ b for a, b in zip(above, line, strict=True))
        rows.append("".join("0" if byte & 8 else "1" for byte in above))
    return rows[qr_code.PNG_SCALE // 2 :: qr_code.PNG_SCALE]


@pytest.mark.parametrize("text", [*codes(), "0" * 16, "Z" * 16, "an old code", "7", "A" * 40])
def test_pictures_of_a_code_are_those_that_segno_makes(text: str) -> None:
    assert squares_in_svg(qr_code.as_svg(text)) == squares_by_segno(text, qr_code.SVG_BORDER)
    assert squares_in_png(qr_code.as_png(text)) == squares_by_segno(text, qr_code.PNG_BORDER)

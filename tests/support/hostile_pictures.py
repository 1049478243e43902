"""Pictures of a few kilobytes that cost their reader a gigabyte or a minute."""

import io
import struct
import zlib

from PIL import Image

# RGBA, 7000 pixels wide and high, all of the same colour.
WIDE_WEBP = bytes.fromhex(
    "5249464620000000574542505650384c140000002f57dbd516075081540820000a9a02c68888fe07"
)


def endless_jpeg(scans: int = 1500) -> bytes:
    """A progressive JPEG that says again and again that nothing is to be added to it."""
    file = io.BytesIO()
    Image.new("L", (4000, 4000)).save(file, "JPEG", progressive=True)
    whole = file.getvalue()
    last = whole.rindex(b"\xff\xda")
    return whole[:last] + whole[last:-2] * scans + whole[-2:]


def wide_png(width: int = 7000, height: int = 7000) -> bytes:
    """Of two colours, one of them transparent: each of its bits becomes four bytes."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 3, 0, 0, 0))
    colours = png_chunk(b"PLTE", bytes(6)) + png_chunk(b"tRNS", b"\0")
    pixels = png_chunk(b"IDAT", zlib.compress(bytes((width // 8 + 1) * height)))
    return b"\x89PNG\r\n\x1a\n" + header + colours + pixels + png_chunk(b"IEND", b"")


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

"""Decodes one picture: a process of its own, so a hostile file harms nothing else.

imaging.py starts it by its path, with the file as standard input and a `Task` as JSON. It imports
nothing of the application, so it starts in a tenth of a second. What it writes is one line of JSON,
`{"width", "height", "large", "small"}` with the bytes of each, then both pictures in WebP; or
`{"problem", "limit"}` with the code of what is wrong with the field.
"""

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
from io import BytesIO
from typing import TypedDict

from PIL import Image, ImageCms, ImageOps

PR_SET_PDEATHSIG = 1
# Far more than two pictures need.
LARGEST_OUTPUT = 4 * 1024 * 1024
# Beside the server it gives way to those who book.
NICENESS = 5


class Task(TypedDict):
    """What to make and within which limits: processor seconds, bytes, `{format: megapixels}`."""

    parent: int
    seconds: int
    memory: int
    megapixels: dict[str, int]
    large: tuple[int, int]
    small: tuple[int, int]
    quality: int


class Refused(Exception):
    """The picture will not do; the arguments are the code of the problem and its limit."""


def main() -> None:
    task: Task = json.loads(sys.argv[1])
    limit_oneself(task)
    try:
        picture = decode(sys.stdin.buffer.read(), task)
        small = encode(ImageOps.fit(picture, task["small"]), task)
        large = encode(picture, task)
    except Refused as refused:
        code, limit = refused.args
        answer({"problem": code, "limit": limit})
    except MemoryError:
        answer({"problem": "picture_too_demanding", "limit": 0})
    # A decoder that meets what nobody thought of may raise anything at all.
    except Exception:
        answer({"problem": "no_picture", "limit": 0})
    else:
        sizes = {"large": len(large), "small": len(small)}
        answer({"width": picture.width, "height": picture.height, **sizes}, large, small)


def limit_oneself(task: Task) -> None:
    """Take no more than the task allows, and end with the process that asked."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != task["parent"]:
        sys.exit(1)
    # The worker keeps to one processor, and has it for itself.
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
    # Should the machine's memory run out all the same, this is the process that has to go.
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("1000")
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    limits = {
        resource.RLIMIT_CPU: task["seconds"],
        resource.RLIMIT_AS: task["memory"],
        resource.RLIMIT_FSIZE: LARGEST_OUTPUT,
        resource.RLIMIT_CORE: 0,
    }
    for kind, limit in limits.items():
        _, most = resource.getrlimit(kind)
        # Where it may have even less, nobody but root may ask for more.
        least = limit if most == resource.RLIM_INFINITY else min(limit, most)
        resource.setrlimit(kind, (least, least))


def decode(data: bytes, task: Task) -> Image.Image:
    # Stricter than Pillow's own limit, and told in a sentence.
    Image.MAX_IMAGE_PIXELS = None
    megapixels = task["megapixels"]
    with Image.open(BytesIO(data), formats=list(megapixels)) as opened:
        limit = megapixels[str(opened.format)]
        if opened.width * opened.height > limit * 1_000_000:
            raise Refused("too_many_pixels", limit)
        if opened.format != "JPEG":
            opened.load()
        has_alpha = opened.has_transparency_data
        picture: Image.Image = opened
        if opened.mode not in ("RGB", "RGBA", "CMYK"):
            picture = opened.convert("RGBA" if has_alpha else "RGB")
        picture.thumbnail(task["large"])
        return in_srgb(ImageOps.exif_transpose(picture))


def in_srgb(picture: Image.Image) -> Image.Image:
    """The colours as every screen shows them; phones record a wider range."""
    profile = picture.info.get("icc_profile")
    if profile and picture.mode in ("RGB", "CMYK"):
        with contextlib.suppress(ImageCms.PyCMSError):
            given = ImageCms.ImageCmsProfile(BytesIO(profile))
            srgb = ImageCms.createProfile("sRGB")
            picture = ImageCms.profileToProfile(picture, given, srgb, outputMode="RGB") or picture
    return picture if picture.mode in ("RGB", "RGBA") else picture.convert("RGB")


def encode(picture: Image.Image, task: Task) -> bytes:
    kept = BytesIO()
    picture.save(kept, "WEBP", quality=task["quality"], exif=b"", icc_profile=b"", xmp=b"")
    return kept.getvalue()


def answer(told: dict[str, object], *pictures: bytes) -> None:
    sys.stdout.buffer.write(json.dumps(told).encode() + b"\n" + b"".join(pictures))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()

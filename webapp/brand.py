"""What a site shows of its own: its logo and its colour, checked before they are used.

A colour is told as #rrggbb. Contrast is that of WCAG 2: of the lightness of two colours.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

# Our own accent, as mails have it.
ACCENT, ACCENT_IN_THE_DARK = "#a8401c", "#f2936b"
# What the accent stands on, or under, in nextup.css: a test holds that they are the same.
LIGHT = {"--paper": "#faf6ef", "--card": "#fffdf9", "--on-accent": "#fffaf4"}
DARK = {"--paper": "#191512", "--card": "#231e1a", "--on-accent": "#2a1208"}
ENOUGH = 4.5
# The dark theme has the colour so much lighter that it is as easy to read as ours.
ENOUGH_IN_THE_DARK = 6.5

LARGEST_LOGO = 512 * 1024
# {how a file begins: its type}
KINDS = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"RIFF": "image/webp",
    b"<svg": "image/svg+xml",
    b"<?xml": "image/svg+xml",
}
is_colour = re.compile(r"#[0-9a-f]{6}").fullmatch


class BrandError(Exception):
    """What is wrong with a logo or a colour, in words."""


@dataclass(frozen=True)
class Logo:
    """A picture that stands in place of the site's name."""

    content: bytes
    mimetype: str

    @cached_property
    def name(self) -> str:
        """Another one for each content, so that browsers may keep it for ever."""
        return hashlib.sha256(self.content).hexdigest()[:12]


def read_logo(path: Path) -> Logo:
    """The logo in a file. Raises `BrandError`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BrandError(f"cannot read {path}: {error.strerror}") from error
    if len(content) > LARGEST_LOGO:
        raise BrandError(f"{path} has more than {LARGEST_LOGO // 1024} kB")
    for beginning, mimetype in KINDS.items():
        begins = content.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(beginning)
        # Sounds begin like that, too.
        if begins and (beginning != b"RIFF" or content[8:12] == b"WEBP"):
            return Logo(content, mimetype)
    raise BrandError(f"{path} is no PNG, JPEG, WebP or SVG picture")


def check_colour(text: str) -> str:
    """The colour as #rrggbb. Raises `BrandError` where text of it cannot be read easily."""
    colour = text.strip().lower()
    if re.fullmatch("#[0-9a-f]{3}", colour):
        colour = "#" + "".join(2 * digit for digit in colour[1:])
    if not is_colour(colour):
        raise BrandError(f"{text!r} is no colour such as #a8401c")
    for name, other in LIGHT.items():
        reached = contrast(colour, other)
        if reached < ENOUGH:
            raise BrandError(
                f"{text} has a contrast of {reached:.1f} to {name.strip('-')} {other};"
                f" {ENOUGH} is needed, so take a darker one"
            )
    return colour


def stylesheet(colour: str) -> str:
    """The variables of nextup.css that follow from a colour, in light and dark."""
    in_the_dark = for_the_dark(colour)
    light = {
        "--accent": colour,
        "--accent-hover": mixed(colour, "#000000", 0.2),
        "--accent-soft": mixed(LIGHT["--paper"], colour, 0.12),
    }
    dark = {
        "--accent": in_the_dark,
        "--accent-hover": mixed(in_the_dark, "#ffffff", 0.35),
        "--accent-soft": mixed(DARK["--paper"], in_the_dark, 0.2),
    }
    return (
        f":root {{ {_declared(light)} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {_declared(dark)} }} }}\n"
    )


def for_the_dark(colour: str) -> str:
    """The same colour, as light as it has to be on a dark page."""
    while min(contrast(colour, other) for other in DARK.values()) < ENOUGH_IN_THE_DARK:
        colour = mixed(colour, "#ffffff", 0.06)
    return colour


def contrast(one: str, other: str) -> float:
    """How far two colours are apart for the eye: from 1 to 21."""
    darker, lighter = sorted((_lightness(one), _lightness(other)))
    return (lighter + 0.05) / (darker + 0.05)


def mixed(one: str, other: str, share: float) -> str:
    """A colour with a share of another one."""
    parts = zip(_parts(one), _parts(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in parts)


def _parts(colour: str) -> list[int]:
    return [int(colour[start : start + 2], 16) for start in (1, 3, 5)]


def _lightness(colour: str) -> float:
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (part / 255 for part in _parts(colour))
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _declared(variables: dict[str, str]) -> str:
    return " ".join(f"{name}: {value};" for name, value in variables.items())

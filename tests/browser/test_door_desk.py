"""The link of a door pass, as another phone sees it on the organizer's."""

import io
from collections.abc import Callable

import pytest
import segno
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, Site
from webapp.text.qr_code import MASK, SVG_BORDER

pytestmark = pytest.mark.browser

# Fewer pixels than these for a square, and a camera at an arm's length loses some.
SMALLEST_SQUARE = 5


def test_code_of_a_pass_can_be_scanned_from_a_small_phone(
    site: Site, visitor: Callable[..., Page], log_in: Callable[[Page], None]
) -> None:
    event_id = site.make_event("Night of songs", 5)
    page = visitor(viewport=PHONE, color_scheme="dark")
    log_in(page)
    page.goto(f"/organizer/events/{event_id}/door")
    page.get_by_label("Name of the device").fill("Gate")
    page.get_by_role("button", name="Make a pass").click()
    expect(page.get_by_text("It is shown this one time.")).to_be_visible()
    link = page.locator("#made").inner_text()
    picture = page.get_by_role("img", name="QR code of the door pass").locator("svg")
    shown = Image.open(io.BytesIO(picture.screenshot())).convert("L")
    squares = list(
        segno.make(link, error="m", micro=False, mask=MASK).matrix_iter(border=SVG_BORDER)
    )
    size = shown.width / len(squares)
    assert size >= SMALLEST_SQUARE
    seen = [
        [
            shown.getpixel((int((column + 0.5) * size), int((row + 0.5) * size))) < 128  # type: ignore[operator]
            for column in range(len(squares))
        ]
        for row in range(len(squares))
    ]
    assert seen == [list(map(bool, row)) for row in squares]
    other = visitor()
    other.goto(link)
    expect(other).to_have_url(f"{site.url}/door")
    expect(other.get_by_role("heading", name="Night of songs")).to_be_visible()

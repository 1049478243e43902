"""The pictures of README: the sample data in a private server, seen with Chromium."""

import base64
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from tests.browser.conftest import answer_from_package
from tests.support.servers import ROOT, AppServer, find_program

IMAGES = ROOT / "docs" / "images"
USERNAME, PASSWORD = "organizer", "only for the pictures"
DESK: ViewportSize = {"width": 1120, "height": 660}
PHONE: ViewportSize = {"width": 390, "height": 660}
QUALITY = 82


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        environ = {
            "ORGANIZER_USERNAME": USERNAME,
            "ORGANIZER_PASSWORD": PASSWORD,
            # Links on the pictures look as they do on a real site.
            "BASE_URL": "http://tickets.example.org",
        }
        with AppServer(Path(folder), environ=environ) as server:
            chromium = playwright.chromium.launch(
                executable_path=find_program(
                    "chromium-headless-shell", "chromium", package="chromium-headless-shell"
                ),
                args=["--no-sandbox"],
            )
            with visit(chromium, server, DESK) as page:
                open_event(page, "Town Hall Concert")
                save(page, "event")
            with visit(chromium, server, PHONE, scale=2) as page:
                open_event(page, "Bread Baking Workshop")
                page.get_by_label("Your name").fill("Katherine Johnson")
                page.get_by_label("E-mail").fill("katherine@example.org")
                page.locator("#book-button").click()
                page.wait_for_url("**/bookings/*")
                page.reload()
                save(page, "waiting")
            with visit(chromium, server, DESK) as page:
                page.goto("/login")
                page.get_by_label("Name").fill(USERNAME)
                page.get_by_label("Password").fill(PASSWORD)
                page.get_by_role("button", name="Log in").click()
                page.wait_for_url("**/organizer")
                page.get_by_role("link", name="Bread Baking Workshop").click()
                page.wait_for_url("**/organizer/events/*")
                save(page, "dashboard")
            chromium.close()


@contextmanager
def visit(
    chromium: Browser, server: AppServer, viewport: ViewportSize, *, scale: float = 1
) -> Iterator[Page]:
    """A page of a browser that has never been here."""
    context = chromium.new_context(
        base_url=server.url,
        viewport=viewport,
        device_scale_factor=scale,
        color_scheme="light",
        reduced_motion="reduce",
        timezone_id="UTC",
    )
    context.route(lambda url: not url.startswith(server.url), answer_from_package)
    yield context.new_page()
    context.close()


def open_event(page: Page, name: str) -> None:
    page.goto("/")
    page.get_by_role("link", name=name).click()
    page.wait_for_load_state("networkidle")


def save(page: Page, name: str) -> None:
    """Keep what is to be seen as docs/images/NAME.webp, which Playwright alone cannot write."""
    page.wait_for_load_state("networkidle")
    session = page.context.new_cdp_session(page)
    options = {"format": "webp", "quality": QUALITY}
    picture = session.send("Page.captureScreenshot", options)["data"]
    path = IMAGES / f"{name}.webp"
    path.write_bytes(base64.b64decode(picture))
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()

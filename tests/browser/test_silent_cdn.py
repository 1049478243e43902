"""Pages whose htmx does not come from its CDN: nothing waits for it, and our copy takes over."""

import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from playwright.sync_api import Error as PlaywrightError

from tests.browser.conftest import HTMX_FILE, Site, answer_from_package, launch
from tests.support.servers import wait_until
from webapp.web.third_party import HTMX

pytestmark = pytest.mark.browser

LIVE, STILL = "This page shows it by itself.", "Load this page again to see where you stand."
SOON_MS, LOOKS = 1000.0, 5
Visitor = Callable[..., Page]


@pytest.fixture
def copy(site: Site) -> Iterator[None]:
    """The server has its copy, as if it had been fetched."""
    site.assets.mkdir(exist_ok=True)
    shutil.copy(HTMX_FILE, site.assets / HTMX.name)
    yield
    (site.assets / HTMX.name).unlink()


@pytest.fixture
def silent_cdn(browser: Browser) -> Iterator[Page]:
    """A page of a browser for which the CDN takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = urlsplit(HTMX.url).hostname
        rule = f"MAP {host} 127.0.0.1:{silent.getsockname()[1]}"
        own = launch(browser.browser_type, f"--host-resolver-rules={rule}")
        yield own.new_page()
        own.close()


def waiting(site: Site, name: str) -> tuple[str, str]:
    """The references of who has the only ticket and of who waits for it."""
    event_id = site.make_event(name, 1)
    return site.book(event_id, "first"), site.book(event_id, "second")


def open_page(page: Page, url: str) -> None:
    """Open a page and hold it to its first paint; a machine that is busy may need a second look."""
    paints = "performance.getEntriesByType('paint').map((paint) => paint.startTime)"
    painted: list[float] = []
    while len(painted) < LOOKS and not (painted and painted[-1] < SOON_MS):
        page.goto(url, wait_until="commit")
        expect(page.get_by_text("You are next.")).to_be_visible()
        wait_until(lambda: bool(page.evaluate(paints)), timeout=60)
        painted.append(page.evaluate(paints)[0])
    assert painted[-1] < SOON_MS, painted


def hold(page: Page) -> list[Route]:
    """Keep the CDN's htmx from a page until a test lets it through."""
    held: list[Route] = []
    page.route(HTMX.url, lambda route: held.append(route))
    return held


def let_through(held: list[Route]) -> None:
    for route in held:
        with suppress(PlaywrightError):  # That of a look before.
            answer_from_package(route)


def see_promotion(site: Site, page: Page, first: str) -> None:
    expect(page.get_by_text(LIVE)).to_be_visible()
    expect(page.get_by_text(STILL)).to_be_hidden()
    site.cancel(first)
    expect(page.get_by_text("You moved up: 1 ticket is yours.")).to_be_visible()


def test_silent_cdn_holds_nothing_up_and_the_copy_takes_over(
    site: Site, silent_cdn: Page, copy: None
) -> None:
    first, mine = waiting(site, "Silence")
    open_page(silent_cdn, f"{site.url}/bookings/{mine}")
    # Not yet: nothing is promised before it can be kept.
    expect(silent_cdn.get_by_text(LIVE)).to_be_hidden()
    see_promotion(site, silent_cdn, first)


def test_refusing_cdn_has_the_copy_take_over_at_once(
    site: Site, visitor: Visitor, copy: None
) -> None:
    first, mine = waiting(site, "Refusal")
    page = visitor(complains=False)
    page.route(HTMX.url, lambda route: route.abort("connectionrefused"))
    open_page(page, f"{site.url}/bookings/{mine}")
    see_promotion(site, page, first)


def test_cdn_that_answers_after_the_copy_took_over_is_not_run_as_well(
    site: Site, visitor: Visitor, copy: None
) -> None:
    first, mine = waiting(site, "Delay")
    page = visitor(complains=False)
    held = hold(page)
    open_page(page, f"{site.url}/bookings/{mine}")
    expect(page.get_by_text(LIVE)).to_be_visible()
    # Two of them would not be the same.
    page.evaluate("window.before = window.htmx")
    let_through(held)
    see_promotion(site, page, first)
    assert page.evaluate("window.before === window.htmx")
    assert page.locator(f"script[src='{HTMX.url}']").count() == 0


def test_without_a_copy_the_cdn_may_still_come(site: Site, visitor: Visitor) -> None:
    first, mine = waiting(site, "Patience")
    page = visitor(complains=False)
    held = hold(page)
    open_page(page, f"{site.url}/bookings/{mine}")
    # Without scripts the page goes on, and says what to do.
    expect(page.get_by_text(STILL)).to_be_visible()
    expect(page.get_by_text(LIVE)).to_be_hidden()
    let_through(held)
    see_promotion(site, page, first)


def test_other_script_than_htmx_is_not_run(site: Site, visitor: Visitor, copy: None) -> None:
    """Neither from the CDN nor from our folder."""
    _, mine = waiting(site, "Forgery")
    page = visitor(complains=False)
    headers = {"Access-Control-Allow-Origin": "*"}
    forged = "window.forged = true;"
    page.route(
        HTMX.url,
        lambda route: route.fulfill(body=forged, content_type="text/javascript", headers=headers),
    )
    (site.assets / HTMX.name).write_text(forged)
    open_page(page, f"{site.url}/bookings/{mine}")
    expect(page.get_by_text(STILL)).to_be_visible()
    assert page.evaluate("window.forged === undefined && window.htmx === undefined")


def test_page_that_opens_later_promises_only_what_it_can_keep(site: Site, visitor: Visitor) -> None:
    event_id = site.make_event("Later", 5, salesOpenAt="2030-01-01T10:00:00Z")
    page = visitor(complains=False)
    page.route(HTMX.url, lambda route: route.abort("connectionrefused"))
    page.goto(f"/events/{event_id}")
    expect(page.get_by_text("Its button opens at that moment, by itself.")).to_be_visible()
    expect(page.get_by_role("timer")).to_contain_text("Opens in")
    expect(page.get_by_role("button", name="Book")).to_be_disabled()
    expect(page.get_by_text("Leave this page open")).to_be_hidden()

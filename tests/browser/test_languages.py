"""Pages in made-up languages: no word in English is left, and longer words find their room."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Page, ViewportSize
from werkzeug.serving import make_server

from tests.browser.conftest import DESK, PASSWORD, USERNAME, Site
from tests.browser.states import attendees_pages, organizers_pages
from tests.browser.test_accessible import check
from tests.support.languages import LEFT_TO_RIGHT, RIGHT_TO_LEFT, english_left, made_up
from tests.support.servers import free_port
from webapp.accounts import services as accounts
from webapp.text.languages import LANGUAGES

pytestmark = pytest.mark.browser
Visitor = Callable[..., Page]

NARROW: ViewportSize = {"width": 320, "height": 740}
# What organizers write is in other letters, so that it is not taken for English of ours.
WRITTEN = {
    "eventName": "Γιορτή τῆς μακρᾶς ὀνομασίας " * 3,
    "location": "Κήπος",
    "description": "# Φαγητό\n\n*ψωμί*\n\n> Σούπα\n\n- στιφάδο",
}
# Those that differ most; the long tier looks at all.
FEW = {
    "/",
    "/login",
    "/bookings",
    "/organizer",
    "/organizer/events/new",
    "/organizer/settings/mails",
}
WALKS = [
    pytest.param(LEFT_TO_RIGHT, NARROW, marks=pytest.mark.long),
    pytest.param(LEFT_TO_RIGHT, DESK, marks=pytest.mark.long),
    (RIGHT_TO_LEFT, NARROW),
    pytest.param(RIGHT_TO_LEFT, DESK, marks=pytest.mark.long),
]


class GreekSite(Site):
    """A site whose organizer writes Greek."""

    def call(self, path: str, body: dict[str, object], *, method: str = "POST") -> Any:
        greek = {name: WRITTEN.get(name, value) for name, value in body.items()}
        return super().call(path, greek, method=method)


@pytest.fixture
def site(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """The application in this process, which knows the made-up languages."""
    for code in (LEFT_TO_RIGHT, RIGHT_TO_LEFT):
        monkeypatch.setitem(LANGUAGES, code, made_up(code))
    with app.app_context():
        accounts.create_organizer(username=USERNAME, password=PASSWORD)
    server = make_server("127.0.0.1", free_port(), app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield GreekSite(f"http://127.0.0.1:{server.port}")
    server.shutdown()
    thread.join()
    server.server_close()


def look(page: Page, path: str, *, closely: bool) -> None:
    """Fail where a page says something in English, is too wide, or breaks a rule of axe."""
    page.goto(path)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    # The name of the site is the organizer's.
    said = page.content().replace("· Nextup", "")
    assert not english_left(said), path
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width == page.evaluate("innerWidth"), f"{path} is {width} px wide"
    # The same pages are checked in English.
    if closely:
        check(page, path)


@pytest.mark.parametrize(("code", "viewport"), WALKS)
def test_attendees_pages_have_room_for_longer_words(
    site: Site, visitor: Visitor, code: str, viewport: ViewportSize, long: bool
) -> None:
    seen = attendees_pages(site, code)
    page = visitor(viewport=viewport, locale=code, timezone_id="Asia/Tokyo")
    few = FEW | {f"/events/{seen.free}", f"/bookings/{seen.ticket}", f"/bookings/{seen.waiting}"}
    for path in seen.paths:
        if long or path in few:
            look(page, path, closely=long)


@pytest.mark.parametrize(("code", "viewport"), WALKS)
def test_organizers_pages_have_room_for_longer_words(
    site: Site, visitor: Visitor, code: str, viewport: ViewportSize, long: bool
) -> None:
    event, paths = organizers_pages(site, code)
    page = visitor(viewport=viewport, locale=code)
    page.goto("/login")
    page.fill("[name=username]", USERNAME)
    page.fill("[name=password]", PASSWORD)
    page.click("main button")
    page.wait_for_url("**/organizer")
    few = FEW | {f"/organizer/events/{event}", f"/organizer/events/{event}/mails"}
    for path in paths:
        # The documentation of the API is English.
        if path != "/api/docs" and (long or path in few):
            look(page, path, closely=long)

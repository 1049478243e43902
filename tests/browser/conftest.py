"""A real server and a real browser. Whatever the browser complains about fails the test."""

import base64
import json
import re
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import (
    Browser,
    BrowserContext,
    BrowserType,
    Page,
    Route,
    ViewportSize,
    expect,
    sync_playwright,
)

from tests.support.servers import ROOT, AppServer, find_program
from webapp.mail.opting_out import token_for
from webapp.web.third_party import FOLDER, HTMX, QR_READER, QR_READER_WASM

PACKAGES = ROOT / "node_modules"
HTMX_FILE = PACKAGES / "htmx.org" / "dist" / "htmx.min.js"
# {address: the file of its package}
FILES = {
    HTMX: HTMX_FILE,
    QR_READER: PACKAGES / "barcode-detector" / "dist" / "iife" / "ponyfill.js",
    QR_READER_WASM: PACKAGES / "zxing-wasm" / "dist" / "reader" / "zxing_reader.wasm",
}
USERNAME, PASSWORD = "organizer", "a password for tests"
SECRET_KEY = "a key that only tests use"

# Pages ask for news every five seconds.
expect.set_options(timeout=20_000)

PHONE: ViewportSize = {"width": 360, "height": 740}
DESK: ViewportSize = {"width": 1440, "height": 900}


# What Chromium and htmx note when a form is refused with a 4xx, or a test cuts the connection.
MEANT = [
    re.compile(r"Failed to load resource: the server responded with a status of 4\d\d "),
    re.compile(r"Failed to load resource: net::ERR_INTERNET_DISCONNECTED$"),
    re.compile(r"htmx: htmx:error: Failed to fetch "),
    # On a busy machine the CDN's script may be late, and most tests keep no copy of it.
    re.compile(r"Refused to execute script from '\S+/assets/htmx\.min\.js"),
]


class Site:
    """The server under test, and what a test prepares there without the browser."""

    def __init__(self, url: str, assets: Path | None = None) -> None:
        self.url = url
        # Where the server keeps its copies.
        self.assets = assets or Path()

    def make_event(self, name: str, tickets: int, **fields: object) -> int:
        """Publish an event and return its id."""
        event = {"eventName": name, "totalTickets": tickets, **fields}
        return int(self.call("/api/events/initialize", event)["eventId"])

    def book(self, event_id: int, user: str, **fields: object) -> str:
        """Book for somebody and return the reference."""
        body = {"userId": user, "eventId": event_id, **fields}
        return str(self.call("/api/events/book", body)["bookingReference"])

    def cancel(self, reference: str) -> None:
        self.call("/api/events/cancel", {"bookingReference": reference})

    def change_event(self, event_id: int, **fields: object) -> None:
        self.call(f"/api/events/{event_id}", fields, method="PATCH")

    def cancel_event(self, event_id: int) -> None:
        self.call(f"/api/events/{event_id}/cancel", {})

    @staticmethod
    def path_of_messages(event_id: int, position: int, email: str) -> str:
        """Where a message of the organizer to a booking's address leads who wants no more."""
        app = Flask(__name__)
        app.extensions["settings"] = SimpleNamespace(secret_key=SECRET_KEY)
        with app.app_context():
            return f"/messages/{event_id}/{position}/{token_for(event_id, position, email)}"

    def call(self, path: str, body: dict[str, object], *, method: str = "POST") -> Any:
        login = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
        headers = {"Content-Type": "application/json", "Authorization": f"Basic {login}"}
        data = json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    environ = {
        "ORGANIZER_USERNAME": USERNAME,
        "ORGANIZER_PASSWORD": PASSWORD,
        "SECRET_KEY": SECRET_KEY,
        "RATELIMIT_ENABLED": "false",
    }
    server = AppServer(tmp_path_factory.mktemp("site"), environ=environ)
    try:
        server.start()
        yield Site(server.url, server.instance_path / FOLDER)
    finally:
        server.kill()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = launch(playwright.chromium)
        yield chromium
        chromium.close()


def launch(kind: BrowserType, *arguments: str) -> Browser:
    """A browser of its own, with further arguments."""
    return kind.launch(
        executable_path=find_program(
            "chromium-headless-shell", "chromium", package="chromium-headless-shell"
        ),
        args=["--no-sandbox", "--disable-background-networking", *arguments],
    )


@pytest.fixture
def visitor(site: Site, browser: Browser) -> Iterator[Callable[..., Page]]:
    """Somebody with a browser of their own: `visitor()`, `visitor(scripts=False)`.

    With `complains=False` the browser may complain, as where a test keeps something from it.
    """
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def arrive(
        *,
        scripts: bool = True,
        viewport: ViewportSize = PHONE,
        complains: bool = True,
        **options: Any,
    ) -> Page:
        context = browser.new_context(
            base_url=site.url, java_script_enabled=scripts, viewport=viewport, **options
        )
        context.set_default_timeout(10_000)
        contexts.append(context)
        context.route(lambda url: not url.startswith(site.url), answer_from_package)
        if not complains:
            return context.new_page()
        context.on("weberror", lambda error: complaints.append(str(error.error)))
        context.on("console", lambda message: complain(complaints, message.type, message.text))
        return context.new_page()

    yield arrive
    for context in contexts:
        context.close()
    assert not complaints


def answer_from_package(route: Route) -> None:
    """What others made comes from its npm package; nothing else leaves the machine."""
    for asset, path in FILES.items():
        if route.request.url == asset.url:
            headers = {"Access-Control-Allow-Origin": "*"}
            route.fulfill(path=path, content_type=asset.content_type, headers=headers)
            return
    route.abort()


def complain(complaints: list[str], kind: str, text: str) -> None:
    if kind in ("error", "warning") and not any(one.match(text) for one in MEANT):
        complaints.append(text)


# Of what is done most, also in the normal tier.
in_both_ways = pytest.mark.parametrize("scripts", [True, False], ids=["htmx", "plain"])


@pytest.fixture(
    params=[
        pytest.param(True, id="htmx"),
        pytest.param(False, id="plain", marks=pytest.mark.long),
    ]
)
def scripts(request: pytest.FixtureRequest) -> bool:
    """With scripts and without: everything works in both ways.

    Outside of the long tier tests/pages shows most of the second, with a client that has none.
    """
    return bool(request.param)


@pytest.fixture
def log_in() -> Callable[[Page], None]:
    def log_in(page: Page) -> None:
        page.goto("/login")
        page.get_by_label("Name").fill(USERNAME)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url("**/organizer")

    return log_in


@pytest.fixture
def long(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--long"))

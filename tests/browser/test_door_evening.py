"""An evening at the door that goes wrong in every way: no scan is lost, doubles are told."""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, BrowserType, Page, expect, sync_playwright
from playwright.sync_api import Error as PlaywrightError

from tests.browser.conftest import PHONE
from tests.browser.doors import Door, door_of
from tests.support.servers import AppServer, find_program, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.long]

EACH, TWICE = 300, 20


class Device:
    """A phone: a browser with a disk of its own, which outlives what is done to it."""

    def __init__(self, kind: BrowserType, folder: Path, url: str) -> None:
        self.kind, self.folder, self.url = kind, folder, url
        self.context, self.page = self._start()

    def _start(self) -> tuple[BrowserContext, Page]:
        context = self.kind.launch_persistent_context(
            self.folder,
            executable_path=find_program(
                "chromium-headless-shell", "chromium", package="chromium-headless-shell"
            ),
            args=["--no-sandbox", "--disable-background-networking"],
            base_url=self.url,
            viewport=PHONE,
        )
        context.route(lambda url: not url.startswith(self.url), lambda route: route.abort())
        return context, context.pages[0]

    def take(self, link: str) -> None:
        self.page.goto(link)
        expect(self.page.get_by_text("Works without network too")).to_be_visible()

    def scan(self, codes: Sequence[str], first: int) -> None:
        for number, code in enumerate(codes, start=first):
            self.page.locator("#code").fill(code)
            self.page.keyboard.press("Enter")
            expect(self.page.locator("#verdict.green .who")).to_have_text(f"Guest {number}")

    def close_tab(self) -> None:
        self.page.close()
        self.page = self.context.new_page()
        self.page.goto("/door")

    def kill(self) -> None:
        """The battery is empty; without network it is started again."""
        for pid in processes_of(self.folder):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not processes_of(self.folder), timeout=20)
        with suppress(PlaywrightError):
            self.context.close()
        for lock in self.folder.glob("Singleton*"):
            lock.unlink()
        self.context, self.page = self._start()
        self.context.set_offline(True)
        self.page.goto("/door")

    def expect_waiting(self, number: int) -> None:
        expect(self.page.locator("#state")).to_contain_text(f"Waiting to be sent: {number}")


def processes_of(folder: Path) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if f"--user-data-dir={folder}".encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


@pytest.fixture
def server(tmp_path: Path) -> Iterator[AppServer]:
    environ = {
        "ORGANIZER_USERNAME": "organizer",
        "ORGANIZER_PASSWORD": "a password for tests",
        "SECRET_KEY": "a key that only tests use",
    }
    server = AppServer(tmp_path / "site", environ=environ)
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture
def door(server: AppServer) -> Iterator[Door]:
    with door_of(server.instance_path, "Ten minutes", [1] * (2 * EACH - TWICE)) as door:
        yield door


def test_evening_without_network_loses_no_scan(
    server: AppServer, door: Door, tmp_path: Path
) -> None:
    with sync_playwright() as playwright:
        kind = playwright.chromium
        one, other = (Device(kind, tmp_path / name, server.url) for name in ("one", "other"))
        # One browser at the time keeps its cookies on the disk; the other is given its link again.
        links = [door.new_pass("Gate A"), door.new_pass("Gate B")]
        for device, link in zip((one, other), links, strict=True):
            device.take(link)
            device.context.set_offline(True)
        mine, theirs = door.codes[:EACH], door.codes[EACH - TWICE :]
        one.scan(mine[:100], 1)
        one.close_tab()
        one.expect_waiting(100)
        one.scan(mine[100:200], 101)
        one.kill()
        one.expect_waiting(200)
        one.scan(mine[200:], 201)
        other.scan(theirs, EACH - TWICE + 1)
        assert door.scans().by_verdict == {}
        for device, link in zip((one, other), links, strict=True):
            device.expect_waiting(EACH)
            device.context.set_offline(False)
            device.page.goto(link)
        wait_until(lambda: sum(door.scans().by_verdict.values()) >= EACH // 2, timeout=60)
        for pid in server.worker_pids():
            os.kill(pid, signal.SIGKILL)
        for device in (one, other):
            expect(device.page.locator("#state")).not_to_contain_text("Waiting", timeout=90_000)
            expect(device.page.locator("#twice")).to_contain_text(f"Let in twice: {TWICE}")
        assert door.scans() == (
            {"admitted": 2 * EACH - TWICE, "again": TWICE},
            2 * EACH - TWICE,
            TWICE,
        )
        told = [device.page.locator("#wrong-list li").count() for device in (one, other)]
        assert sum(told) == TWICE
        assert door.broken_rules() == []
        for device in (one, other):
            device.context.close()

"""The page at the door: scanned, typed and searched for, with a network and without."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from playwright.sync_api import Error as PlaywrightError

from tests.browser.conftest import DESK, PHONE, Site, answer_from_package, launch
from tests.browser.doors import Door, door_of, film_of
from tests.browser.test_accessible import check
from tests.support.servers import wait_until

pytestmark = pytest.mark.browser
Visitor = Callable[..., Page]

# Everything that has to hold for a light: its colour is never alone.
SIGNS = {"green": "✓", "red": "✕", "amber": "!", "calm": "↺"}


@pytest.fixture
def door(site: Site) -> Iterator[Door]:
    """Guest 3 is a party of four; Guest 4 has cancelled."""
    with door_of(site.assets.parent, "Night of songs", [1, 1, 4, 1, *[1] * 12]) as door:
        yield door


@pytest.fixture
def device(visitor: Visitor, door: Door) -> Callable[..., Page]:
    def device(name: str = "Gate A", *, may_sell: bool = False, **options: object) -> Page:
        page = visitor(**options)
        page.goto(door.new_pass(name, may_sell=may_sell))
        expect(page.get_by_text("Works without network too")).to_be_visible()
        return page

    return device


def scan(page: Page, code: str) -> None:
    """Type a code as a scanner does, which needs no click."""
    expect(page.get_by_label("Ticket code", exact=True)).to_be_focused()
    page.keyboard.type(code)
    page.keyboard.press("Enter")


def expect_light(page: Page, light: str, *words: str) -> None:
    verdict = page.locator("#verdict")
    expect(verdict).to_have_class(light)
    for word in (SIGNS[light], *words):
        expect(verdict).to_contain_text(word)


def kept(page: Page) -> list[dict[str, object]]:
    """What the device has on its disk to be sent."""
    read = """() => new Promise((resolve) => {
        const opening = indexedDB.open("nextup-door");
        opening.onsuccess = () => {
            const all = opening.result.transaction("queue").objectStore("queue").getAll();
            all.onsuccess = () => (opening.result.close(), resolve(JSON.stringify(all.result)));
        };
    })"""
    entries: list[dict[str, object]] = json.loads(page.evaluate(read))
    return entries


def everything_on(page: Page) -> str:
    """All that the device has on its disk, as text."""
    read = """() => new Promise((resolve) => {
        const opening = indexedDB.open("nextup-door");
        opening.onsuccess = async () => {
            const stores = [...opening.result.objectStoreNames];
            const transaction = opening.result.transaction(stores);
            const asked = stores.map((name) => transaction.objectStore(name).getAll());
            transaction.oncomplete = () => {
                opening.result.close();
                resolve(JSON.stringify(asked.map(({ result }) => result)));
            };
        };
    })"""
    return str(page.evaluate(read))


def check_decisions(page: Page) -> None:
    """The pure rules of a device, as its page has them."""
    decided = page.evaluate(
        """async () => {
            const file = document.querySelector("script[type=module]").src;
            const { decide, normalized } = await import(file.replace("page.js", "decide.js"));
            const guest = { p: 1, n: "Ada", s: "confirmed", t: 4, a: 1 };
            const told = (facts) => {
                const { light, verdict, admitted } = decide({ guest, ...facts });
                return [light, verdict, admitted ?? null];
            };
            return [
                normalized(" ol1i-0 abc "),
                told({}),
                told({ pending: 2 }),
                told({ pending: 3 }),
                told({ pending: 2, count: 2 }),
                told({ isReplaced: true }),
                told({ guest: undefined }),
                told({ guest: undefined, pending: 1 }),
                told({ guest: { ...guest, s: "waiting" } }),
                told({ guest: { ...guest, s: "cancelled" } }),
                told({ what: "out" }),
                told({ what: "out", pending: -1 }),
            ];
        }"""
    )
    assert decided == [
        "01110ABC",
        ["green", "admitted", 2],
        ["green", "admitted", 4],
        ["red", "again", 4],
        ["red", "too_many", 3],
        ["red", "replaced", None],
        ["amber", "not_listed", None],
        ["red", "again", 1],
        ["red", "not_confirmed", 1],
        ["red", "cancelled", 1],
        ["calm", "undone", 0],
        ["red", "not_in", 0],
    ]


def test_guests_are_let_in_once_with_a_party_an_undo_and_a_search(
    device: Callable[..., Page], door: Door
) -> None:
    page = device(may_sell=True)
    code = door.codes[0]
    scan(page, " ".join([code[:4], code[4:8], code[8:12], code[12:]]).lower())
    expect_light(page, "green", "Let in", "Guest 1")
    check(page, "let in")
    scan(page, code)
    expect_light(page, "red", "Already in", "Guest 1", "Gate A")
    check(page, "already in")
    scan(page, door.codes[2])
    expect_light(page, "green", "1 of 4 in")
    page.get_by_role("button", name="+2").click()
    expect_light(page, "green", "3 of 4 in")
    expect(page.locator("#in")).to_have_text("4")
    page.get_by_role("button", name="Undo: Guest 3").first.click()
    expect_light(page, "calm", "Undone", "1 of 4 in")
    scan(page, "0000000000000000")
    expect_light(page, "red", "Unknown")
    page.get_by_text("Search by name", exact=True).click()
    page.get_by_label("Name", exact=True).fill("12 gUEST")
    page.get_by_role("button", name="Let in: Guest 12").click()
    expect_light(page, "green", "Guest 12")
    page.get_by_text("Somebody without a ticket").click()
    page.get_by_label("Tickets").fill("2")
    page.get_by_label("Name optional").fill("Walter")
    page.get_by_role("button", name="Book and let in").click()
    expect_light(page, "green", "Walter", "2 of 2 in")
    page.get_by_label("Tickets").fill("9")
    page.get_by_role("button", name="Book and let in").click()
    expect_light(page, "red", "Not taken")
    assert door.scans().admitted == 5
    check(page, "all of it")
    check_decisions(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_without_network_scans_are_kept_and_sent_once_and_doubles_are_told(
    device: Callable[..., Page], door: Door
) -> None:
    one = device("Gate A", color_scheme="dark")
    other = device("Gate B", viewport=DESK)
    door.book("Late guest")
    for page in (one, other):
        page.context.set_offline(True)
    for code in door.codes[4:9]:
        scan(one, code)
        expect_light(one, "green", f"Guest {door.codes.index(code) + 1}", "without network")
    scan(one, door.codes[4])
    expect_light(one, "red", "Already in")
    for code in door.codes[8:13]:
        scan(other, code)
        expect_light(other, "green", f"Guest {door.codes.index(code) + 1}")
    late = door.codes_now()[-1]
    scan(other, late)
    expect_light(other, "amber", "Not on the list")
    check(other, "not on the list")
    other.get_by_role("button", name="Let in anyway").click()
    expect_light(other, "amber", "Let in anyway")
    # A lost phone holds no code that is good for anything but who is in by it.
    on_disk = everything_on(one) + everything_on(other)
    assert late in on_disk
    assert not [code for code in door.codes if code in on_disk]
    context = one.context
    one.close()
    one = context.new_page()
    one.goto("/door")
    expect(one.locator("#state")).to_contain_text("Waiting to be sent: 5")
    assert door.scans().by_verdict == {}
    for page in (one, other):
        page.context.set_offline(False)
        expect(page.locator("#state")).not_to_contain_text("Waiting")
    wrong = [page for page in (one, other) if page.locator("#wrong").is_visible()]
    assert len(wrong) == 1
    expect(wrong[0].locator("#wrong-list")).to_contain_text("Guest 9")
    # It would take back what the other device did.
    expect(wrong[0].get_by_role("button", name="Undo: Guest 9")).to_have_count(0)
    for page in (one, other):
        expect(page.locator("#twice")).to_contain_text("Let in twice: 1")
    assert door.scans() == ({"admitted": 10, "again": 1}, 10, 1)


def test_types_are_told_with_and_without_network_and_one_is_sold(
    device: Callable[..., Page], door: Door
) -> None:
    for name in ("Stalls", "Balcony of a name that is far too long for any telephone at the door"):
        door.add_type(name)
    page = device(may_sell=True)
    scan(page, door.codes[2])
    expect_light(page, "green", "4 × Stalls", "1 of 4 in")
    page.context.set_offline(True)
    scan(page, door.codes[0])
    expect_light(page, "green", "1 × Stalls", "without network")
    page.get_by_text("Search by name", exact=True).click()
    page.get_by_label("Name", exact=True).fill("guest 3")
    expect(page.locator("#found li").first).to_contain_text("4 × Stalls")
    page.context.set_offline(False)
    page.get_by_text("Somebody without a ticket").click()
    page.get_by_label("Ticket type").select_option(index=1)
    page.get_by_label("Name optional").fill("Walter")
    # A list that is read anew leaves what is chosen.
    expect(page.locator("#state")).not_to_contain_text("Waiting")
    page.get_by_role("button", name="Book and let in").click()
    expect_light(page, "green", "Walter", "1 × Balcony of a name")
    check(page, "types")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert door.scans().admitted == 3


def test_without_a_camera_or_an_answer_typing_goes_on(
    device: Callable[..., Page], door: Door
) -> None:
    page = device(complains=False)
    page.get_by_role("button", name="Use the camera").click()
    expect(page.locator("#camera-says")).to_have_text("No camera was found. Type the code instead.")
    page.evaluate(
        """() => {
            const refusal = new DOMException("", "NotAllowedError");
            navigator.mediaDevices.getUserMedia = () => Promise.reject(refusal);
        }"""
    )
    page.get_by_role("button", name="Use the camera").click()
    expect(page.locator("#camera-says")).to_contain_text("typing works meanwhile")
    # The server takes the scan and says nothing: nobody at the door waits longer than that.
    held: list[Route] = []
    page.route("**/door/scans", lambda route: held.append(route))
    scan(page, door.codes[0])
    expect(page.locator("#verdict")).to_have_class("green", timeout=3000)
    expect_light(page, "green", "without network")
    page.unroute("**/door/scans")
    # A page that was kept may hold the token of a pass before this one: no scan is lost by that.
    tokens = iter(["of another pass"])

    def send_with_an_old_token(route: Route) -> None:
        now = route.request.headers
        route.continue_(headers={**now, "x-csrftoken": next(tokens, now["x-csrftoken"])})

    page.route("**/door/scans", send_with_an_old_token)
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.locator("#state")).not_to_contain_text("Waiting")
    assert door.scans() == ({"admitted": 1}, 1, 0)
    for route in held:
        with suppress(PlaywrightError):
            route.abort()


def lights_with_a_full_disk(page: Page, code: str) -> list[str]:
    """The lights of three scans without network; of the first two a step of keeping fails."""
    page.context.set_offline(True)
    page.evaluate(
        """() => {
            const verdict = document.getElementById("verdict");
            const seen = new MutationObserver(() => window.lights.push(verdict.className));
            window.lights = [];
            seen.observe(verdict, { attributes: true });
            for (const name of ["add", "put"]) {
                const write = IDBObjectStore.prototype[name];
                IDBObjectStore.prototype[name] = function (...what) {
                    if (this.name === "queue" && window.full === name) {
                        throw new DOMException("no space left", "QuotaExceededError");
                    }
                    return write.apply(this, what);
                };
            }
        }"""
    )
    lights = "window.lights.filter((light) => light !== 'thinking')"
    for number, step in enumerate(("add", "put", ""), start=1):
        page.evaluate("step => (window.full = step)", step)
        scan(page, code)
        wait_until(partial(_are_lit, page, lights, number), timeout=20)
    return [str(light) for light in page.evaluate(lights)]


def _are_lit(page: Page, lights: str, number: int) -> bool:
    return len(page.evaluate(lights)) >= number


def test_nothing_turns_green_before_it_is_kept(device: Callable[..., Page], door: Door) -> None:
    page = device(complains=False)
    assert lights_with_a_full_disk(page, door.codes[0]) == ["red", "red", "green"]
    expect_light(page, "green", "Guest 1")
    assert [one["decided"] for one in kept(page)] == [False, True]


@pytest.mark.long
def test_page_that_does_not_wait_for_the_disk_is_noticed(
    visitor: Visitor, door: Door, site: Site
) -> None:
    page = visitor(complains=False)

    def without_waiting(route: Route) -> None:
        script = route.fetch().text()
        for step in ("store.keep(entry)", "(counts ? store.decided"):
            assert f"await {step}" in script
            script = script.replace(f"await {step}", step)
        route.fulfill(body=script, content_type="text/javascript")

    page.route("**/scans.js", without_waiting)
    page.goto(door.new_pass("Gate A"))
    expect(page.get_by_text("Works without network too")).to_be_visible()
    assert "green" in lights_with_a_full_disk(page, door.codes[0])[:2]


def test_list_leaves_a_device_whose_pass_is_revoked(
    device: Callable[..., Page], door: Door
) -> None:
    page = device()
    page.context.set_offline(True)
    scan(page, door.codes[0])
    expect_light(page, "green")
    assert "Guest 7" in everything_on(page)
    door.revoke_passes()
    page.context.set_offline(False)
    expect(page.get_by_text("This door pass is over")).to_be_visible()
    expect(page.get_by_text("Scans that are not sent yet: 1.")).to_be_visible()
    assert "Guest 7" not in everything_on(page)
    assert page.evaluate("caches.keys()") == []
    # With another pass for the same door the device sends what it has kept.
    page.goto(door.new_pass("Gate A again"))
    expect(page.get_by_text("Works without network too")).to_be_visible()
    wait_until(lambda: door.scans().admitted == 1, timeout=20)
    # The page need not be open at the moment: opening it is enough.
    has_worker = partial(page.evaluate, "navigator.serviceWorker.controller !== null")
    wait_until(has_worker, timeout=20)
    page.goto("/")
    assert "Guest 7" in everything_on(page)
    door.revoke_passes()
    page.goto("/door")
    assert "Guest 7" not in everything_on(page)


def test_camera_lets_in_whom_it_sees_once(
    site: Site, browser: Browser, door: Door, tmp_path: Path
) -> None:
    """By the reader of others: Chromium on this system has none of its own."""
    film = film_of(tmp_path / "film.mjpeg", door.codes[0], door.codes[1])
    own = launch(
        browser.browser_type,
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={film}",
    )
    try:
        context = own.new_context(base_url=site.url, viewport=PHONE)
        context.route(lambda url: not url.startswith(site.url), answer_from_package)
        page = context.new_page()
        page.goto(door.new_pass("Gate A"))
        page.get_by_role("button", name="Use the camera").click()
        expect(page.locator("#verdict")).to_contain_text("Guest 2")
        page.get_by_role("button", name="Camera off").click()
        assert door.scans().by_verdict["admitted"] == 2
    finally:
        own.close()

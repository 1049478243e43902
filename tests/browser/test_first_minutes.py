"""The first five minutes: an event is made, its link is shared, the first booking arrives."""

import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESK, Site

pytestmark = pytest.mark.browser

Visitor = Callable[..., Page]
LogIn = Callable[[Page], None]


def make_event(page: Page, name: str) -> None:
    page.goto("/organizer")
    page.get_by_role("link", name="New event").click()
    page.get_by_label("Name").fill(name)
    page.get_by_label("Tickets in all").fill("4")
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_text("Your event is published.")).to_be_visible()


def test_shared_link_brings_the_first_booking_while_the_organizer_looks(
    site: Site, visitor: Visitor, log_in: LogIn
) -> None:
    organizer = visitor(viewport=DESK)
    organizer.context.grant_permissions(["clipboard-read", "clipboard-write"])
    log_in(organizer)
    make_event(organizer, "Village Fair of the First Minutes")
    expect(organizer.get_by_text("The first one shows up here by itself.")).to_be_visible()
    organizer.get_by_role("button", name="Copy the link").click()
    expect(organizer.get_by_role("button", name="Copied")).to_be_visible()
    link = organizer.evaluate("navigator.clipboard.readText()")
    assert link == organizer.locator("#link").inner_text()

    attendee = visitor()
    attendee.goto(link)
    attendee.get_by_label("Your name").fill("Ada")
    attendee.get_by_label("E-mail").fill("ada@example.org")
    attendee.get_by_role("button", name="Book").click()
    attendee.wait_for_url("**/bookings/*")

    expect(organizer.get_by_role("row", name="Ada")).to_contain_text("Confirmed")
    expect(organizer.locator("#figures")).to_contain_text("1 of 4")
    expect(organizer.get_by_label("Search bookings")).to_be_visible()


def test_list_that_is_looked_at_keeps_its_search(
    site: Site, visitor: Visitor, log_in: LogIn
) -> None:
    event_id = site.make_event("Searched", 9)
    site.book(event_id, "grace", name="Grace")
    page = visitor(viewport=DESK)
    log_in(page)
    page.goto(f"/organizer/events/{event_id}")
    page.get_by_label("Search bookings").press_sequentially("ada")
    expect(page.get_by_text("No booking matches.")).to_be_visible()
    site.book(event_id, "mary", name="Mary")
    site.book(event_id, "ada", name="Ada")
    expect(page.get_by_role("row", name="Ada")).to_be_visible()
    expect(page.get_by_role("row", name="Mary")).to_have_count(0)


def test_without_scripts_there_is_nothing_to_press_that_does_nothing(
    site: Site, visitor: Visitor, log_in: LogIn
) -> None:
    page = visitor(scripts=False)
    log_in(page)
    make_event(page, "By Hand")
    expect(page.locator("#link")).to_be_visible()
    expect(page.get_by_role("button", name="Copy the link")).to_be_hidden()


def picture(folder: Path, *, name: str = "stage.jpg", size: int = 0) -> Path:
    data = io.BytesIO()
    Image.linear_gradient("L").resize((800, 450)).convert("RGB").save(data, "JPEG")
    path = folder / name
    path.write_bytes(data.getvalue() + bytes(size))
    return path


def test_picture_is_uploaded_and_takes_its_place_at_once(
    site: Site, visitor: Visitor, log_in: LogIn, scripts: bool, tmp_path: Path
) -> None:
    event_id = site.make_event(f"Pictured {scripts}", 9)
    page = visitor(scripts=scripts)
    log_in(page)
    page.goto(f"/organizer/events/{event_id}/details")
    page.get_by_role("link", name="Add a picture").click()
    page.get_by_label("What it shows").fill("A stage")
    not_one = tmp_path / "words.jpg"
    not_one.write_text("words")
    page.get_by_label("Picture", exact=True).set_input_files(not_one)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("This is no picture that can be read.")).to_be_visible()
    expect(page.get_by_label("What it shows")).to_have_value("A stage")
    page.get_by_label("Picture", exact=True).set_input_files(picture(tmp_path))
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The picture is saved.")).to_be_visible()
    page.goto(f"/events/{event_id}")
    shown = page.get_by_role("img", name="A stage")
    expect(shown).to_be_visible()
    if scripts:
        assert shown.evaluate("one => one.decode().then(() => one.naturalWidth)") == 800


def test_nothing_moves_when_a_picture_arrives(
    site: Site, visitor: Visitor, log_in: LogIn, tmp_path: Path
) -> None:
    event_id = site.make_event("Steady", 9)
    page = visitor()
    log_in(page)
    page.goto(f"/organizer/events/{event_id}/picture")
    page.get_by_label("Picture", exact=True).set_input_files(picture(tmp_path))
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The picture is saved.")).to_be_visible()
    for path, beside in ((f"/events/{event_id}", "h1"), ("/?search=Steady", "h3")):
        places = []
        for arrives in (False, True):
            looking = visitor()
            if not arrives:
                looking.route(re.compile(r"\.webp$"), lambda route: route.fulfill(status=404))
            looking.goto(path)
            image = looking.locator("img").first
            expect(image).to_have_js_property("complete", True)
            assert (image.evaluate("one => one.naturalWidth") > 0) == arrives
            places.append(looking.locator(beside).first.bounding_box())
        assert places[0] == places[1]


@pytest.mark.parametrize(
    ("megabytes", "said"), [(13, "Use one of at most 12 MB"), (40, "too large")]
)
def test_file_that_is_too_large_is_refused_in_words(
    site: Site, visitor: Visitor, log_in: LogIn, tmp_path: Path, megabytes: int, said: str
) -> None:
    event_id = site.make_event(f"Heavy {megabytes}", 9)
    page = visitor()
    log_in(page)
    page.goto(f"/organizer/events/{event_id}/picture")
    heavy = picture(tmp_path, size=megabytes * 1024 * 1024)
    page.get_by_label("Picture", exact=True).set_input_files(heavy)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text(said)).to_be_visible()

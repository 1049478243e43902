"""An event's picture: uploaded, checked, kept without what it should not tell, and served."""

import io
import re
import struct
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from PIL import Image, ImageDraw
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from tests.pages.conftest import PASSWORD, Person, forms_of, text_of
from tests.support.hostile_pictures import png_chunk
from webapp.accounts import services as accounts
from webapp.events import imaging
from webapp.verify.services import verify

MakeEvent = Callable[..., int]

FORMATS = ["JPEG", "PNG", "WEBP", "GIF"]
WORDS = "A choir on a stage"


def drawn(size: tuple[int, int] = (600, 400), kind: str = "PNG", **options: Any) -> bytes:
    """A picture that is red on its left and blue on its right."""
    image = Image.new("RGB", size, "blue")
    ImageDraw.Draw(image).rectangle((0, 0, size[0] // 2, size[1]), fill="red")
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def upload(
    owner: Person, event_id: int, data: bytes, description: str = WORDS, **fields: str
) -> TestResponse:
    """Send a file by the form, as a browser does."""
    path = f"/organizer/events/{event_id}/picture"
    sent = {**forms_of(owner.get(path))[path], "description": description, **fields}
    return send(owner, path, data, **sent)


def send(person: Person, path: str, data: bytes, **fields: str) -> TestResponse:
    """Post a form with a file."""
    boundary, body = encode_multipart({**fields, "picture": FileStorage(io.BytesIO(data), "x.png")})
    return person.client.post(
        path, data=body, content_type=f"multipart/form-data; boundary={boundary}"
    )


def urls_on(page: TestResponse) -> list[str]:
    return urls_on_text(page.text)


def urls_on_text(page: str) -> list[str]:
    return re.findall(r'<img[^>]* src="(/events/[0-9]+/pictures/[^"]+)"', page)


def developed_from(data: bytes) -> imaging.ProcessedImage:
    return imaging.process_image(data, account_id=1)


@pytest.mark.parametrize("kind", FORMATS)
def test_picture_is_shown_to_everybody(
    owner: Person, person: Person, make_event: MakeEvent, kind: str
) -> None:
    event_id = make_event()
    assert upload(owner, event_id, drawn(kind=kind)).status_code == 303
    page = person.client.get(f"/events/{event_id}", follow_redirects=True)
    assert f'width="600" height="400" alt="{WORDS}"' in page.text
    (large,) = urls_on(page)
    (small,) = urls_on(person.get("/"))
    for url, size in ((large, (600, 400)), (small, (240, 160))):
        answer = person.get(url)
        with Image.open(io.BytesIO(answer.data)) as image:
            assert (image.format, image.size) == ("WEBP", size)
            red, _, blue = image.convert("RGB").getpixel((4, 80))  # type: ignore[misc]
            assert red > 200 > 50 > blue


def test_picture_is_served_with_safe_headers_and_kept_for_ever(
    owner: Person, person: Person, make_event: MakeEvent
) -> None:
    event_id = make_event()
    upload(owner, event_id, drawn())
    (url,) = urls_on(person.get("/"))
    answer = person.get(url)
    assert answer.content_type == "image/webp"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'; sandbox" in answer.headers.getlist("Content-Security-Policy")
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert "Cookie" not in answer.headers.get("Vary", "")
    again = person.client.get(url, headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_nothing_but_pixels_is_kept(owner: Person, person: Person, make_event: MakeEvent) -> None:
    exif = Image.Exif()
    exif[0x010E], exif[0x0110] = "taken at home", "Secret Camera"
    exif.get_ifd(0x8825)[1] = "N"
    sent = drawn(kind="JPEG", exif=exif, comment=b"my comment", xmp=b"<x:xmpmeta/>")
    assert b"Secret Camera" in sent
    event_id = make_event()
    assert upload(owner, event_id, sent).status_code == 303
    data = person.get(urls_on(person.get("/"))[0]).data
    assert not re.search(b"EXIF|XMP |ICCP|Secret|comment|xmpmeta", data)
    with Image.open(io.BytesIO(data)) as image:
        assert not image.getexif()


def test_picture_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    developed = developed_from(drawn(kind="JPEG", exif=exif))
    assert developed.name.endswith("-400x600")
    with Image.open(io.BytesIO(developed.large)) as image:
        assert image.size == (400, 600)
        red, _, blue = image.convert("RGB").getpixel((200, 20))  # type: ignore[misc]
        assert red > 200 > 50 > blue


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_every_kind_of_pixel_can_be_read(mode: str) -> None:
    file = io.BytesIO()
    kind = {"CMYK": "JPEG"}.get(mode, "PNG")
    Image.new(mode, (2000, 40)).save(file, kind)
    developed = developed_from(file.getvalue())
    assert developed.name.endswith("-1200x24")


def test_large_picture_becomes_a_small_file() -> None:
    developed = developed_from(drawn((5000, 3000), "JPEG", quality=95))
    assert developed.name.endswith("-1200x720")
    assert len(developed.large) < 100_000
    assert len(developed.small) < 10_000


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few hundred bytes that says it is enormous."""

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = {b"IHDR": header, b"IDAT": zlib.compress(bytes(100_000)), b"IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks.items())


REFUSED = {
    "text": (b"<svg onload=alert(1)>", "no picture"),
    "script in a GIF's clothes": (b"GIF89a/*<script>alert(1)</script>*/", "no picture"),
    "cut off": (drawn(kind="JPEG")[:700], "no picture"),
    "BMP": (drawn(kind="BMP"), "no picture"),
    "TIFF": (drawn(kind="TIFF"), "no picture"),
    "bomb": (bomb(30_000, 30_000), "too many pixels"),
    "just too many pixels": (bomb(10_000, 5_001), "too many pixels"),
    "too large": (drawn() + bytes(imaging.LARGEST_FILE), "at most 12 MB"),
    "nothing": (b"", "Choose a file"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_picture_is_refused_and_the_words_are_kept(
    owner: Person, person: Person, make_event: MakeEvent, name: str
) -> None:
    data, problem = REFUSED[name]
    event_id = make_event()
    answer = upload(owner, event_id, data)
    assert answer.status_code == 400
    assert problem in text_of(answer)
    assert f'value="{WORDS}"' in answer.text
    assert urls_on(person.get("/")) == []


def test_who_finds_every_place_taken_is_told_at_the_field(
    owner: Person, person: Person, make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    event_id = make_event()
    monkeypatch.setattr(imaging, "PATIENCE_SECONDS", 0.01)
    with monkeypatch.context() as crowded:
        crowded.setattr(imaging, "_at_work", {-1, -2})
        answer = upload(owner, event_id, drawn())
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "2"
    assert "yours is not saved yet" in text_of(answer)
    assert 'id="picture-error">Choose it again, and send it in a few seconds.' in answer.text
    assert f'value="{WORDS}"' in answer.text
    assert urls_on(person.get("/")) == []
    assert upload(owner, event_id, drawn()).status_code == 303


def test_body_beyond_all_measure_is_refused_unread(owner: Person, make_event: MakeEvent) -> None:
    path = f"/organizer/events/{make_event()}/picture"
    said = {"CONTENT_LENGTH": str(10**10), "CONTENT_TYPE": "multipart/form-data; boundary=x"}
    answer = owner.client.post(path, environ_overrides=said)
    assert answer.status_code == 413
    assert "Choose one of at most 12 MB" in text_of(answer)
    assert path in forms_of(answer)


def test_only_this_form_takes_large_bodies_and_only_from_organizers(
    app: Flask, owner: Person, person: Person, make_event: MakeEvent
) -> None:
    event_id = make_event()
    large = bytes(300_000)
    for path in (f"/organizer/events/{event_id}/edit", "/login", f"/events/{event_id}-x"):
        assert send(owner, path, large).status_code == 413, path
    answer = send(person, f"/organizer/events/{event_id}/picture", large)
    assert answer.status_code == 303
    assert answer.location == f"/login?next=/organizer/events/{event_id}/picture"


@pytest.mark.every_database
def test_picture_is_described_replaced_and_removed(
    owner: Person, person: Person, make_event: MakeEvent
) -> None:
    event_id = make_event()
    upload(owner, event_id, drawn())
    (first,) = urls_on(person.get("/"))
    assert person.get(first).status_code == 200
    assert upload(owner, event_id, b"", "Two colours").status_code == 303
    public = f"/events/{event_id}-harvest-supper"
    assert 'alt="Two colours"' in person.get(public).text
    upload(owner, event_id, drawn((300, 300)), "A square")
    (second,) = urls_on(person.get("/"))
    assert second != first
    assert person.get(second).status_code == 200
    assert person.get(first).status_code == 404
    page = f"/organizer/events/{event_id}/picture"
    assert owner.submit(page, f"{page}/remove").status_code == 303
    assert urls_on(person.get("/")) == urls_on(person.get(public)) == []
    assert person.get(second).status_code == 404
    told = text_of(owner.get(f"/organizer/events/{event_id}/history"))
    for line in ("Picture added", "Picture replaced", "Picture removed"):
        assert told.count(line) == 1
    assert "-300x300" not in told
    with owner.app.app_context():
        assert verify().broken == []


def test_same_picture_again_changes_nothing(owner: Person, make_event: MakeEvent) -> None:
    event_id = make_event()
    for _ in range(2):
        assert upload(owner, event_id, drawn()).status_code == 303
    assert text_of(owner.get(f"/organizer/events/{event_id}/history")).count("edited") == 1


def test_picture_of_a_draft_is_for_its_organizer_alone(
    app: Flask, owner: Person, person: Person, make_event: MakeEvent
) -> None:
    event_id = make_event(published=False)
    upload(owner, event_id, drawn())
    url = urls_on(owner.get(f"/organizer/events/{event_id}/picture"))[-1]
    assert owner.get(url).status_code == 200
    assert owner.get(url).headers["Cache-Control"] == "private, no-cache"
    with app.app_context():
        accounts.create_organizer(username="stranger", password=PASSWORD)
    stranger = Person(app)
    stranger.log_in("stranger")
    assert stranger.get(url).status_code == person.get(url).status_code == 404
    page = f"/organizer/events/{event_id}"
    owner.submit(page, f"{page}/publish")
    assert person.get(url).status_code == 200


@pytest.mark.every_database
def test_event_like_another_gets_its_picture(
    owner: Person, person: Person, make_event: MakeEvent
) -> None:
    event_id = make_event()
    upload(owner, event_id, drawn())
    page = f"/organizer/events/new?like={event_id}"
    assert "with its picture" in text_of(owner.get(page))
    refused = owner.submit(page, "/organizer/events/new", eventName="")
    assert "with its picture" in text_of(refused)
    fields = {**forms_of(refused)["/organizer/events/new"], "eventName": "Like it"}
    answer = owner.client.post("/organizer/events/new", data={**fields, "status": "published"})
    assert (
        owner.client.post("/organizer/events/new", data={**fields, "status": "published"}).location
        == answer.location
    ), "sent twice, made once"
    copy = int(answer.location.rpartition("/")[2])
    public = person.client.get(f"/events/{copy}", follow_redirects=True)
    assert f'alt="{WORDS}"' in public.text
    # The copy stays when the original's picture goes.
    original = f"/organizer/events/{event_id}/picture"
    owner.submit(original, f"{original}/remove")
    assert person.get(urls_on(public)[0]).status_code == 200
    with owner.app.app_context():
        assert verify().broken == []


def test_picture_of_somebody_else_is_not_copied(
    app: Flask, owner: Person, make_event: MakeEvent
) -> None:
    event_id = make_event()
    upload(owner, event_id, drawn())
    with app.app_context():
        accounts.create_organizer(username="stranger", password=PASSWORD)
    stranger = Person(app)
    stranger.log_in("stranger")
    assert stranger.get(f"/organizer/events/new?like={event_id}").status_code == 404
    answer = stranger.submit(
        "/organizer/events/new", eventName="Mine", totalTickets=3, status="draft", like=event_id
    )
    assert urls_on(stranger.get(f"{answer.location}/picture")) == []


def test_cancelled_event_takes_no_picture(owner: Person, make_event: MakeEvent) -> None:
    event_id = make_event()
    owner.submit(f"/organizer/events/{event_id}/cancel")
    path = f"/organizer/events/{event_id}/picture"
    assert owner.get(path).status_code == 303
    assert send(owner, path, drawn(), **owner.token("/organizer")).status_code == 303
    assert "Picture added" not in text_of(owner.get(f"/organizer/events/{event_id}/history"))

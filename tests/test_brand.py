"""The site's own logo, colour and links: checked at start, and shown on each page."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.conftest import make_settings
from tests.support.servers import ROOT
from webapp.brand import DARK, ENOUGH, LIGHT, check_colour, contrast, stylesheet
from webapp.config import SettingsError
from webapp.mail.content import Mail, Reason
from webapp.mail.letters import lay_out
from webapp.text.languages import ENGLISH

PNG = b"\x89PNG\r\n\x1a\n and more"
VARIABLE = re.compile(r"(--[a-z-]+): (#[0-9a-f]{6});")


def test_contrast_is_that_of_the_stylesheet() -> None:
    """What is checked at start is what is drawn."""
    css = (ROOT / "static" / "nextup.css").read_text()
    light, dark = css.split("prefers-color-scheme: dark", 1)
    for theme, checked in ((light, LIGHT), (dark, DARK)):
        drawn = dict(reversed(VARIABLE.findall(theme.split("*,", 1)[0])))
        assert {name: drawn[name] for name in checked} == checked
    assert round(contrast("#000000", "#ffffff"), 1) == 21.0
    assert round(contrast("#777777", "#ffffff"), 2) == 4.48


@pytest.mark.parametrize("colour", ["#a8401c", "#000", "#0057b8", "#7A00CC", "#005500"])
def test_colour_can_be_read_in_light_and_dark(colour: str) -> None:
    light, dark = (
        dict(VARIABLE.findall(part)) for part in stylesheet(check_colour(colour)).split("@media")
    )
    for drawn, others in ((light, LIGHT), (dark, DARK)):
        for name in ("--accent", "--accent-hover"):
            assert all(contrast(drawn[name], other) >= ENOUGH for other in others.values())
    assert contrast(light["--accent-soft"], "#29231d") >= ENOUGH
    assert contrast(dark["--accent-soft"], "#f1e9df") >= ENOUGH


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"SITE_COLOR": "#ffcc00"}, "SITE_COLOR: #ffcc00 has a contrast of 1.4 to paper"),
        ({"SITE_COLOR": "red"}, "SITE_COLOR: 'red' is no colour such as #a8401c"),
        ({"SITE_LOGO": "nowhere.png"}, "SITE_LOGO: cannot read"),
        ({"SITE_LOGO": "words.png"}, "words.png is no PNG, JPEG, WebP or SVG picture"),
        ({"IMPRINT_URL": "javascript:alert(1)"}, "IMPRINT_URL: must look like https://"),
        ({"PRIVACY_URL": "/privacy"}, "PRIVACY_URL: must look like https://"),
    ],
    ids=str,
)
def test_wrong_value_stops_the_start(tmp_path: Path, given: dict[str, str], complaint: str) -> None:
    (tmp_path / "words.png").write_text("no picture")
    with pytest.raises(SettingsError, match=re.escape(complaint)):
        make_settings("sqlite:///x.db", tmp_path, **given)


def test_each_page_shows_what_is_set(make_app: Callable[..., Flask], tmp_path: Path) -> None:
    (tmp_path / "logo.png").write_bytes(PNG)
    app = make_app(
        SITE_LOGO="logo.png",
        SITE_COLOR="#0057b8",
        SITE_NAME="Grüne Bühne",
        IMPRINT_URL="https://www.example.org/imprint?a=1&b=2",
        PRIVACY_URL="https://www.example.org/privacy#top",
    )
    client = app.test_client()
    for path in ("/", "/login", "/bookings", "/nowhere"):
        page = client.get(path).text
        [logo] = re.findall(r'<img src="(/logo-[^"]+)" alt="Grüne Bühne">', page)
        [colours] = re.findall(r'href="(/colour-[^"]+)"', page)
        assert '<a href="https://www.example.org/imprint?a=1&amp;b=2">Imprint</a>' in page
        assert '<a href="https://www.example.org/privacy#top">Privacy</a>' in page
    answer = client.get(logo)
    assert (answer.data, answer.mimetype) == (PNG, "image/png")
    assert "immutable" in answer.headers["Cache-Control"]
    assert "sandbox" in answer.headers.getlist("Content-Security-Policy")[0]
    assert "--accent: #0057b8" in client.get(colours).text
    mail = Mail(ENGLISH, "Title", ("words",), Reason("%(site)s"))
    with app.app_context():
        lay_out(mail, "id", app.extensions["settings"])
    drawn = mail.body.decode()
    assert "#0057b8" in drawn
    assert "#a8401c" not in drawn
    assert client.get("/colour-ffcc00.css").status_code == 404
    assert client.get("/logo-other").status_code == 404


def test_site_without_a_brand_shows_ours(client: FlaskClient) -> None:
    page = client.get("/").text
    assert "/logo-" not in page
    assert "/colour-" not in page
    assert "site-links" not in page

"""An organizer's account, from the settings to a lost password, with mails as they leave."""

import email
import email.policy
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import PHONE, answer_from_package
from tests.support.servers import AppServer, wait_until

pytestmark = pytest.mark.browser

PASSWORDS = ["the first password", "the second password", "the third password"]
ADDRESS = "olga@example.org"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[AppServer]:
    """A site of its own: its only organizer gets other passwords."""
    environ = {
        "ORGANIZER_USERNAME": "olga",
        "ORGANIZER_PASSWORD": PASSWORDS[0],
        "RATELIMIT_ENABLED": "false",
    }
    made = AppServer(tmp_path, environ=environ)
    try:
        made.start()
        yield made
    finally:
        made.kill()


@pytest.fixture
def arrive(server: AppServer, browser: Browser) -> Iterator[Callable[..., Page]]:
    contexts: list[BrowserContext] = []

    def arrive(**options: object) -> Page:
        context = browser.new_context(base_url=server.url, viewport=PHONE, **options)  # type: ignore[arg-type]
        context.set_default_timeout(10_000)
        context.route(lambda url: not url.startswith(server.url), answer_from_package)
        contexts.append(context)
        return context.new_page()

    yield arrive
    for context in contexts:
        context.close()


def log_in(page: Page, password: str) -> None:
    page.goto("/login")
    page.fill("[name=username]", "olga")
    page.fill("[name=password]", password)
    page.locator("form:has([name=password]) button").click()


def link_in_mail(server: AppServer, what: str, path: str) -> str:
    """The link of the mail of a kind, once it has left."""
    folder = server.instance_path / "mail"

    def found() -> list[Path]:
        return sorted(folder.glob(f"*-{what}.eml"))

    wait_until(lambda: bool(found()), timeout=20)
    mail = email.message_from_bytes(found()[-1].read_bytes(), policy=email.policy.default)
    body = mail.get_body(("plain",))
    assert body is not None
    match = re.search(rf"{re.escape(server.url)}({path}\?token=\S+)", body.get_content())
    assert match is not None
    return match[1]


@pytest.mark.parametrize(
    ("scripts", "locale"),
    [
        pytest.param(True, "en-GB", id="htmx"),
        pytest.param(False, "de-DE", id="plain-german", marks=pytest.mark.long),
    ],
)
def test_organizer_keeps_the_account_without_a_terminal(
    server: AppServer, arrive: Callable[..., Page], scripts: bool, locale: str
) -> None:
    page = arrive(java_script_enabled=scripts, locale=locale)
    german = locale.startswith("de")
    log_in(page, PASSWORDS[0])
    page.get_by_role("link", name="Einstellungen" if german else "Settings").click()
    expect(page.locator("html")).to_have_attribute("lang", "de" if german else "en")

    # An address counts once its link was opened.
    page.fill("[name=email]", ADDRESS)
    page.fill("[name=password]", PASSWORDS[0])
    page.locator("form:has([name=email]) button").click()
    expect(page.locator(".flash")).to_contain_text(ADDRESS)
    page.goto(link_in_mail(server, "account_address", "/login/address"))
    page.locator("form:has([name=token]) button").click()
    expect(page.locator("strong", has_text=ADDRESS)).to_be_visible()

    # A new password ends the sign-in of another device.
    phone = arrive(java_script_enabled=False)
    log_in(phone, PASSWORDS[0])
    page.goto("/organizer/settings/sign-ins")
    expect(page.locator("[name=login]")).to_have_count(2)
    page.goto("/organizer/settings/password")
    page.fill("[name=password]", PASSWORDS[0])
    page.fill("[name=new_password]", PASSWORDS[1])
    page.locator("form:has([name=new_password]) button").click()
    expect(page.locator(".flash")).to_be_visible()
    phone.goto("/organizer")
    expect(phone.locator("[name=username]")).to_be_visible()
    page.goto("/organizer/settings/sign-ins")
    expect(page.locator("[name=login]")).to_have_count(1)

    # A token is shown once, works, and is revoked.
    page.goto("/organizer/settings/tokens")
    page.fill("[name=name]", "till")
    page.select_option("[name=level]", "book")
    page.fill("[name=days]", "30")
    page.locator("form:has([name=level]) button").click()
    token = page.locator("#made").inner_text()
    headers = {"Authorization": f"Bearer {token}"}
    answer = page.request.get("/api/organizer/events", headers=headers)
    assert answer.status == 200
    page.locator("form[action$='/revoke'] button").click()
    expect(page.locator(".flash")).to_contain_text("till")
    assert page.request.get("/api/organizer/events", headers=headers).status == 401

    # Whether mails leave.
    page.goto("/organizer/settings/mails")
    page.locator("form[action$='/trial'] button").click()
    expect(page.locator(".flash")).to_contain_text("-trial.eml")

    # The password is lost.
    guest = arrive(java_script_enabled=scripts, locale=locale)
    guest.goto("/login")
    guest.get_by_role("link", name="Passwort vergessen?" if german else "Lost password?").click()
    guest.fill("[name=email]", ADDRESS)
    guest.locator("form:has([name=email]) button").click()
    expect(guest.locator(".flash")).to_be_visible()
    guest.goto(link_in_mail(server, "lost_password", "/login/new-password"))
    guest.fill("[name=new_password]", PASSWORDS[2])
    guest.locator("form:has([name=new_password]) button").click()
    expect(guest.locator(".flash")).to_contain_text("olga")
    page.goto("/organizer")
    expect(page.locator("[name=username]")).to_be_visible()
    log_in(guest, PASSWORDS[2])
    guest.wait_for_url("**/organizer")

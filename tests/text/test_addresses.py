"""Addresses whose domain is known are told as quickly as they are told well."""

import itertools

import pytest
from email_validator import EmailNotValidError

from webapp.text import addresses
from webapp.text.addresses import Address, checked_address

LOCALS = (
    "ada", "a.b+c_d-e", "Ada", "POSTMASTER", "a..b", ".a", "a.", "", "jos\u00e9", "a b", "a'b",
    "\"a b\"",
    "a" * 64, "a" * 65, "1", "-a-", "_", "+",
)  # fmt: skip
DOMAINS = (
    "example.org", "Example.org", "sub.example.co.uk", "localhost", "example", "x.test", "x.local",
    "x.invalid", "-x.org", "x-.org", "x..org", ".x.org", "x.org.", "1.2.3.4", "x.1", "x_y.org",
    "xn--bcher-kva.example", "b\u00fccher.de", "a" * 63 + ".org", "a" * 64 + ".org", "x--y.org",
    "ab--c.org", "x.org\n", ".".join(["a" * 60] * 3) + ".org", ".".join(["a" * 60] * 4) + ".org",
    "", "example.com", "x.arpa", "-", "x.org-",
)  # fmt: skip


def told(text: str) -> Address | type[Exception]:
    try:
        return checked_address(text)
    except EmailNotValidError as error:
        return type(error)


def test_plain_address_is_told_as_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    every = [f"{local}@{domain}" for local, domain in itertools.product(LOCALS, DOMAINS)]
    # Twice, as what is remembered tells the second time.
    quickly = [told(text) for text in (*every, *every)]
    monkeypatch.setattr(addresses, "is_plain", lambda text: None)
    assert quickly == [told(text) for text in every] * 2

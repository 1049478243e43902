"""A proxy in front that TRUSTED_PROXIES does not count is noticed, and told with care."""

import logging
from typing import Any

import pytest
from flask import Flask

from webapp.web import proxies
from webapp.web.proxies import ENOUGH_REQUESTS, ProxyLookout

FORWARDED = {"HTTP_X_FORWARDED_FOR": "203.0.113.7"}


@pytest.fixture(autouse=True)
def no_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxies, "WINDOW_SECONDS", 0.0)


def asked(lookout: ProxyLookout, times: int, peer: str = "127.0.0.1", **environ: Any) -> bool:
    """Whether there seems to be a proxy after so many requests."""
    for _ in range(times):
        list(lookout({"PATH_INFO": "/", "REMOTE_ADDR": peer, **environ}, lambda *_: lambda _: None))
    return lookout.has_found_one


@pytest.fixture
def lookout() -> ProxyLookout:
    return ProxyLookout(lambda environ, start_response: [])


@pytest.mark.parametrize("peer", ["127.0.0.1", "10.0.0.2", "::1", "fd00::7", "::ffff:10.0.0.2"])
def test_proxy_near_us_is_noticed(
    lookout: ProxyLookout, peer: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert not asked(lookout, ENOUGH_REQUESTS - 1, peer, **FORWARDED)
        # What looks after the process comes past the proxy.
        assert not asked(lookout, 100, PATH_INFO="/readyz")
        assert asked(lookout, 1, peer, **FORWARDED)
        assert asked(lookout, ENOUGH_REQUESTS, peer, **FORWARDED)
    assert caplog.text.count("TRUSTED_PROXIES does not count") == 1
    assert not asked(lookout, ENOUGH_REQUESTS, peer)


@pytest.mark.parametrize("peer", ["8.8.8.8", "2001:4860::1", "nonsense", ""])
def test_stranger_who_sends_the_header_is_no_proxy(lookout: ProxyLookout, peer: str) -> None:
    assert not asked(lookout, 5 * ENOUGH_REQUESTS, peer, **FORWARDED)


def test_header_that_only_some_requests_carry_tells_of_no_proxy(lookout: ProxyLookout) -> None:
    for _ in range(5):
        assert not asked(lookout, ENOUGH_REQUESTS // 10)
        assert not asked(lookout, ENOUGH_REQUESTS - ENOUGH_REQUESTS // 10, **FORWARDED)


def test_nothing_is_looked_for_where_a_proxy_is_trusted(make_app: Any) -> None:
    app: Flask = make_app(TRUSTED_PROXIES="1")
    client = app.test_client()
    for _ in range(ENOUGH_REQUESTS):
        client.get("/healthz", headers={"X-Forwarded-For": "203.0.113.7"})
    with app.app_context():
        assert not proxies.has_unnamed_proxy()

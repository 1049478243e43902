"""Proxies in front: those that TRUSTED_PROXIES counts, and a look out for one that it does not.

Behind an unnamed one all visitors are one client, with one limit for all of them.
"""

import logging
import time
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING

from flask import Flask, current_app
from werkzeug.middleware.proxy_fix import ProxyFix

from webapp.config import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger(__name__)

WINDOW_SECONDS = 60.0
# Fewer requests in a window tell nothing.
ENOUGH_REQUESTS = 20
NEARLY_ALL = 0.95
# What looks after the process asks without a visitor.
OF_MACHINES = ("/healthz", "/readyz")


class ProxyLookout:
    """WSGI middleware that notices a proxy between visitors and us while none is trusted.

    There seems to be one when nearly all requests of a minute come from this machine or a private
    network and name the address that they are forwarded for. Counts of threads that count at the
    same time may miss one.
    """

    def __init__(self, app: "WSGIApplication") -> None:
        self._app = app
        self.has_found_one = False
        self._requests = self._forwarded = 0
        self._ends_at = time.monotonic() + WINDOW_SECONDS

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        if environ["PATH_INFO"] not in OF_MACHINES:
            self._requests += 1
            if "HTTP_X_FORWARDED_FOR" in environ and is_near(environ["REMOTE_ADDR"]):
                self._forwarded += 1
            if self._requests >= ENOUGH_REQUESTS and time.monotonic() >= self._ends_at:
                self._judge()
        return self._app(environ, start_response)

    def _judge(self) -> None:
        found = self._forwarded >= NEARLY_ALL * self._requests
        self._requests = self._forwarded = 0
        self._ends_at = time.monotonic() + WINDOW_SECONDS
        if found and not self.has_found_one:
            log.warning(
                "visitors seem to come through a proxy that TRUSTED_PROXIES does not count, so"
                " they share one limit; if nobody can reach this server past it, set"
                " TRUSTED_PROXIES to the number of proxies"
            )
        self.has_found_one = found


@lru_cache(maxsize=256)
def is_near(address: str) -> bool:
    """Whether an address is this machine's own or one of a private network."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return (getattr(found, "ipv4_mapped", None) or found).is_private


def has_unnamed_proxy() -> bool:
    """Whether there seems to be a proxy that TRUSTED_PROXIES does not count."""
    lookout: ProxyLookout | None = current_app.extensions["proxy_lookout"]
    return lookout is not None and lookout.has_found_one


def init_app(app: Flask) -> None:
    settings: Settings = app.extensions["settings"]
    hops, lookout = settings.trusted_proxies, None
    if hops:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)  # type: ignore[method-assign]
    else:
        app.wsgi_app = lookout = ProxyLookout(app.wsgi_app)  # type: ignore[method-assign]
    app.extensions["proxy_lookout"] = lookout

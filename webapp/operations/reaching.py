"""Whether visitors reach us: BASE_URL, its certificate, and the proxies on the way."""

import http.client
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from webapp import clock
from webapp.config import ROOT, Settings, current_settings, reachable_host
from webapp.identity import ANSWER, ASK, facts_of, question
from webapp.mail.complaints import EXPIRED, NOT_YET, OTHER_NAME, words
from webapp.operations.findings import Finding, fix, note, ok
from webapp.text.sentence import later as _

SECONDS = 5
LONGEST_ANSWER = 4096
DAYS_LEFT = 14
OF_PROXIES = (502, 503, 504)
# Addresses that nobody has: whoever is taken for one of them has made it up.
MADE_UP, MADE_UP_TOO = "192.0.2.77", "192.0.2.78"
PATH = "/healthz"


class Answer(NamedTuple):
    """What came back; `facts` where it came from us, `ends_at` is the end of the certificate."""

    status: int
    location: str
    body: str
    facts: Mapping[str, Any] | None
    ends_at: datetime | None


class NotAsked(Exception):
    """Whatever answers there does not speak HTTP."""


def check_reaching() -> list[Finding]:
    """BASE_URL leads to this installation, over TLS, through as many proxies as are named."""
    settings = current_settings()
    if settings.secret_key is None:
        return [
            fix("SECRET_KEY: there is none yet. Start Nextup once with bin/run, which makes it.")
        ]
    url, key = settings.base_url, settings.secret_key
    try:
        answer = ask(url, key)
    except (OSError, NotAsked) as error:
        return [_unreached(error, settings), *_without_tls(url)]
    if answer.facts is None:
        return [_somebody_else(answer, settings), *_without_tls(url)]
    is_near = is_loopback(urlsplit(url).hostname or "")
    reached = note if is_near else ok
    text = (
        _("BASE_URL: %(url)s leads to this Nextup, and only from this machine.")
        if is_near
        else _("BASE_URL: %(url)s leads to this Nextup.")
    )
    return [
        reached(text, url=url),
        *_certificate(answer, url),
        *_without_tls(url),
        _proxies(answer.facts, url, key),
        *_age(float(answer.facts["started"])),
    ]


def ask(url: str, key: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Ask whoever answers at a URL whether they are us. Raises `OSError`, `NotAsked`."""
    parts, asked = urlsplit(url), question(key)
    host = parts.hostname or ""
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    with closing(kind(host, parts.port, timeout=SECONDS)) as connection:
        try:
            connection.request("GET", PATH, headers={ASK: asked, **(headers or {})})
            certificate: Any = getattr(connection.sock, "getpeercert", dict)()
            response = connection.getresponse()
            body = response.read(LONGEST_ANSWER).decode("utf-8", "replace")
        except (http.client.HTTPException, ValueError) as error:
            if isinstance(error, OSError):
                raise
            raise NotAsked from error
    ends = certificate.get("notAfter")
    return Answer(
        response.status,
        response.headers.get("Location", ""),
        body,
        facts_of(response.headers.get(ANSWER, ""), asked, key),
        datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), UTC) if ends else None,
    )


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def own_url(settings: Settings) -> str:
    """Where this installation listens, without a proxy."""
    return f"http://{reachable_host(settings.host)}:{settings.port}"


def _runs_here(settings: Settings) -> bool:
    try:
        return ask(own_url(settings), settings.secret_key or "").facts is not None
    except (OSError, NotAsked):
        return False


def _unreached(error: Exception, settings: Settings) -> Finding:
    url = settings.base_url
    parts = urlsplit(url)
    values = {
        "url": url,
        "host": parts.hostname,
        "port": parts.port or (443 if parts.scheme == "https" else 80),
        "words": words(error) if isinstance(error, OSError) else "",
        "own": own_url(settings),
        "seconds": SECONDS,
    }
    return fix(_unreached_text(error, settings), **values)


def _unreached_text(error: Exception, settings: Settings) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _of_certificate(error)
    if isinstance(error, ssl.SSLError):
        return _(
            "BASE_URL: %(host)s does not speak TLS at port %(port)s (%(words)s). See to the proxy"
            " that should, or write http:// if there is none."
        )
    if isinstance(error, socket.gaierror):
        return _(
            "BASE_URL: the name %(host)s is not found (%(words)s). Check how it is spelled, and"
            " whether it is entered where your domain is kept."
        )
    if isinstance(error, TimeoutError):
        return _(
            "BASE_URL: %(url)s does not answer within %(seconds)s seconds. A firewall may be in the"
            " way, or this machine cannot reach itself by that name: try it from another one."
        )
    if isinstance(error, NotAsked):
        return _("BASE_URL: what answers at %(url)s is no web server. Check name and port.")
    if _runs_here(settings):
        return _(
            "BASE_URL: nobody answers at %(url)s (%(words)s), while Nextup runs at %(own)s. Start"
            " the proxy that stands in front, or mend BASE_URL."
        )
    return _(
        "Nextup does not run: nobody answers at %(url)s (BASE_URL), nor at %(own)s. Start it with"
        " bin/run."
    )


def _of_certificate(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code == EXPIRED:
        return _("BASE_URL: the certificate of %(host)s has expired. Renew it.")
    if error.verify_code == NOT_YET:
        return _(
            "BASE_URL: the certificate of %(host)s is not valid yet. Check the clock of this"
            " machine."
        )
    if error.verify_code in OTHER_NAME:
        return _(
            "BASE_URL: the certificate that is shown is not for the name %(host)s. Get one for it,"
            " or mend BASE_URL."
        )
    return _(
        "BASE_URL: browsers do not believe the certificate of %(host)s (%(words)s). Get one from a"
        " public authority, such as Let's Encrypt."
    )


def _somebody_else(answer: Answer, settings: Settings) -> Finding:
    values: dict[str, Any] = {"url": settings.base_url, "status": answer.status}
    if answer.location:
        goes_to = urlsplit(answer.location)
        values["to"] = f"{goes_to.scheme}://{goes_to.netloc}"
        return fix(
            _("BASE_URL: %(url)s leads on to %(to)s. If that is us, set BASE_URL to it."), **values
        )
    if answer.status in OF_PROXIES:
        return fix(
            _(
                "BASE_URL: a proxy answers at %(url)s and does not reach Nextup (%(status)s). Start"
                " Nextup, or mend its address in the proxy."
            ),
            **values,
        )
    if '"status":"ok"' in answer.body.replace(" ", ""):
        return fix(
            _(
                "BASE_URL: another Nextup answers at %(url)s, or this one with another SECRET_KEY"
                " or an older release. Mend BASE_URL, or start it again."
            ),
            **values,
        )
    return fix(
        _(
            "BASE_URL: somebody else than Nextup answers at %(url)s (%(status)s). Mend BASE_URL, or"
            " have the web server there pass everything on to Nextup."
        ),
        **values,
    )


def _certificate(answer: Answer, url: str) -> Iterator[Finding]:
    if answer.ends_at is None:
        return
    values = {"host": urlsplit(url).hostname, "day": f"{answer.ends_at:%Y-%m-%d}"}
    if (answer.ends_at - clock.now()).days < DAYS_LEFT:
        yield fix(
            _("BASE_URL: the certificate of %(host)s ends on %(day)s. See to its renewal."),
            **values,
        )
    else:
        yield ok(_("https: the certificate of %(host)s is good until %(day)s."), **values)


def _without_tls(url: str) -> Iterator[Finding]:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https" or is_loopback(host):
        return
    if _is_within_a_network(host):
        yield note(
            _("BASE_URL: %(url)s is not encrypted, which is for a network of your own only."),
            url=url,
        )
    else:
        yield fix(
            _(
                "BASE_URL: %(url)s is not encrypted: passwords and tickets can be read on the way."
                " Put a proxy with TLS in front (docs/proxies.md) and write https://."
            ),
            url=url,
        )


def _is_within_a_network(host: str) -> bool:
    try:
        return ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".lan", ".home.arpa"))


def _proxies(facts: Mapping[str, Any], url: str, key: str) -> Finding:
    """Whether TRUSTED_PROXIES is right, by how requests arrive."""
    arrived, trusted = int(facts["forwarded"]), int(facts["trusted"])
    values = {"arrived": arrived, "trusted": trusted}
    if arrived > trusted:
        return fix(
            _(
                "TRUSTED_PROXIES: it is %(trusted)s, and requests come through proxies that wrote"
                " %(arrived)s addresses, so all visitors count as one. If nobody can reach Nextup"
                " past them, set it to %(arrived)s."
            ),
            **values,
        )
    if facts["unnamed"]:
        return fix(
            _(
                "TRUSTED_PROXIES: it is 0, and visitors come through a proxy, so they all count as"
                " one. If nobody can reach Nextup past it, set it to the number of proxies."
            )
        )
    if arrived < trusted or _is_believed(url, key, "X-Forwarded-For", MADE_UP):
        return fix(
            _(
                "TRUSTED_PROXIES: it is %(trusted)s, and a visitor can make up an address that is"
                " believed. Set it to the number of proxies that requests really come through, or"
                " mend BASE_URL if it leads past them."
            ),
            **values,
        )
    if _is_believed(url, key, "X_Forwarded_For", MADE_UP_TOO):
        return fix(
            _(
                "The proxy passes on header names with underscores, so a visitor can make up an"
                " address: have it drop them (docs/proxies.md)."
            )
        )
    return ok(_("TRUSTED_PROXIES: it is %(trusted)s, which fits how requests arrive."), **values)


def _age(started: float) -> Iterator[Finding]:
    """Whether what runs was started before its files were changed."""
    files = (*(ROOT / "webapp").rglob("*.py"), *(ROOT / "templates").rglob("*.html"))
    changed = max(path.stat().st_mtime for path in files)
    if changed > started:
        yield fix(
            "What runs is older than its files: stop Nextup and start it again."
        ).for_operator()


def _is_believed(url: str, key: str, name: str, address: str) -> bool:
    try:
        facts = ask(url, key, {name: address}).facts
    except (OSError, NotAsked):
        return False
    return facts is not None and facts["client"] == address

"""Sessions, tokens and cookies as Flask, Flask-WTF and itsdangerous make them, in fewer steps.

What they sign is read here and the other way round. A short way is only for what is plain and
right; whatever is not goes the whole way through the library, which says what is wrong with it.
Shares are of the instructions of one request, on SQLite.
"""

import json
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Hashable
from functools import lru_cache
from hashlib import sha1
from hmac import compare_digest
from typing import Any

from flask import Flask, Request, Response, g
from flask.json.provider import DefaultJSONProvider
from flask.json.tag import TaggedJSONSerializer
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from flask_wtf import CSRFProtect
from itsdangerous import BadData, URLSafeSerializer, URLSafeTimedSerializer
from itsdangerous.encoding import base64_encode, bytes_to_int, int_to_bytes
from itsdangerous.url_safe import URLSafeSerializerMixin
from werkzeug.http import dump_cookie

from webapp.web.fast_flask import request_context

FIELD = "csrf_token"
# Packed, a text that is shorter would be less by thirty bytes at most, and mostly by none; to try
# that takes longer than all the rest.
WORTH_PACKING = 300
# Browsers keep no cookie that is much longer, of which Werkzeug warns.
LONGEST_COOKIE = 3500


class PlainJSON:
    """JSON as itsdangerous writes it, by one encoder for all."""

    dumps = staticmethod(json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode)
    loads = staticmethod(json.JSONDecoder().decode)


class PlainTags(TaggedJSONSerializer):
    """JSON as Flask writes it in sessions, without eight questions about each text."""

    encode = staticmethod(
        json.JSONEncoder(
            separators=(",", ":"), sort_keys=True, default=DefaultJSONProvider.default
        ).encode
    )

    def tag(self, value: Any) -> Any:
        kind = type(value)
        if kind is str:
            return value
        if kind is list:
            return [self.tag(one) for one in value]
        if kind is tuple:
            return {" t": [self.tag(one) for one in value]}
        if kind is dict and len(value) != 1:
            return {name: self.tag(one) for name, one in value.items()}
        return super().tag(value)

    def dumps(self, value: Any) -> str:
        return self.encode(self.tag(value))

    def loads(self, value: str) -> Any:
        read = PlainJSON.loads(value)
        # Only what has a tag begins like that.
        return self._untag_scan(read) if '{" ' in value else read


class Quick(URLSafeSerializerMixin):
    """Signs with HMAC and SHA-1 from where the key has been taken in; packs only what is long.

    Together 14 % of an event page, 9 % of them for what was packed in vain, 8 % of a booking.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        key = self.make_signer().derive_key().ljust(64, b"\0")
        self._inner, self._outer = (
            sha1(bytes(byte ^ pad for byte in key))  # noqa: S324 - as itsdangerous signs
            for pad in (0x36, 0x5C)
        )

    def _signature(self, value: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(value)
        outer.update(inner.digest())
        return urlsafe_b64encode(outer.digest()).rstrip(b"=")

    def _signed(self, text: str, stamp: bytes = b"") -> str:
        value = urlsafe_b64encode(text.encode()).rstrip(b"=") + stamp
        return (value + b"." + self._signature(value)).decode()

    def _unsigned(self, signed: str | bytes) -> bytes | None:
        """What was signed; nothing where it takes a closer look."""
        if isinstance(signed, str):
            signed = signed.encode()
        value, _, signature = signed.rpartition(b".")
        return value if compare_digest(self._signature(value), signature) else None

    def _read(self, payload: bytes) -> tuple[Any] | None:
        # A dot before it says that it is packed.
        if payload.startswith(b"."):
            return None
        try:
            return (self.serializer.loads(urlsafe_b64decode(payload + b"==").decode()),)
        except ValueError:
            return None


class QuickSerializer(Quick, URLSafeSerializer):
    def dumps(self, obj: Any, salt: str | bytes | None = None) -> str:
        text = self.serializer.dumps(obj)
        if salt is not None or len(text) >= WORTH_PACKING:
            return super().dumps(obj, salt)
        return self._signed(text)

    def loads(self, s: str | bytes, salt: str | bytes | None = None, **options: Any) -> Any:
        payload = None if salt or options else self._unsigned(s)
        read = None if payload is None else self._read(payload)
        return super().loads(s, salt, **options) if read is None else read[0]


class QuickTimedSerializer(Quick, URLSafeTimedSerializer):
    def dumps(self, obj: Any, salt: str | bytes | None = None) -> str:
        text = self.serializer.dumps(obj)
        if salt is not None or len(text) >= WORTH_PACKING:
            return super().dumps(obj, salt)
        return self._signed(text, stamp(int(time.time())))

    def loads(  # type: ignore[override]  # as in itsdangerous
        self,
        s: str | bytes,
        max_age: int | None = None,
        return_timestamp: bool = False,
        salt: str | bytes | None = None,
    ) -> Any:
        value = None if salt or return_timestamp else self._unsigned(s)
        payload, dot, signed_at = (value or b"").rpartition(b".")
        read = self._read(payload) if dot and is_recent(signed_at, max_age) else None
        return super().loads(s, max_age, return_timestamp, salt) if read is None else read[0]


@lru_cache(maxsize=2)
def stamp(second: int) -> bytes:
    """A second since the epoch as it is signed."""
    return b"." + base64_encode(int_to_bytes(second))


def is_recent(signed_at: bytes, max_age: int | None) -> bool:
    return max_age is None or (
        0 <= int(time.time()) - bytes_to_int(urlsafe_b64decode(signed_at + b"==")) <= max_age
    )


# There is one secret key; only tests have more.
@lru_cache(maxsize=16)
def of_sessions(secret_key: str) -> QuickTimedSerializer:
    """Writes sessions as Flask does."""
    made = LazySessionInterface
    options = {"key_derivation": made.key_derivation}
    return QuickTimedSerializer(
        secret_key, salt=made.salt, serializer=PlainTags(), signer_kwargs=options
    )


@lru_cache(maxsize=16)
def of_csrf_tokens(secret_key: str) -> QuickTimedSerializer:
    """Writes tokens as Flask-WTF does."""
    return QuickTimedSerializer(secret_key, salt="wtf-csrf-token", serializer=PlainJSON)


def csrf_token() -> str:
    """The token for the forms of this request, as Flask-WTF makes it and checks it."""
    token: str | None = g.get(FIELD)
    if token is None:
        context = request_context()
        session, key = context.session, context.app.secret_key
        if FIELD not in session:
            session[FIELD] = secrets.token_hex(20)
        assert isinstance(key, str)
        token = of_csrf_tokens(key).dumps(session[FIELD])
        g.csrf_token = token
    return token


class LazyCSRFProtect(CSRFProtect):  # type: ignore[misc]
    """Looks for exemptions only where a token is needed, and once for each view.

    A token that is right is seen to be so at once: 3 % of a booking by page.
    """

    def init_app(self, app: Flask) -> None:
        super().init_app(app)
        # What these add to each template stands among the globals of all as well: 1 % of a page.
        app.template_context_processors[None].clear()
        self._methods = app.config["WTF_CSRF_METHODS"]
        self._exempt: dict[str, bool] = {}

    def protect(self, apply_exemptions: bool = False) -> None:
        request = request_context().request
        if request.method not in self._methods:
            return
        if apply_exemptions and (request.endpoint is None or self._is_exempt()):
            return
        if not self._has_right_token():
            super().protect(apply_exemptions)

    def _is_exempt(self) -> bool:
        endpoint = request_context().request.endpoint
        known = self._exempt.get(endpoint)
        if known is None:
            known = self._exempt[endpoint] = bool(super()._is_exempt())
        return known

    def _has_right_token(self) -> bool:
        context = request_context()
        key, config = context.app.secret_key, context.app.config
        sent, ours = context.request.form.get(FIELD), context.session.get(FIELD)
        if not sent or not isinstance(ours, str) or config["WTF_CSRF_SSL_STRICT"]:
            return False
        try:
            token = of_csrf_tokens(key).loads(sent, max_age=config["WTF_CSRF_TIME_LIMIT"])
        except BadData:
            return False
        return isinstance(token, str) and compare_digest(ours, token)


class LazySessionInterface(SecureCookieSessionInterface):
    """Parses nothing without a Cookie header and saves no untouched session: 15 % of a status."""

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        key = app.secret_key
        if not isinstance(key, str) or app.config["SECRET_KEY_FALLBACKS"]:
            return super().get_signing_serializer(app)
        return of_sessions(key)

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        if "HTTP_COOKIE" not in request.environ and app.secret_key:
            return SecureCookieSession()
        return super().open_session(app, request)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        if not (session.accessed or session.modified):
            return
        # A page says already that it depends on cookies: to read that and add it again takes 4 %.
        says = "Cookie" in response.headers.get("Vary", "")
        if not says or (session.modified and not session):
            super().save_session(app, session, response)
        elif session and self.should_set_cookie(app, session):
            serializer = self.get_signing_serializer(app)
            assert serializer is not None
            set_cookie(
                response,
                self.get_cookie_name(app),
                serializer.dumps(dict(session)),
                expires=self.get_expiration_time(app, session),
                httponly=self.get_cookie_httponly(app),
                domain=self.get_cookie_domain(app),
                path=self.get_cookie_path(app),
                secure=self.get_cookie_secure(app),
                partitioned=self.get_cookie_partitioned(app),
                samesite=self.get_cookie_samesite(app),
            )


def set_cookie(response: Response, name: str, signed: str, **options: Any) -> None:
    """Set a cookie that needs no quotes, because it is signed; else as Response.set_cookie does."""
    if len(signed) > LONGEST_COOKIE:
        response.set_cookie(name, signed, **options)
    else:
        # The day on which it ends stands in it by the second.
        now = int(time.time()) if "max_age" in options else 0
        response.headers.add("Set-Cookie", f"{name}={signed}{_flags(name, now, *options.items())}")


@lru_cache(maxsize=16)
def _flags(name: str, _: int, *options: tuple[str, Hashable]) -> str:
    """What a cookie says behind its value, with these options at this second."""
    whole = dump_cookie(name, **dict(options))  # type: ignore[arg-type]
    return whole.removeprefix(f"{name}=")

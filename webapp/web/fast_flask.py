"""What overrides Flask for speed, each with what it gains; without it everything works as well.

Measured in process on SQLite, as the share of one request's time, in interleaved runs.
"""

import hmac
import secrets
from collections.abc import Callable, Hashable, MutableMapping
from functools import cache, cached_property, lru_cache
from types import FunctionType, MethodType
from typing import Any, cast

from flask import Flask, Request, Response, current_app, g, session
from flask.globals import request_ctx
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from flask_wtf import CSRFProtect
from itsdangerous import Signer, TimestampSigner, URLSafeTimedSerializer
from itsdangerous.signer import HMACAlgorithm
from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.runtime import Context, Macro
from markupsafe import Markup, escape
from markupsafe import _escape_inner as escape_inner  # type: ignore[attr-defined]
from werkzeug.routing import Rule

from webapp.text.templates import Templates
from webapp.web.language import language

# The context of the request, without the proxy around it.
request_context = request_ctx._get_current_object  # type: ignore[attr-defined]

KEPT_PATHS = 4096
LONGEST_KEPT = 64


class DirectContext(Context):
    """Calls macros and plain functions at once, without Jinja's two looks at each of them.

    It asks of everything whether it is marked to get more than its arguments: 4 % of a page.
    """

    def call(self, called: Any, /, *arguments: Any, **named: Any) -> Any:
        kind = type(called)
        if kind is Macro:
            arguments = (self.eval_ctx, *arguments)
        elif kind not in (FunctionType, MethodType) or hasattr(called, "jinja_pass_arg"):
            return super().call(called, *arguments, **named)
        named.pop("_block_vars", None)
        named.pop("_loop_vars", None)
        return called(*arguments, **named)


class DirectCodeGenerator(CodeGenerator):
    """Has what is shown escaped by `shown`."""

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        if frame.eval_ctx.volatile or not frame.eval_ctx.autoescape or finalize.src is not None:
            super()._output_child_pre(node, frame, finalize)
        else:
            self.write("environment.shown(")


class SharedGlobalsEnvironment(Templates):
    """Templates that have no globals of their own, so that all share one plain dictionary.

    In place of a chain of two, in which each page and each import of a macro would look up every
    name: 10 % of a page.
    """

    context_class = DirectContext
    code_generator_class = DirectCodeGenerator

    @staticmethod
    def shown(value: object) -> str:
        """Escaped text that is only put together: no object marks it as HTML, 5 % of a page."""
        kind = type(value)
        if kind is str:
            return escape_inner(value)  # type: ignore[arg-type]
        if kind is int:
            return str(value)
        return value if kind is Markup else escape(value)  # type: ignore[return-value]

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        return super().make_globals(d) if d else self.globals


class LateRule(Rule):
    """Compiles what writes its address when that is first asked for.

    To do so for every rule took six of seven parts of the time to make an application.
    """

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        compile_now = super()._compile_builder
        name = "_build_unknown" if append_unknown else "_build"

        def first(self: Rule, /, **values: Any) -> tuple[str, str]:
            build: Callable[..., tuple[str, str]] = compile_now(append_unknown).__get__(self, None)
            setattr(self, name, build)
            return build(**values)

        return first


class FastFlask(Flask):
    """A Flask application with the shortcuts of this module."""

    jinja_environment = SharedGlobalsEnvironment
    url_rule_class = LateRule

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._kept_paths: dict[Hashable, str] = {}

    @property
    def jinja_env(self) -> Templates:
        """The templates in the visitor's language; English ones where no request is answered."""
        return self._templates.speaking(language())

    @cached_property
    def _templates(self) -> Templates:
        return cast(Templates, self.create_jinja_environment())

    def url_for(self, /, endpoint: str, **values: Any) -> str:
        """The address of a view; what has been asked before is remembered: 10 % of an event page.

        A path is remembered only if it follows from the arguments and from how the application is
        mounted: what looks further at the request (a relative endpoint, `_external`) is left to
        Flask, and so is what strangers make up as they like (long values, methods).
        """
        try:
            mount = request_context().url_adapter
            # Values that are equal are not the same: 1, 1.0 and True.
            types = map(type, values.values())
            asked = (mount.script_name, mount.default_method, endpoint, *values.items(), *types)
            path = self._kept_paths.get(asked)
        except (RuntimeError, AttributeError, TypeError):
            # No request, one that was not routed, or a list among the values.
            return super().url_for(endpoint, **values)
        if path is None:
            path = super().url_for(endpoint, **values)
            if (
                mount.default_method in ("GET", "POST")
                and not endpoint.startswith(".")
                and not self.url_default_functions
                and all(map(may_be_kept, values, values.values()))
            ):
                if len(self._kept_paths) >= KEPT_PATHS:
                    self._kept_paths.clear()
                self._kept_paths[asked] = path
        return path

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Leave out the look for coroutines, of which we have none: 3 % of a status."""
        return func


def may_be_kept(name: str, value: object) -> bool:
    """Whether an argument of `url_for` says all it does by itself, and is short."""
    if value is None:
        return True
    is_short = isinstance(value, str | int) and len(str(value)) <= LONGEST_KEPT
    return is_short and not name.startswith("_")


class OneStepHMAC(HMACAlgorithm):
    """SHA-1 as itsdangerous signs with it, without an object for each signature."""

    def get_signature(self, key: bytes, value: bytes) -> bytes:
        return hmac.digest(key, value, "sha1")


class OneKeySigner(TimestampSigner):
    """Derives its key once."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.algorithm = OneStepHMAC()
        self.derive_key = cache(super().derive_key)  # type: ignore[method-assign]


class QuickSerializer(URLSafeTimedSerializer):
    """Signs as itsdangerous does, with one signer for all: a third of the time, 7 % of a page."""

    default_signer = OneKeySigner

    def make_signer(self, salt: str | bytes | None = None) -> Signer:
        return self._signer if salt in (None, self.salt) else super().make_signer(salt)

    @cached_property
    def _signer(self) -> Signer:
        return super().make_signer()


# There is one secret key; only tests have more.
@lru_cache(maxsize=16)
def of_sessions(secret_key: str) -> QuickSerializer:
    """Writes sessions as Flask does."""
    made = LazySessionInterface
    options = {"key_derivation": made.key_derivation}
    return QuickSerializer(
        secret_key, salt=made.salt, serializer=made.serializer, signer_kwargs=options
    )


@lru_cache(maxsize=16)
def of_csrf_tokens(secret_key: str) -> QuickSerializer:
    """Writes tokens as Flask-WTF does."""
    return QuickSerializer(secret_key, salt="wtf-csrf-token")


def csrf_token() -> str:
    """The token for the forms of this request, as Flask-WTF makes it and checks it."""
    token: str | None = g.get("csrf_token")
    if token is None:
        if "csrf_token" not in session:
            session["csrf_token"] = secrets.token_hex(20)
        key = current_app.secret_key
        assert isinstance(key, str)
        token = of_csrf_tokens(key).dumps(session["csrf_token"])
        assert isinstance(token, str)
        g.csrf_token = token
    return token


class LazyCSRFProtect(CSRFProtect):  # type: ignore[misc]
    """Looks for exemptions only where a token is needed: 3 % of a status."""

    def init_app(self, app: Flask) -> None:
        super().init_app(app)
        # What these add to each template stands among the globals of all as well: 1 % of a page.
        app.template_context_processors[None].clear()
        self._methods = app.config["WTF_CSRF_METHODS"]

    def protect(self, apply_exemptions: bool = False) -> None:
        if request_context().request.method in self._methods:
            super().protect(apply_exemptions)


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
            response.set_cookie(
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

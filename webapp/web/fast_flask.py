"""What overrides Flask for speed, each with what it gains; without it everything works as well.

Measured in process on SQLite, as the share of one request's time, in interleaved runs, or of its
instructions.
"""

import re
from collections.abc import Callable, Hashable, MutableMapping
from functools import cached_property, lru_cache
from io import BytesIO
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl

from flask import Flask, Request, Response
from flask.ctx import RequestContext
from flask.globals import request_ctx
from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.runtime import Context, Macro
from markupsafe import Markup, escape
from markupsafe import _escape_inner as escape_inner  # type: ignore[attr-defined]
from werkzeug.datastructures import Headers, ImmutableMultiDict
from werkzeug.routing import Map, MapAdapter, Rule
from werkzeug.sansio.http import parse_cookie
from werkzeug.sansio.utils import get_host
from werkzeug.utils import cached_property as werkzeug_property

from webapp.text.templates import Templates
from webapp.web.language import language

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

FORM = "application/x-www-form-urlencoded"
# Those of ours are, but with pictures.
SHORT_FORM = 64 * 1024
NO_BODY = (204, 304)
is_plain_path = re.compile(r"/(?!/)[\w/.~-]*", re.ASCII).fullmatch
# The context of the request, without the proxy around it.
request_context = request_ctx._get_current_object  # type: ignore[attr-defined]

KEPT_PATHS = 4096
LONGEST_KEPT = 64
LONGEST_PATH = 200
# Arguments of views that are no secret.
PUBLIC = {"event_id", "slug"}


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


class FastRequest(Request):
    """Reads a short form and cookies in fewer steps: 3 % of a booking by page."""

    # That of functools has one lock for all requests, before Python 3.12.
    @werkzeug_property
    def cookies(self) -> ImmutableMultiDict[str, str]:
        header = self.environ.get("HTTP_COOKIE")
        return cast(ImmutableMultiDict[str, str], parse_cookie(header, cls=ImmutableMultiDict))

    def _load_form_data(self) -> None:
        text = None if "stream" in self.__dict__ else short_form(self.environ)
        if text is None:
            super()._load_form_data()
        else:
            fields = parse_qsl(text, keep_blank_values=True, errors="werkzeug.url_quote")
            self.__dict__.update(
                stream=BytesIO(), form=ImmutableMultiDict(fields), files=ImmutableMultiDict()
            )


def short_form(environ: "WSGIEnvironment") -> str | None:
    """A form that `bodies` has read whole; none where it is anything else, or broke off."""
    if environ.get("CONTENT_TYPE") != FORM or type(body := environ["wsgi.input"]) is not BytesIO:
        return None
    whole = body.getvalue()
    if environ.get("CONTENT_LENGTH") != str(len(whole)) or len(whole) > SHORT_FORM or body.tell():
        return None
    try:
        return whole.decode()
    except UnicodeDecodeError:
        return None


class FastResponse(Response):
    """Sends its headers as they are where nothing is to be added: 2 % of a page or a booking."""

    @property
    def has_body(self) -> bool:
        """Whether HTTP lets an answer of this status have one."""
        return self.status_code >= 200 and self.status_code not in NO_BODY

    def get_wsgi_headers(self, environ: "WSGIEnvironment") -> Headers:
        seen = {name.lower(): value for name, value in self.headers}
        if (
            self.has_body
            and "content-length" in seen
            and "content-location" not in seen
            and is_plain_path(seen.get("location", "/"))
        ):
            return self.headers
        return super().get_wsgi_headers(environ)


class FastContext(RequestContext):
    """Remembers where public paths lead: 3 % of a status, 2 % of an event page.

    One that holds a reference does not come twice from many, and is its owner's alone.
    """

    app: "FastFlask"

    def match_request(self) -> None:
        request, kept = self.request, self.app._kept_routes
        asked = (request.environ["REQUEST_METHOD"], request.environ["PATH_INFO"])
        known = None if self.url_adapter is None or self.url_adapter.websocket else kept.get(asked)
        if known is not None:
            request.url_rule, request.view_args = known[0], {**known[1]}
            return
        super().match_request()
        values = request.view_args
        if request.url_rule is None or values is None or len(asked[1]) > LONGEST_PATH:
            return
        if PUBLIC.issuperset(values):
            if len(kept) >= KEPT_PATHS:
                kept.clear()
            kept[asked] = (request.url_rule, {**values})


class FastFlask(Flask):
    """A Flask application with the shortcuts of this module."""

    jinja_environment = SharedGlobalsEnvironment
    url_rule_class = LateRule
    request_class = FastRequest
    response_class = FastResponse

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._kept_paths: dict[Hashable, str] = {}
        # {(method, path): (rule, arguments of its view)}
        self._kept_routes: dict[tuple[str, str], tuple[Rule, dict[str, Any]]] = {}

    def request_context(self, environ: "WSGIEnvironment") -> RequestContext:
        return FastContext(self, environ)

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

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Look at a name of this server once, not thrice for each request: 5 % of a status."""
        environ = {} if request is None else request.environ
        host, scheme = environ.get("HTTP_HOST", ""), environ.get("wsgi.url_scheme", "")
        if (
            request is None
            or not 0 < len(host) <= LONGEST_KEPT
            or "HTTP_UPGRADE" in environ
            or self.config["SERVER_NAME"]
            or self.config["TRUSTED_HOSTS"]
            or self.url_map.host_matching
            or self.subdomain_matching
        ):
            return super().create_url_adapter(request)
        request.host, server_name = names_of_server(scheme, host)
        return MapAdapter(
            self.url_map,
            server_name,
            decoded(environ.get("SCRIPT_NAME", "/")),
            self.url_map.default_subdomain,
            scheme,
            decoded(environ.get("PATH_INFO", "/")),
            environ["REQUEST_METHOD"],
            decoded(environ.get("QUERY_STRING", "")),
        )

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Leave out the look for coroutines, of which we have none: 3 % of a status."""
        return func


@lru_cache(maxsize=256)
def names_of_server(scheme: str, host: str) -> tuple[str, str]:
    """A Host header as requests and as routes have it. Raises `BadHost`."""
    named = get_host(scheme, host)
    return named, Map().bind(named).server_name


def decoded(text: str) -> str:
    """A text of the WSGI environment, which stands for its bytes."""
    return text if text.isascii() else text.encode("latin1").decode(errors="replace")


def may_be_kept(name: str, value: object) -> bool:
    """Whether an argument of `url_for` says all it does by itself, and is short."""
    if value is None:
        return True
    is_short = isinstance(value, str | int) and len(str(value)) <= LONGEST_KEPT
    return is_short and not name.startswith("_")

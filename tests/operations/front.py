"""What stands at BASE_URL: the application behind a proxy of any kind, or something else."""

import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from flask import Flask

from tests.support.servers import free_port

Headers = dict[str, str]
Answer = tuple[int, Mapping[str, str], bytes]
VISITOR = "203.0.113.9"


def direct(headers: Headers) -> Headers:
    """No proxy; the server itself takes the two ways to write a name for one, as Granian does."""
    return {name.replace("_", "-"): value for name, value in headers.items()}


def replacing(headers: Headers) -> Headers:
    """A proxy that writes the visitor's address in place of what came, and drops underscores."""
    kept = {name: value for name, value in headers.items() if "_" not in name}
    return {**kept, "X-Forwarded-For": VISITOR}


def careless(headers: Headers) -> Headers:
    """One that passes on names with underscores."""
    folded = headers.get("X_Forwarded_For")
    return {**replacing(headers), "X-Forwarded-For": folded or VISITOR}


@contextmanager
def front(
    app: Flask,
    *,
    way: Callable[[Headers], Headers] = direct,
    answer: Answer | None = None,
    certificate: tuple[Path, Path] | None = None,
) -> Iterator[int]:
    """Serve on a port: the application, reached in a `way`, or always the same `answer`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = answer or (0, {}, b"")
            if answer is None:
                response = app.test_client().get(self.path, headers=way(dict(self.headers)))
                status, headers, body = response.status_code, dict(response.headers), response.data
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Who does not believe the certificate breaks off."""

    with Server(("127.0.0.1", free_port()), Handler) as server:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()

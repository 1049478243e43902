"""The proxies of docs/proxies/ in front of Nextup, with a certificate made on the spot."""

import os
import socket
import ssl
import sys
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.support.mail import make_certificate
from tests.support.servers import ROOT, Server, find_program, free_port

CONFIGURATIONS = ROOT / "docs" / "proxies"
HOST = "tickets.example.org"


class WebProxy(Server):
    """A proxy with TLS on `port` and without on `plain_port`, run on the file that docs/ has.

    What has to be another way here is replaced in it: ports, names of files, Nextup's ports. With
    several of those also the line for a second Nextup is used.
    """

    start_timeout = 20.0
    programs: tuple[str, ...]
    package: str
    file: str

    def __init__(self, directory: Path, *upstream_ports: int) -> None:
        super().__init__(directory)
        self.program = find_program(*self.programs, package=self.package)
        self.upstream_ports = upstream_ports
        self.port, self.plain_port = free_port(), free_port()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def prepare(self) -> None:
        super().prepare()
        certificate, key = make_certificate(self.directory, HOST)
        # HAProxy wants both in one file, and the others do not mind.
        both = self.directory / "both.pem"
        both.write_bytes(certificate.read_bytes() + key.read_bytes())
        text = (CONFIGURATIONS / self.file).read_text()
        one, *two = self.upstream_ports
        changes = {**self.changes(both, key), "127.0.0.1:3000": f"127.0.0.1:{one}"}
        if two:
            changes |= self.second() | {"127.0.0.1:3001": f"127.0.0.1:{two[0]}"}
        for old, new in changes.items():
            assert old in text, f"{self.file}: {old}"
            text = text.replace(old, new)
        (self.directory / self.file).write_text(text)

    @abstractmethod
    def changes(self, certificate: Path, key: Path) -> dict[str, str]:
        """What has to be replaced in the file."""

    def second(self) -> dict[str, str]:
        """What has to be replaced in it for a second Nextup."""
        return {"#server": "server"}

    def environment(self) -> Mapping[str, str]:
        # Where a package was only unpacked its libraries are not found by themselves.
        libraries = Path(self.program).parents[1].glob("lib/*-linux-gnu")
        # Caddy keeps things at home.
        return {
            **os.environ,
            "LD_LIBRARY_PATH": os.pathsep.join(map(str, libraries)),
            "HOME": str(self.directory),
        }

    def ready(self) -> bool:
        context = ssl.create_default_context(cafile=self.directory / "both.pem")
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                context.wrap_socket(connection, server_hostname=HOST).close()
        except OSError:
            return False
        return True


class Nginx(WebProxy):
    programs, package, file = ("nginx",), "nginx", "nginx.conf"

    def changes(self, certificate: Path, key: Path) -> dict[str, str]:
        return {
            "listen 80;": f"listen 127.0.0.1:{self.plain_port};",
            "listen 443 ssl": f"listen 127.0.0.1:{self.port} ssl",
            f"/etc/ssl/{HOST}.pem": str(certificate),
            f"/etc/ssl/{HOST}.key": str(key),
        }

    def prepare(self) -> None:
        super().prepare()
        # The file that a package has around it.
        folders = "\n".join(
            f"{kind}_temp_path {self.directory}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        # Its workers would be somebody else, who may not write into these folders.
        user = "user root;\n" if os.geteuid() == 0 else ""
        (self.directory / "main.conf").write_text(
            f"{user}daemon off; pid {self.directory}/nginx.pid; error_log stderr;\n"
            f"events {{}}\nhttp {{ access_log off;\n{folders}\ninclude {self.file}; }}\n"
        )

    def command(self) -> Sequence[str]:
        return [self.program, "-p", str(self.directory), "-c", "main.conf"]


class HAProxy(WebProxy):
    programs, package, file = ("haproxy",), "haproxy", "haproxy.cfg"

    def changes(self, certificate: Path, key: Path) -> dict[str, str]:
        return {
            "bind :80": f"bind 127.0.0.1:{self.plain_port}",
            "bind :443": f"bind 127.0.0.1:{self.port}",
            f"/etc/haproxy/{HOST}.pem": str(certificate),
        }

    def command(self) -> Sequence[str]:
        return [self.program, "-db", "-f", str(self.directory / self.file)]


class Caddy(WebProxy):
    # As requirements-long.txt brings it, else one that has to be new enough.
    programs = (str(Path(sys.executable).with_name("caddy")), "caddy")
    package, file = "caddy", "Caddyfile"

    def changes(self, certificate: Path, key: Path) -> dict[str, str]:
        # It would have the whole machine trust the authority that it makes for itself.
        alone = "admin off\nskip_install_trust"
        ports = f"{alone}\nhttp_port {self.plain_port}\nhttps_port {self.port}\n"
        site = f"127.0.0.1:{self.port}, {HOST}:{self.port}"
        return {
            f"{HOST} {{": f"{{\n{ports}}}\n{site} {{\n\ttls {certificate} {key}",
        }

    def second(self) -> dict[str, str]:
        return {"\treverse_proxy 127.0.0.1:3000": "\treverse_proxy 127.0.0.1:3000 127.0.0.1:3001"}

    def command(self) -> Sequence[str]:
        file = str(self.directory / self.file)
        return [self.program, "run", "--adapter", "caddyfile", "--config", file]


PROXIES: dict[str, Callable[..., WebProxy]] = {"nginx": Nginx, "haproxy": HAProxy, "caddy": Caddy}

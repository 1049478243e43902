"""Ten thousand visitors who wait for one opening, in its last minute.

A light client that asks as static/waiting.js does, by the figures that stand in it: each visitor
once, at a moment of their own, on a connection of their own, with the entity tag of their page.
"""

import asyncio
import random
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from bench.figures import Figure, Target
from bench.stage import get, new_event
from bench.tasks import PLENTY, Round
from bench.wrk import LoadFailed
from tests.support.servers import ROOT

VISITORS = 10_000
LAST_SECONDS = 60
MOST_PER_SECOND = 300
MOST_MILLISECONDS = 300
PATIENCE_SECONDS = 20
SCRIPT = ROOT / "static" / "waiting.js"


@dataclass(slots=True)
class Seen:
    """What came of the asks: how many in each second, how long each took, with which status."""

    by_second: Counter[int] = field(default_factory=Counter)
    milliseconds: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)

    def p99(self) -> float:
        return sorted(self.milliseconds)[int(0.99 * len(self.milliseconds))]


def looks(visitors: int, chance: random.Random) -> list[float]:
    """How many seconds before the opening each visitor's page asks, earliest first."""
    script = SCRIPT.read_text(encoding="utf-8")
    spread, quiet = (
        int(re.findall(rf"^const {name} = ([0-9]+);$", script, re.MULTILINE)[0])
        for name in ("SPREAD", "QUIET")
    )
    return sorted((quiet + chance.random() * spread for _ in range(visitors)), reverse=True)


def opening(now: Round) -> list[Figure]:
    """The most that 10,000 visitors ask in one of the last 60 seconds, and how long it takes."""
    server = now.stage.single.nextup
    opens = datetime.now(UTC) + timedelta(seconds=LAST_SECONDS + 5)
    event_id = new_event(server, tickets=PLENTY, salesOpenAt=opens.isoformat(timespec="seconds"))
    path = f"/events/{event_id}/availability?form=yes&tickets=1"
    headers = {"HX-Request": "true", "HX-Request-Type": "partial"}
    headers["If-None-Match"] = get(f"{server.url}{path}", headers).headers["ETag"]
    address = urlsplit(server.url).netloc
    lines = [f"GET {path} HTTP/1.1", f"Host: {address}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    asked = ("\r\n".join(lines) + "\r\n\r\n").encode()
    moments = looks(VISITORS, random.Random())
    seen = asyncio.run(_wait(moments, asked, server.port, opens.timestamp()))
    if seen.statuses != {"304": VISITORS}:
        raise LoadFailed(f"wanted 304 for everybody, got {dict(seen.statuses)}")
    who = f"{VISITORS:,} wait for an opening"
    most = max(seen.by_second.values())
    return [
        _at_most(f"{who}: asks in a second of the last minute", most, "/s", MOST_PER_SECOND),
        _at_most(f"{who}: p99", seen.p99(), "ms", MOST_MILLISECONDS),
    ]


async def _wait(moments: list[float], asked: bytes, port: int, opens: float) -> Seen:
    seen = Seen()
    async with asyncio.TaskGroup() as visitors:
        for before in moments:
            await asyncio.sleep(opens - before - time.time())
            # By their own clocks: a client that comes too late would pile them up.
            seen.by_second[int(opens - before)] += 1
            visitors.create_task(_ask(asked, port, seen))
    return seen


async def _ask(asked: bytes, port: int, seen: Seen) -> None:
    began = time.perf_counter()
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(asked)
            answer = await reader.read()
            writer.close()
    except OSError as error:
        seen.statuses[type(error).__name__] += 1
        return
    seen.statuses[answer[9:12].decode("latin-1")] += 1
    seen.milliseconds.append((time.perf_counter() - began) * 1000)


def _at_most(name: str, value: float, unit: str, most: float) -> Figure:
    target = Target(1, at_most=True)
    ratio = value / most
    says = "wanted at most"
    return Figure(name, "1 worker", value, unit, says, most, ratio, target, target.met(ratio))

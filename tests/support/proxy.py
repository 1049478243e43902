"""A proxy in front of MySQL that loses the connection where it hurts: around COMMIT."""

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass
from enum import Enum
from itertools import cycle
from threading import Thread
from typing import Self

HEADER = 4
# Commands as PyMySQL sends them, with a 3 in front for "query". Every batch changes its event.
COMMIT = b"\x03COMMIT"
CHANGE = b"\x03UPDATE event SET"
# Seconds after which a late COMMIT is passed on at the latest.
DELAY = 0.05


class Cut(Enum):
    """When a connection is lost."""

    STATEMENT = "in a transaction, before its COMMIT"
    BEFORE = "the COMMIT never reaches the server"
    DURING = "the COMMIT is sent and nobody waits for the answer"
    AFTER = "the server has committed and its answer is lost"
    LATE = "the COMMIT reaches the server when the client has long gone on"


class Proxy:
    """Passes everything on to a server's port, and cuts what it was told to cut.

    With the ports of several servers each connection goes to the next.

    `cut(kinds, every=n)` loses each nth transaction in one of these ways, in turn; `freeze` stops
    passing anything on, as a hanging server or network does. A COMMIT that is late waits for
    `pass_on`, but no longer than `delay` seconds.
    """

    def __init__(self, *server_ports: int, delay: float = DELAY) -> None:
        self.port = 0
        self._delay = delay
        self.done: Counter[Cut] = Counter()
        self._server_ports = cycle(server_ports)
        self._kinds: tuple[Cut, ...] = ()
        self._every = 0
        self._seen = 0
        self._serving: set[asyncio.Task[None] | None] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(self, *exception: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def cut(self, *kinds: Cut, every: int) -> None:
        """Lose every nth transaction from now on; without kinds none."""
        self._every, self._kinds = every, kinds

    def freeze(self) -> None:
        self._loop.call_soon_threadsafe(self._thawed.clear)

    def thaw(self) -> None:
        self._loop.call_soon_threadsafe(self._thawed.set)

    def pass_on(self) -> None:
        """Let every COMMIT that is late arrive now."""
        self._loop.call_soon_threadsafe(self._passed_on.set)

    async def _start(self) -> None:
        self._passed_on = asyncio.Event()
        self._thawed = asyncio.Event()
        self._thawed.set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """One connection, until either side ends it or it is cut."""
        writers: list[asyncio.StreamWriter] = [to_client]
        pumps: list[asyncio.Task[None]] = []
        # The loop itself would let go of a task whose client has gone.
        serving = asyncio.current_task()
        self._serving.add(serving)
        try:
            server, to_server = await asyncio.open_connection("127.0.0.1", next(self._server_ports))
            writers.append(to_server)
            link = _Link(to_client)
            pumps = [
                asyncio.create_task(self._questions(client, to_server, link)),
                asyncio.create_task(self._answers(server, to_client, link)),
            ]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            for writer in writers:
                # At once, as a lost connection is, whatever is still on its way.
                writer.transport.abort()
            self._serving.discard(serving)

    async def _questions(
        self, client: asyncio.StreamReader, to_server: asyncio.StreamWriter, link: "_Link"
    ) -> None:
        while True:
            header = await client.readexactly(HEADER)
            packet = await client.readexactly(int.from_bytes(header[:3], "little"))
            await self._thawed.wait()
            if header[3] == 0 and packet.startswith(CHANGE):
                link.plan = self._next_cut()
            cut = link.plan if link.plan is Cut.STATEMENT or packet == COMMIT else None
            if cut:
                self.done[cut] += 1
            if cut in (Cut.STATEMENT, Cut.BEFORE):
                return
            link.deaf = cut in (Cut.AFTER, Cut.LATE)
            if cut is Cut.LATE:
                link.to_client.transport.abort()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._passed_on.wait(), self._delay)
            to_server.write(header + packet)
            await to_server.drain()
            if cut is Cut.DURING:
                return
            if cut is Cut.LATE:
                await asyncio.Event().wait()  # until the server has answered and all ends

    async def _answers(
        self, server: asyncio.StreamReader, to_client: asyncio.StreamWriter, link: "_Link"
    ) -> None:
        while data := await server.read(1 << 16):
            await self._thawed.wait()
            if link.deaf:
                return
            to_client.write(data)
            await to_client.drain()

    def _next_cut(self) -> Cut | None:
        self._seen += 1
        if not self._kinds or self._seen % self._every:
            return None
        return self._kinds[self._seen // self._every % len(self._kinds)]


@dataclass(slots=True)
class _Link:
    """A connection: what will become of its transaction, and whether an answer is to be lost."""

    to_client: asyncio.StreamWriter
    plan: Cut | None = None
    deaf: bool = False

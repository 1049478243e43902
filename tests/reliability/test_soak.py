"""Everything that can go wrong, again and again: `bin/test --long` (SOAK_SECONDS, else 300)."""

import os
import random
import signal
from collections import Counter
from collections.abc import Callable

import pytest

from tests.reliability.test_crashes import StartSite, loaded
from tests.support.proxy import Cut, Proxy
from tests.support.servers import MariaDB
from tests.support.site import Load, now, through

CLIENTS = 24
WORKERS = 3
CAPACITY = 300
# Requests about one event between two troubles, and troubles about one event.
CALM, TROUBLES = 400, 4


@pytest.mark.long
def test_nothing_is_lost_however_often_things_break(
    durable_server: MariaDB,
    fresh_url: str,
    start_site: StartSite,
    capsys: pytest.CaptureFixture[str],
) -> None:
    deadline = now() + float(os.environ.get("SOAK_SECONDS", "300"))
    choose = random.Random(1)
    count: Counter[str] = Counter()
    longest = 0.0
    with Proxy(durable_server.port) as proxy:
        site = start_site(
            fresh_url, reached_by=through(fresh_url, proxy.port), WORKERS=str(WORKERS)
        )
        proxy.cut(*Cut, every=20)

        def kill_worker(load: Load) -> None:
            os.kill(choose.choice(site.server.worker_pids()), signal.SIGKILL)

        def kill_database(load: Load) -> None:
            durable_server.kill()
            load.until_refused(CLIENTS)
            durable_server.start()

        def hang(load: Load) -> None:
            proxy.freeze()
            load.until_refused(CLIENTS)
            proxy.thaw()

        troubles: list[Callable[[Load], None]] = [kill_worker, kill_worker, kill_database, hang]
        while now() < deadline:
            history = site.make_event(CAPACITY)
            with loaded(site, history, clients=CLIENTS) as load:
                for _ in range(TROUBLES):
                    load.until_done(CALM)
                    trouble = choose.choice(troubles)
                    trouble(load)
                    count[trouble.__name__] += 1
                load.until_done(CALM)
            assert site.judge(history, refusals=True) == []
            count["events"] += 1
            count["requests"] += len(history.asked)
            count["told done"] += history.done
            count["without an answer"] += sum(asked.status == 0 for asked in history.asked)
            count["503"] += history.refused
            longest = max(longest, history.longest)
        site.server.stop()
    cuts = sum(proxy.done.values())
    with capsys.disabled():
        print(f"\n{CLIENTS} clients, {WORKERS} workers: {dict(count)}, {cuts} connections cut,")
        print(f"longest wait {longest:.1f} s, lost: 0")

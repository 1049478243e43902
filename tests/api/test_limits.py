"""Limits: exact under threads, told in headers, and never in the way when Redis is."""

import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from flask import Flask
from redis.exceptions import RedisError

from tests.api.conftest import Api
from tests.support.servers import Redis, wait_until
from webapp.storage.batcher import Batcher
from webapp.web.counters import Counters, MemoryCounters
from webapp.web.redis_counters import RedisCounters

LIMIT = "X-RateLimit-Limit"
REMAINING = "X-RateLimit-Remaining"
RESET = "X-RateLimit-Reset"
UNKNOWN = {"userId": 1, "eventId": 999}


def in_threads(work: Callable[[], object], *, threads: int = 32) -> None:
    """Run `work` in many threads that take turns as often as Python can make them."""
    workers = [threading.Thread(target=work) for _ in range(threads)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    finally:
        sys.setswitchinterval(interval)


def test_default_is_a_hundred_in_fifteen_minutes(make_api: Callable[..., Api]) -> None:
    api = make_api(RATELIMIT_DEFAULT="")
    answers = [api.post("/events/book", UNKNOWN) for _ in range(102)]
    assert [r.status_code for r in answers] == [404] * 100 + [429] * 2
    assert [int(r.headers[REMAINING]) for r in answers] == [*range(99, -1, -1), 0, 0]
    assert {r.headers[LIMIT] for r in answers} == {"100"}
    reset = {int(r.headers[RESET]) for r in answers}
    assert len(reset) == 1
    refused = answers[-1]
    assert refused.get_json()["code"] == "rate_limited"
    assert 0 < int(refused.headers["Retry-After"]) <= 900
    assert 0 < reset.pop() - time.time() <= 901


def test_every_call_counts_whatever_its_answer(make_api: Callable[..., Api]) -> None:
    api = make_api(RATELIMIT_DEFAULT="6 per minute")
    answers = [
        api.get("/events"),
        api.get("/events/status/1"),
        api.post("/events/book", data="{", content_type="application/json"),
        api.post("/events/cancel", data="", content_type="text/plain"),
        api.post("/events/initialize", {}),
        api.get("/bookings/x"),
        api.get("/events"),
    ]
    assert [r.status_code for r in answers] == [200, 404, 400, 400, 401, 404, 429]
    assert all(REMAINING in r.headers for r in answers)


def test_reading_about_the_api_is_not_counted(make_api: Callable[..., Api]) -> None:
    api = make_api(RATELIMIT_DEFAULT="1 per minute")
    for _ in range(3):
        assert api.client.get("/api/openapi.json").status_code == 200
        assert api.client.get("/api/docs").status_code == 200
    assert api.get("/events").status_code == 200


def test_each_client_has_a_budget_of_its_own(make_api: Callable[..., Api]) -> None:
    api = make_api(RATELIMIT_DEFAULT="1 per minute")

    def codes(*addresses: str) -> list[int]:
        overrides = [{"REMOTE_ADDR": address} for address in addresses]
        return [api.get("/events", environ_overrides=o).status_code for o in overrides]

    assert codes("192.0.2.1", "192.0.2.2", "192.0.2.1") == [200, 200, 429]
    # A customer has a whole network of IPv6.
    assert codes("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1") == [200, 429, 200]
    assert codes("::ffff:192.0.2.2", "fe80::1%eth0") == [429, 200]
    # What is no address is nobody in particular, whatever it is called.
    assert codes("unix", "", "unknown", "1.2.3", "x" * 10_000) == [200, 429, 429, 429, 429]


def test_forwarded_address_counts_only_behind_a_trusted_proxy(
    make_api: Callable[..., Api],
) -> None:
    forwarded = [{"X-Forwarded-For": f"192.0.2.{number}"} for number in range(3)]
    plain = make_api(RATELIMIT_DEFAULT="1 per minute")
    assert [plain.get("/events", headers=h).status_code for h in forwarded] == [200, 429, 429]
    proxied = make_api(RATELIMIT_DEFAULT="1 per minute", TRUSTED_PROXIES="1")
    assert [proxied.get("/events", headers=h).status_code for h in forwarded] == [200] * 3
    lie = {"X-Forwarded-For": "198.51.100.1, 192.0.2.2"}
    assert proxied.get("/events", headers=lie).status_code == 429


@pytest.mark.parametrize(
    ("forwarded", "same"),
    [
        ("192.0.2.1", "192.0.2.1:5678"),
        ("192.0.2.1:1", "192.0.2.1:65535"),
        ("2001:db8::1", "[2001:db8::2]:80"),
        ("[2001:db8::1]", '"[2001:db8::1]:443"'),
        ("192.0.2.1", "[::ffff:192.0.2.1]:80"),
        ("198.51.100.7, 192.0.2.1", "198.51.100.8, 192.0.2.1:80"),
    ],
)
def test_port_that_a_proxy_tells_is_no_other_client(
    make_api: Callable[..., Api], forwarded: str, same: str
) -> None:
    api = make_api(RATELIMIT_DEFAULT="1 per minute", TRUSTED_PROXIES="1")
    asked = [forwarded, same, "192.0.2.99:5678", "[2001:db8:9::]:80"]
    answers = [api.get("/events", headers={"X-Forwarded-For": address}) for address in asked]
    assert [answer.status_code for answer in answers] == [200, 429, 200, 200]


@pytest.mark.parametrize("nonsense", ["unknown", "_hidden", ":", "[", "[]:", "[x]:80", "%", "::%"])
def test_proxy_that_tells_no_address_is_answered(
    make_api: Callable[..., Api], nonsense: str
) -> None:
    api = make_api(TRUSTED_PROXIES="1")
    assert api.get("/events", headers={"X-Forwarded-For": nonsense}).status_code == 200


def test_organizer_has_a_larger_budget_from_anywhere(make_api: Callable[..., Api]) -> None:
    api = make_api(RATELIMIT_DEFAULT="2 per minute")
    ada, eve = api.organizer("ada"), api.organizer("eve")
    anonymous = [api.get("/events").status_code for _ in range(3)]
    assert anonymous == [200, 200, 429]
    answers = [
        api.get("/events", headers=ada, environ_overrides={"REMOTE_ADDR": f"192.0.2.{number}"})
        for number in range(21)
    ]
    assert [r.status_code for r in answers] == [200] * 20 + [429]
    assert answers[0].headers[LIMIT] == "20"
    assert api.get("/events", headers=eve).status_code == 200


def test_wrong_credentials_are_counted_for_the_client(make_api: Callable[..., Api]) -> None:
    api = make_api(RATELIMIT_DEFAULT="2 per minute")
    wrong = {"Authorization": "Bearer wrong"}
    codes = [api.get("/events", headers=wrong).status_code for _ in range(3)]
    assert codes == [401, 401, 429]


def test_several_limits_hold_together(make_api: Callable[..., Api]) -> None:
    api = make_api(RATELIMIT_DEFAULT="5 per hour; 2 per 1 second")
    first, second, third = (api.get("/events") for _ in range(3))
    assert [r.status_code for r in (first, second, third)] == [200, 200, 429]
    assert third.headers[LIMIT] == "2"
    assert int(third.headers["Retry-After"]) == 1


def test_limiter_can_be_switched_off(make_api: Callable[..., Api]) -> None:
    make_api()  # the test fixture resets a limiter that has been on before
    api = make_api(RATELIMIT_DEFAULT="1 per minute", RATELIMIT_ENABLED="false")
    answers = [api.get("/events") for _ in range(3)]
    assert [r.status_code for r in answers] == [200] * 3
    assert LIMIT not in answers[0].headers
    wrong = {"Authorization": "Basic YTpi"}
    assert api.get("/events", headers=wrong).status_code == 401


def test_exactly_the_limit_passes_when_32_threads_ask(make_api: Callable[..., Api]) -> None:
    api = make_api(RATELIMIT_DEFAULT="100 per 15 minutes")
    codes: list[int] = []

    def ask() -> None:
        client = api.app.test_client()
        for _ in range(8):
            codes.append(client.get("/api/events/status/1").status_code)

    in_threads(ask)
    assert (codes.count(404), codes.count(429)) == (100, 156)


def test_network_books_so_many_tickets_of_an_event_freely(make_api: Callable[..., Api]) -> None:
    api = make_api(BOOKINGS_FREELY="5", TRUSTED_PROXIES="1")
    owner = api.organizer()
    event_id, other = api.event(owner), api.event(owner)

    def book(user: str, tickets: int, event_id: int = event_id, **headers: str) -> int:
        sent = {"X-Forwarded-For": "192.0.2.1"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        body = {"userId": user, "eventId": event_id, "tickets": tickets}
        answer = api.post("/events/book", body, headers=sent)
        if answer.status_code == 429:
            assert answer.get_json()["code"] == "rate_limited"
            assert 0 < int(answer.headers["Retry-After"]) <= 900
        return answer.status_code

    # What is not booked is not counted, nor what is asked for again.
    first = partial(book, "a", 3, Idempotency_Key="the first")
    assert [first(), first(), book("a", 1)] == [201, 201, 409]
    assert [book("b", -7), book("b", 99), book("b", 3)] == [400, 429, 429]
    assert [book("b", 2), book("c", 1)] == [201, 429]
    assert book("c", 1, other) == 201
    assert book("c", 1, X_Forwarded_For="192.0.2.2") == 201
    assert book("d", 9, Authorization=owner["Authorization"]) == 201
    assert [first(), book("e", 1)] == [201, 429]


def test_threads_of_one_network_book_exactly_so_many(make_api: Callable[..., Api]) -> None:
    api = make_api(BOOKINGS_FREELY="20")
    event_id = api.event(api.organizer())
    numbers = itertools.count(1)
    codes: list[int] = []

    def book() -> None:
        client = api.app.test_client()
        for _ in range(2):
            body = {"userId": next(numbers), "eventId": event_id}
            codes.append(client.post("/api/events/book", json=body).status_code)

    in_threads(book)
    assert (codes.count(201), codes.count(429)) == (20, 44)
    assert api.status(event_id)["bookedTickets"] == 20


def test_counters_in_memory_are_exact_and_forget() -> None:
    counters = MemoryCounters()
    passed: list[bool] = []
    in_threads(lambda: passed.extend(counters.hit("a", 60).hits <= 5000 for _ in range(500)))
    assert passed.count(True) == 5000
    assert counters.get("a") == 16_000


def test_window_begins_anew_after_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    counters = MemoryCounters()
    now = time.time()
    monkeypatch.setattr("webapp.web.counters.time.time", lambda: now)
    assert [counters.hit("a", 60).hits for _ in range(3)] == [1, 2, 3]
    assert counters.hit("a", 60).resets_at == now + 60
    now += 59.9
    assert (counters.hit("a", 60).hits, counters.get("a")) == (5, 5)
    now += 0.1
    assert counters.get("a") == 0
    assert counters.hit("a", 60) == (1, now + 60)


def test_counters_in_memory_do_not_grow_with_past_clients(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counters = MemoryCounters()
    now = time.time()
    monkeypatch.setattr("webapp.web.counters.time.time", lambda: now)
    largest = 0
    for number in range(100_000):
        now += 1
        counters.hit(str(number), 900)
        largest = max(largest, counters.size)
    assert largest < 2_500


def test_counters_in_memory_are_bounded_and_the_oldest_give_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("webapp.web.counters.MOST_WINDOWS", 5_000)
    counters = MemoryCounters()
    largest = 0
    for number in range(20_000):
        assert counters.hit(str(number), 900).hits == 1
        assert counters.hit(str(number), 900).hits == 2
        largest = max(largest, counters.size)
    assert largest == 5_000
    assert [counters.get(str(number)) for number in (0, 19_999 - 2_000, 19_999)] == [0, 2, 2]


def test_who_is_only_looked_at_takes_no_memory() -> None:
    counters = MemoryCounters()
    for number in range(100):
        assert counters.hit(str(number), 900, 0).hits == 0
    assert counters.size == 0


def count_in_redis(server: Redis) -> Counters:
    return RedisCounters(f"redis://127.0.0.1:{server.port}")


@pytest.mark.parametrize(
    "make", [lambda _: MemoryCounters(), count_in_redis], ids=["memory", "redis"]
)
def test_what_is_taken_back_was_never_counted(
    redis_server: Redis, make: Callable[[Redis], Counters]
) -> None:
    """Taken back too late, it frees nothing of the window that has begun since."""
    counters = make(redis_server)
    assert [counters.hit("back", 60, amount).hits for amount in (1, 1, -1, 1)] == [1, 2, 1, 2]
    assert [counters.hit("late", 60, amount).hits for amount in (-1, -1, 0, 1)] == [0, 0, 0, 1]


def test_shared_counters_are_exact(redis_server: Redis) -> None:
    uri = f"redis://127.0.0.1:{redis_server.port}"
    counters = [RedisCounters(uri) for _ in range(2)]
    passed: list[bool] = []

    def hit() -> None:
        for _ in range(16):
            passed.extend(one.hit("exact", 60).hits <= 400 for one in counters)

    in_threads(hit)
    assert (passed.count(True), len(passed)) == (400, 1024)
    window = counters[0].hit("exact", 60)
    assert 0 < window.resets_at - time.time() <= 60


def test_redis_is_asked_once_per_request(make_api: Callable[..., Api], redis_server: Redis) -> None:
    api = make_api(
        RATELIMIT_STORAGE_URI=f"redis://127.0.0.1:{redis_server.port}",
        RATELIMIT_DEFAULT="100 per 15 minutes",
    )
    storage = RedisCounters(f"redis://127.0.0.1:{redis_server.port}")
    api.get("/events")

    def asked() -> int:
        calls = storage.storage.info("commandstats")
        return int(calls.get("cmdstat_evalsha", {}).get("calls", 0))

    before = asked()
    answers = [api.get("/events") for _ in range(10)]
    assert asked() - before == 10
    assert [int(r.headers[REMAINING]) for r in answers] == [*range(98, 88, -1)]


def test_who_counts_at_the_same_time_shares_a_round_trip(
    redis_server: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = RedisCounters(f"redis://127.0.0.1:{redis_server.port}")
    ask, go_on = storage._count, threading.Event()
    sizes: list[int] = []

    def held(keys: list[str], numbers: list[int]) -> Any:
        sizes.append(len(keys))
        assert go_on.wait(10)
        return ask(keys, numbers)

    monkeypatch.setattr(storage, "_count", held)
    with ThreadPoolExecutor(6) as pool:
        counted = [pool.submit(storage.hit, "shared/a", 60)]
        assert wait_until(lambda: sizes == [1], timeout=10)
        counted += [pool.submit(storage.hit, "shared/a", 60) for _ in range(3)]
        counted += [pool.submit(storage.hit, "shared/b", 900, 5) for _ in range(2)]
        assert wait_until(lambda: len(storage._hits._queues[None]) == 5, timeout=10)
        go_on.set()
        windows = [future.result(10) for future in counted]
    assert sizes == [1, 5]
    assert sorted(window.hits for window in windows[:4]) == [1, 2, 3, 4]
    assert sorted(window.hits for window in windows[4:]) == [5, 10]
    now = time.time()
    assert all(50 < window.resets_at - now <= 60 for window in windows[:4])
    assert all(890 < window.resets_at - now <= 900 for window in windows[4:])


def test_who_loses_patience_in_the_queue_is_counted_here(
    redis_server: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = RedisCounters(f"redis://127.0.0.1:{redis_server.port}")
    ask, asking, go_on = storage._count, threading.Event(), threading.Event()

    def held(keys: list[str], numbers: list[int]) -> Any:
        asking.set()
        assert go_on.wait(10)
        return ask(keys, numbers)

    monkeypatch.setattr(storage, "_count", held)
    monkeypatch.setattr(storage, "_hits", Batcher(storage._count_all, patience=0.01))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(storage.hit, "impatient", 60, 5)
        assert asking.wait(10)
        assert storage.hit("impatient", 60).hits == 1
        go_on.set()
        assert first.result(10).hits == 5


def test_nobody_waits_for_who_asks_whether_redis_is_back(
    redis_server: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webapp.web.redis_counters.REDIS_REST_SECONDS", 0)
    storage = RedisCounters(f"redis://127.0.0.1:{redis_server.port}")
    asking, go_on = threading.Event(), threading.Event()

    def away(keys: list[str], numbers: list[int]) -> Any:
        asking.set()
        assert go_on.wait(10)
        raise RedisError

    go_on.set()
    monkeypatch.setattr(storage, "_count", away)
    assert storage.hit("away", 60).hits == 1
    go_on.clear()
    asking.clear()
    with ThreadPoolExecutor(2) as pool:
        probe = pool.submit(storage.hit, "away", 60)
        assert asking.wait(10)
        storage._ask_again_at = time.monotonic() + 60
        # Sooner than a queue would lose its patience.
        assert pool.submit(storage.hit, "away", 60).result(2).hits == 2
        assert not probe.done()
        go_on.set()
        assert probe.result(10).hits == 3


@pytest.mark.parametrize("how", ["gone", "hanging"])
def test_calls_go_on_while_redis_is_away(
    make_app: Callable[..., Flask],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    monkeypatch.setattr("webapp.web.redis_counters.REDIS_REST_SECONDS", 0.5)
    with Redis(tmp_path_factory.mktemp("redis")) as server:
        uri = f"redis://127.0.0.1:{server.port}"
        api = Api(make_app(RATELIMIT_STORAGE_URI=uri, RATELIMIT_DEFAULT="3 per minute"))
        assert [api.get("/events").status_code for _ in range(2)] == [200, 200]
        if how == "gone":
            server.kill()
        else:
            os.kill(server.pid, signal.SIGSTOP)
        began = time.monotonic()
        answers = [api.get("/events") for _ in range(4)]
        assert time.monotonic() - began < 3
        # This process goes on counting for itself.
        assert [r.status_code for r in answers] == [200, 200, 200, 429]
        if how == "gone":
            server.start()
        else:
            os.kill(server.pid, signal.SIGCONT)
        time.sleep(0.6)
        left = int(api.get("/events").headers[REMAINING])
        assert left == (2 if how == "gone" else 0)


def test_application_starts_while_redis_is_away(make_api: Callable[..., Api]) -> None:
    api = make_api(RATELIMIT_STORAGE_URI="redis://127.0.0.1:1", RATELIMIT_DEFAULT="1 per minute")
    assert [api.get("/events").status_code for _ in range(2)] == [200, 429]

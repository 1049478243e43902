"""How concurrent work is merged: no sleeping, every step waits for the one before it."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from webapp.errors import Unavailable
from webapp.storage.batcher import WAKE_FAN_OUT, Batcher

SOON = 10.0


class Runner:
    """A `run` that notes its batches and waits, where told to, until it is let go."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, list[int]]] = []
        self.by: list[int] = []
        self.entered = threading.Semaphore(0)
        self.go_on = threading.Semaphore(0)
        self.holding = True
        self.answer: Callable[[int], int | Exception] = lambda entry: entry * 10

    def __call__(self, key: str, entries: list[int]) -> Sequence[int | Exception]:
        self.batches.append((key, list(entries)))
        self.by.append(threading.get_ident())
        self.entered.release()
        if self.holding:
            assert self.go_on.acquire(timeout=SOON)
        return [self.answer(entry) for entry in entries]

    def wait_until_entered(self) -> None:
        assert self.entered.acquire(timeout=SOON)

    def let_all_go(self) -> None:
        self.holding = False
        self.go_on.release(1000)


class Crowd:
    """Callers in threads of their own, each known to have taken its seat before the next comes."""

    def __init__(self, group: Batcher[str, int, int], *, threads: int = 16) -> None:
        self.group = group
        self.pool = ThreadPoolExecutor(threads)

    def submit(self, entry: int, key: str = "event") -> "Future[int]":
        return self.pool.submit(self.group.submit, key, entry)

    def queue(self, entry: int, key: str = "event") -> "Future[int]":
        """Submit behind a leader and return once the entry is in the queue."""
        before = len(self.group._queues[key])
        future = self.submit(entry, key)
        wait_for(lambda: len(self.group._queues[key]) > before)
        return future


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = threading.Event()
    timer = threading.Timer(SOON, deadline.set)
    timer.start()
    while not condition():
        assert not deadline.wait(0.0005), "it never happened"
    timer.cancel()


@pytest.fixture
def runner() -> Runner:
    return Runner()


@pytest.fixture
def group(runner: Runner) -> Batcher[str, int, int]:
    return Batcher(runner, largest_batch=4, patience=SOON)


def test_first_caller_runs_at_once_and_alone(runner: Runner, group: Batcher[str, int, int]) -> None:
    runner.let_all_go()
    assert group.submit("event", 1) == 10
    assert group.submit("event", 2) == 20
    assert runner.batches == [("event", [1]), ("event", [2])]
    assert set(runner.by) == {threading.get_ident()}


def test_who_arrives_meanwhile_is_merged_in_order_and_gets_its_own_result(
    runner: Runner, group: Batcher[str, int, int]
) -> None:
    crowd = Crowd(group)
    first = crowd.submit(1)
    runner.wait_until_entered()
    others = [crowd.queue(entry) for entry in (2, 3, 4)]
    runner.let_all_go()
    assert [future.result(SOON) for future in (first, *others)] == [10, 20, 30, 40]
    assert runner.batches == [("event", [1]), ("event", [2, 3, 4])]


def test_batch_is_no_larger_than_allowed(runner: Runner, group: Batcher[str, int, int]) -> None:
    crowd = Crowd(group)
    futures = [crowd.submit(0)]
    runner.wait_until_entered()
    futures += [crowd.queue(entry) for entry in range(1, 10)]
    runner.let_all_go()
    assert [future.result(SOON) for future in futures] == [entry * 10 for entry in range(10)]
    assert [entries for _, entries in runner.batches] == [
        [0],
        [1, 2, 3, 4],
        [5, 6, 7, 8],
        [9],
    ]


def test_leader_is_answered_after_its_own_batch_and_hands_the_lead_on(
    runner: Runner, group: Batcher[str, int, int]
) -> None:
    crowd = Crowd(group)
    first = crowd.submit(1)
    runner.wait_until_entered()
    second = crowd.queue(2)
    runner.go_on.release()
    # The second batch is still held, so the first leader is not the one who runs it.
    runner.wait_until_entered()
    assert first.result(SOON) == 10
    assert not second.done()
    third = crowd.queue(3)
    runner.let_all_go()
    assert (second.result(SOON), third.result(SOON)) == (20, 30)
    assert runner.by[0] != runner.by[1] != runner.by[2]


def test_nobody_is_answered_before_the_batch_that_holds_them_has_run(
    runner: Runner, group: Batcher[str, int, int]
) -> None:
    crowd = Crowd(group)
    first = crowd.submit(1)
    runner.wait_until_entered()
    followers = [crowd.queue(2), crowd.queue(3)]
    runner.go_on.release()
    runner.wait_until_entered()
    first.result(SOON)
    assert not any(future.done() for future in followers)
    runner.let_all_go()
    assert [future.result(SOON) for future in followers] == [20, 30]


def test_refusal_reaches_its_own_caller_alone(
    runner: Runner, group: Batcher[str, int, int]
) -> None:
    runner.answer = lambda entry: LookupError(str(entry)) if entry == 3 else entry * 10
    crowd = Crowd(group)
    first = crowd.submit(1)
    runner.wait_until_entered()
    others = [crowd.queue(entry) for entry in (2, 3, 4)]
    runner.let_all_go()
    assert first.result(SOON) == 10
    assert others[0].result(SOON) == 20
    with pytest.raises(LookupError, match="3"):
        others[1].result(SOON)
    assert others[2].result(SOON) == 40


def test_everybody_in_a_large_batch_is_told(runner: Runner) -> None:
    group: Batcher[str, int, int] = Batcher(runner)
    runner.answer = lambda entry: LookupError(str(entry)) if entry % 3 == 0 else entry * 10
    crowd = Crowd(group, threads=3 * WAKE_FAN_OUT)
    first = crowd.submit(1)
    runner.wait_until_entered()
    others = {entry: crowd.queue(entry) for entry in range(2, 3 * WAKE_FAN_OUT)}
    runner.let_all_go()
    assert first.result(SOON) == 10
    for entry, future in others.items():
        if entry % 3:
            assert future.result(SOON) == entry * 10
        else:
            with pytest.raises(LookupError, match=str(entry)):
                future.result(SOON)
    assert [len(entries) for _, entries in runner.batches] == [1, 3 * WAKE_FAN_OUT - 2]


class Interrupted(BaseException):
    """Something that is not an Exception, as Ctrl-C is."""


@pytest.mark.parametrize("failure", [RuntimeError("no"), Interrupted("no")])
def test_failed_batch_fails_all_of_it_and_nobody_else(
    runner: Runner, group: Batcher[str, int, int], failure: BaseException
) -> None:
    def answer(entry: int) -> int:
        if entry == 2:
            raise failure
        return entry * 10

    runner.answer = answer
    crowd = Crowd(group)
    first = crowd.submit(1)
    runner.wait_until_entered()
    failing = [crowd.queue(entry) for entry in (2, 3, 4, 5)]
    later = crowd.queue(6)
    runner.let_all_go()
    assert first.result(SOON) == 10
    for future in failing:
        with pytest.raises(type(failure)):
            future.result(SOON)
    assert later.result(SOON) == 60
    runner.answer = lambda entry: entry
    assert group.submit("event", 7) == 7


def test_run_that_answers_too_few_fails_the_batch_and_leaves_nobody_waiting() -> None:
    group: Batcher[str, int, int] = Batcher(lambda key, entries: entries[1:])
    with pytest.raises(ValueError, match="zip"):
        group.submit("event", 1)
    with pytest.raises(ValueError, match="zip"):
        group.submit("event", 2)


def test_patience_that_was_spent_elsewhere_is_not_had_again(runner: Runner) -> None:
    group: Batcher[str, int, int] = Batcher(runner, patience=SOON)
    crowd = Crowd(group)
    first = crowd.submit(1)
    runner.wait_until_entered()
    began = time.monotonic()
    with pytest.raises(Unavailable):
        group.submit("event", 2, elapsed=SOON)
    assert time.monotonic() - began < SOON
    runner.let_all_go()
    assert first.result(SOON) == 10
    assert runner.batches == [("event", [1])]


def test_entry_that_is_not_taken_up_in_time_withdraws_and_never_runs(runner: Runner) -> None:
    group: Batcher[str, int, int] = Batcher(runner, patience=0.01)
    crowd = Crowd(group)
    first = crowd.submit(1)
    runner.wait_until_entered()
    second = crowd.submit(2)
    with pytest.raises(Unavailable):
        second.result(SOON)
    runner.let_all_go()
    assert first.result(SOON) == 10
    assert group.submit("event", 3) == 30
    assert [entries for _, entries in runner.batches] == [[1], [3]]


def test_entry_that_is_taken_waits_for_its_outcome_however_long(runner: Runner) -> None:
    group: Batcher[str, int, int] = Batcher(runner, patience=1.0)
    crowd = Crowd(group)
    first = crowd.submit(1)
    runner.wait_until_entered()
    second, third = crowd.queue(2), crowd.queue(3)
    runner.go_on.release()
    runner.wait_until_entered()
    assert first.result(SOON) == 10
    # Both are in the batch that runs now; their patience ends while it does.
    with pytest.raises(TimeoutError):
        third.result(1.2)
    assert not second.done()
    runner.let_all_go()
    assert (second.result(SOON), third.result(SOON)) == (20, 30)


def test_keys_do_not_wait_for_each_other(runner: Runner, group: Batcher[str, int, int]) -> None:
    crowd = Crowd(group)
    hot = crowd.submit(1, "hot")
    runner.wait_until_entered()
    quiet = crowd.submit(2, "quiet")
    runner.wait_until_entered()
    runner.go_on.release(2)
    assert (hot.result(SOON), quiet.result(SOON)) == (10, 20)
    assert sorted(runner.batches) == [("hot", [1]), ("quiet", [2])]


def test_idle_keys_are_forgotten(runner: Runner, group: Batcher[str, int, int]) -> None:
    runner.let_all_go()
    for number in range(100):
        group.submit(f"event {number}", number)
    assert not group._queues


@pytest.mark.parametrize("keys", [1, 7])
def test_storm_answers_everybody_once_and_batches_of_a_key_never_overlap(keys: int) -> None:
    threads, each = 24, 100
    running = dict.fromkeys(range(keys), 0)
    done: dict[int, list[int]] = {key: [] for key in range(keys)}

    def run(key: int, entries: list[int]) -> list[int | Exception]:
        running[key] += 1
        assert running[key] == 1, "two batches of one key at once"
        done[key] += entries
        running[key] -= 1
        return [LookupError() if entry % 5 == 0 else entry for entry in entries]

    group: Batcher[int, int, int] = Batcher(run, largest_batch=8, patience=60)

    def call(thread: int) -> int:
        refused = 0
        for entry in range(thread * each, (thread + 1) * each):
            try:
                assert group.submit(entry % keys, entry) == entry
            except LookupError:
                refused += 1
                assert entry % 5 == 0
        return refused

    with ThreadPoolExecutor(threads) as pool:
        refused = sum(pool.map(call, range(threads)))
    assert refused == threads * each // 5
    assert sorted(entry for entries in done.values() for entry in entries) == list(
        range(threads * each)
    )
    assert not group._queues


def test_storm_of_the_impatient_loses_no_entry_and_runs_no_withdrawn_one() -> None:
    ran: list[int] = []
    pause = threading.Event()

    def run(key: str, entries: list[int]) -> list[int | Exception]:
        pause.wait(0.002)
        ran.extend(entries)
        return list(entries)

    group: Batcher[str, int, int] = Batcher(run, largest_batch=2, patience=0.004)

    def call(entry: int) -> int | None:
        try:
            return group.submit("event", entry)
        except Unavailable:
            return None

    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(call, range(600)))
    assert sorted(ran) == [answer for answer in answers if answer is not None]
    assert None in answers
    assert not group._queues

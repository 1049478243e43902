"""Random bytes that are fetched ahead are given out once: to one thread, in one process."""

import multiprocessing
from concurrent.futures import ThreadPoolExecutor

from webapp.booking.codes import FETCHED, SIZE, new_reference, random_bytes


def test_no_two_threads_are_given_the_same_bytes() -> None:
    count = 40 * FETCHED
    with ThreadPoolExecutor(8) as pool:
        given = list(pool.map(lambda _: random_bytes(), range(count)))
    assert {len(each) for each in given} == {SIZE}
    assert len(set(given)) == count


def test_a_child_is_given_other_bytes_than_its_parent() -> None:
    random_bytes()
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(
        target=lambda: theirs.send([random_bytes() for _ in range(2 * FETCHED)])
    )
    child.start()
    given = ours.recv()
    child.join()
    assert not {random_bytes() for _ in range(2 * FETCHED)} & {*given}


def test_no_reference_looks_like_a_formula() -> None:
    given = [new_reference() for _ in range(2_000)]
    assert not [reference for reference in given if reference.startswith("-")]
    assert {len(reference) for reference in given} == {22}

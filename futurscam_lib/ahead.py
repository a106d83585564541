"""Working ahead: while one thread waits for the database, the caller gets on with what does not need it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

T = TypeVar("T")
R = TypeVar("R")


def ahead(work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Give `work(item)` for each item, in order; a thread works on the next one while the caller deals with this one.

    No two items are worked on at the same time, and at most two results are held. An error is raised where its result
    would have been given.
    """
    pool = ThreadPoolExecutor(1, thread_name_prefix="ahead")
    before: Future[R] | None = None
    try:
        for item in items:
            begun = pool.submit(work, item)
            if before:
                yield before.result()
            before = begun
        if before:
            yield before.result()
    finally:
        # After an error or an interrupt nobody waits for what has begun: it may be stuck in the network.
        pool.shutdown(wait=False, cancel_futures=True)

"""Working ahead in threads: what waits for the database or cleans HTML leaves the processor to others meanwhile."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

T = TypeVar("T")
R = TypeVar("R")


def ahead(work: Callable[[T], R], items: Iterable[T], *, threads: int = 1) -> Iterator[R]:
    """Give `work(item)` for each item, in order; while the caller deals with one, threads work on the next.

    With one thread no two items are worked on at the same time. At most `threads` + 1 results are held. An error is
    raised where its result would have been given.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="ahead")
    waiting: deque[Future[R]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        # After an error or an interrupt nobody waits for what has begun: it may be stuck in the network.
        pool.shutdown(wait=False, cancel_futures=True)

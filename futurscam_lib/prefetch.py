"""Working ahead: while threads wait for a database or a server, the caller gets on with what does not need them."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

T = TypeVar("T")
R = TypeVar("R")


def prefetch(work: Callable[[T], R], items: Iterable[T], *, threads: int = 1) -> Iterator[R]:
    """Give `work(item)` for each item, in order; threads work on the next ones while the caller deals with this one.

    At most `threads` items are worked on at the same time, and at most twice as many results are held. An error is
    raised where its result would have been given.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="ahead")
    begun: deque[Future[R]] = deque()
    try:
        for item in items:
            begun.append(pool.submit(work, item))
            if len(begun) >= 2 * threads:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        # After an error or an interrupt nobody waits for what has begun: it may be stuck in the network.
        pool.shutdown(wait=False, cancel_futures=True)

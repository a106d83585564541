"""Prefetch results in threads: while they wait for a database or a server, the caller goes on working."""

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
    """Yield `work(item)` for each item, in order; threads work on the next items while the caller handles this result.

    At most `threads` items are processed at the same time, and at most twice as many results are held. An error is
    raised in place of the item's result.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="ahead")
    pending: deque[Future[R]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(work, item))
            if len(pending) >= 2 * threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        # After an error or an interrupt, do not wait for running work: it may be stuck in the network.
        pool.shutdown(wait=False, cancel_futures=True)

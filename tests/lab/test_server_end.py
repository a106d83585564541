"""The server's process exits when its loop ends."""

from __future__ import annotations

import asyncio
import threading

import anyio.to_thread

from futurscam_lib.lab.server import end_tasks


def test_an_unfinished_request_does_not_block_the_exit() -> None:
    """Without cancelling it, its waiting thread would keep Python running."""
    loop, working, go_on = asyncio.new_event_loop(), threading.Event(), threading.Event()
    before = set(threading.enumerate())

    async def request() -> None:
        def work() -> None:
            working.set()
            loop.call_soon_threadsafe(loop.stop)
            go_on.wait(30)

        await anyio.to_thread.run_sync(work)

    task = loop.create_task(request())
    loop.run_forever()
    assert working.is_set()
    go_on.set()

    end_tasks(loop)

    for thread in set(threading.enumerate()) - before:
        thread.join(30)
        assert not thread.is_alive()
    assert task.cancelled()
    loop.close()

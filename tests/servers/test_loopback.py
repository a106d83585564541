"""What the imitated services share: faults, the clock, latency, what is noted, and an end that leaves nothing."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import httpx
import psutil
import pytest

from tests.servers.loopback import Loopback
from tests.servers.messages import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.messages import Request

T0: Final = datetime(2026, 11, 23, 12, 0, 0, 500000, tzinfo=UTC)


class Rows(Loopback):
    """Answers with a hundred letters, and with a refusal under /bad."""

    def respond(self, request: Request) -> Answer:
        """Say the same thing each time."""
        if request.path == "/bad":
            return Answer.json({"error": {"message": "No."}}, status=400)
        return Answer(200, b"x" * 100, "text/plain")


@pytest.fixture
def server() -> Iterator[Rows]:
    """A fresh one."""
    with Rows() as made:
        yield made


@pytest.fixture
def client(server: Rows) -> Iterator[httpx.Client]:
    """A client that keeps its connection."""
    with httpx.Client(base_url=server.url) as made:
        yield made


def test_a_request_is_noted_as_it_came(server: Rows, client: httpx.Client) -> None:
    """Method, decoded path, repeated parameters, headers whatever their case, and body."""
    client.post("/a%20b/c%2Fd", params=[("s[]", "1"), ("s[]", "2"), ("t", "")], content=b"body", headers={"X-One": "1"})

    noted = server.requests[0]
    assert (noted.method, noted.path, noted.segments) == ("POST", "/a b/c/d", ["a b", "c/d"])
    assert noted.query == {"s[]": ["1", "2"], "t": [""]}
    assert (noted.headers["x-one"], noted.body) == ("1", b"body")


def test_a_connection_is_kept(server: Rows, client: httpx.Client) -> None:
    """Two requests of one client go over one connection."""
    client.get("/1")
    client.get("/2")

    assert len(server._wire._serving) == 1


def test_the_date_is_that_of_the_server_s_clock(server: Rows, client: httpx.Client) -> None:
    """A clock that is set moves the `Date` header, in whole seconds."""
    server.clock = lambda: T0

    assert client.get("/").headers["Date"] == "Mon, 23 Nov 2026 12:00:00 GMT"


def test_a_failure_has_its_turn_and_ends(server: Rows, client: httpx.Client) -> None:
    """What is skipped is well, then as many as asked for fail, then all is well again; other paths are not touched."""
    server.fail("/rows", times=2, skip=1, status=503, headers={"X-Why": "test"}, body=b"{}")

    answers = [client.get(path) for path in ("/rows", "/rows", "/other", "/rows", "/rows")]

    assert [answer.status_code for answer in answers] == [200, 503, 200, 503, 200]
    assert (answers[1].headers["X-Why"], answers[1].content) == ("test", b"{}")


def test_mending_removes_all_faults(server: Rows, client: httpx.Client) -> None:
    """Pending faults are removed."""
    server.fail("/", times=9)
    server.mend()

    assert client.get("/").status_code == 200


def test_throttling_says_how_long(server: Rows, client: httpx.Client) -> None:
    """`Retry-After` in seconds, or as the date by the server's own clock."""
    server.clock = lambda: T0
    server.throttle("/", after=7)
    server.throttle("/", after=7, as_date=True)

    first, second = client.get("/"), client.get("/")

    assert (first.status_code, second.status_code) == (429, 429)
    assert first.headers["Retry-After"] == "7"
    assert second.headers["Retry-After"] == "Mon, 23 Nov 2026 12:00:07 GMT"


def test_a_web_page_comes_with_status_200(server: Rows, client: httpx.Client) -> None:
    """Status 200, and the Content-Type of HTML."""
    server.html("/")

    answer = client.get("/")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")


def test_a_reset_is_a_reset(server: Rows, client: httpx.Client) -> None:
    """The client's system reports RST, not an orderly end."""
    server.break_off("/", how="reset")

    with pytest.raises(httpx.ReadError, match="reset"):
        client.get("/")
    assert client.get("/").status_code == 200


def test_a_truncated_answer_promises_more_than_it_holds(server: Rows, client: httpx.Client) -> None:
    """Half of the body comes, then the connection ends."""
    server.break_off("/", how="truncated")

    with pytest.raises(httpx.RemoteProtocolError, match="received 50 bytes, expected 100"):
        client.get("/")


def test_a_connection_can_end_without_an_answer(server: Rows, client: httpx.Client) -> None:
    """The connection ends before a status line."""
    server.break_off("/", how="nothing")

    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        client.get("/")


def test_the_hook_comes_before_the_answer_and_holds_no_lock(server: Rows, client: httpx.Client) -> None:
    """It may ask the server itself, from another thread, and what it changes is in the answer."""

    def change(request: Request) -> None:
        if request.path == "/outer":
            with ThreadPoolExecutor(1) as pool:
                assert pool.submit(httpx.get, f"{server.url}/inner").result().status_code == 200
            server.fail("/outer", status=418)

    server.before = change

    assert client.get("/outer").status_code == 418
    assert server.in_flight_peak == 2


def test_as_many_are_in_flight_as_are_asked_at_once(server: Rows, client: httpx.Client) -> None:
    """Latency holds no lock: three wait for each other, and are answered; one after the other counts one."""
    client.get("/")
    client.get("/")
    assert server.in_flight_peak == 1
    together = threading.Barrier(3)
    server.before = lambda _: together.wait(10) and None  # type: ignore[assignment]

    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda _: client.get("/").status_code, range(3)))

    assert (answers, server.in_flight_peak) == ([200] * 3, 3)


def test_latency_is_added(server: Rows, client: httpx.Client) -> None:
    """An answer takes at least as long as it is told to."""
    server.latency = 0.05

    assert client.get("/").elapsed.total_seconds() >= 0.05


def test_an_echo_quotes_the_secret_in_errors_only(server: Rows, client: httpx.Client) -> None:
    """Error answers repeat the Authorization header, injected ones too; good answers do not."""
    server.echoes = True
    server.fail("/down", body=b'{"errors":[{"detail":"Down."}]}')

    told = [client.get(path, headers={"Authorization": "Bearer abc"}).text for path in ("/bad", "/down", "/")]

    assert ["Bearer abc" in text for text in told] == [True, True, False]


def test_nothing_is_left_behind() -> None:
    """Neither thread nor socket, though a client still holds its connection and another waits for its answer."""
    came = threading.Event()
    with ThreadPoolExecutor(1) as pool, httpx.Client() as client:
        with Rows() as server:
            client.get(server.url)
            server.latency = 3600
            server.before = lambda _: came.set()
            waiting = pool.submit(httpx.get, server.url, timeout=3600)
            assert came.wait(10)
            assert (_threads(), _sockets(server)) == (3, 3)
        waiting.exception(10)
        with pytest.raises(httpx.TransportError):
            client.get(server.url)

    assert (_threads(), _sockets(server)) == (0, 0)


def _threads() -> int:
    return sum(thread.name.startswith("loopback") for thread in threading.enumerate())


def _sockets(server: Rows) -> int:
    """The threads of the server."""
    port = int(server.url.rpartition(":")[2])
    return sum(one.laddr.port == port for one in psutil.Process().net_connections("tcp"))

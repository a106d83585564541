"""The HTTP client: retries, waits, limits, which servers it talks to, and what its errors say."""

from __future__ import annotations

import gzip
import ssl
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final

import pytest
import stamina
import tenacity
import trustme
from hypothesis import given
from hypothesis import strategies as st
from stamina.instrumentation import get_on_retry_hooks, set_on_retry_hooks

from futurscam_lib.errors import OperatorMustAct, Refused, RetryLater
from futurscam_lib.extract import http as http_module
from futurscam_lib.extract.http import MAX_WAIT_SECONDS, Http, TooLarge, retry_after
from futurscam_lib.extract.source import CONCURRENT
from tests.servers.loopback import Loopback
from tests.servers.messages import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from stamina.instrumentation import RetryDetails

    from tests.servers.messages import Request

T0: Final = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
SECRET: Final = "tok3n-0f-nobody"  # noqa: S105 - of nobody


class Api(Loopback):
    """Answers with what was requested, or with 401 if it wants another signature."""

    wants: str | None = None

    def respond(self, request: Request) -> Answer:
        """Answer with the path."""
        if self.wants and request.headers["Authorization"] != self.wants:
            return Answer.json({"error": {"code": "InvalidAuthenticationToken", "message": "No."}}, status=401)
        return Answer.json({"path": request.path})


class Numbered:
    """Signs with `Bearer tok3n-0f-nobody` and a number, which each renewal raises up to `last`."""

    def __init__(self, last: int = 1) -> None:
        """Begin with 1."""
        self.number, self.last = 1, last

    def headers(self) -> Mapping[str, str]:
        """Return the header with the current number."""
        return {"Authorization": f"Bearer {SECRET}{self.number}"}

    def renew(self, used: Mapping[str, str]) -> bool:
        """Raise the number, up to `last`."""
        assert used == self.headers()
        self.number += self.number < self.last
        return used != self.headers()


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove proxy settings, so that loopback is reached directly."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The seconds of each wait before a retry; the test does not wait."""
    found: list[float] = []

    def note(details: RetryDetails) -> None:
        found.append(details.wait_for)

    before = get_on_retry_hooks()
    set_on_retry_hooks([note])
    monkeypatch.setattr(tenacity.nap, "time", SimpleNamespace(sleep=lambda _: None))
    yield found
    set_on_retry_hooks(before)


@pytest.fixture
def server() -> Iterator[Api]:
    """A fresh server."""
    with Api() as made:
        yield made


@pytest.fixture
def make(server: Api) -> Iterator[Callable[..., Http]]:
    """Makes clients of that server."""
    made: list[Http] = []

    def client(*, tries: int = 3, timeout: float = 10, **more: object) -> Http:
        made.append(Http("The shop", server.url, timeout=timedelta(seconds=timeout), tries=tries, **more))  # type: ignore[arg-type]
        return made[-1]

    yield client
    for http in made:
        http.__exit__(None, None, None)


def test_a_json_object_is_returned(server: Api, make: Callable[..., Http]) -> None:
    """The request goes to a path below the client's address, with the query and the common headers."""
    http = make(headers={"Prefer": "tea"})

    assert http.get("a/b", {"q": ["1", "2"], "r": "x y"}) == {"path": "/a/b"}

    (request,) = server.requests
    assert request.query == {"q": ["1", "2"], "r": ["x y"]}
    assert (request.headers["Prefer"], request.headers["Accept"]) == ("tea", "application/json")
    assert request.headers["User-Agent"] == "futurscam-etl"


def test_a_complete_address_of_the_same_server_is_used_unchanged(server: Api, make: Callable[..., Http]) -> None:
    """Servers give the next page like this, and may write their own name in another case."""
    http = make()
    address = f"{server.url}/next?$skiptoken=a%2Bb%3D"

    assert http.get(address) == {"path": "/next"}
    assert http.get(address.replace("http://", "HTTP://")) == {"path": "/next"}
    assert [request.target for request in server.requests] == ["/next?$skiptoken=a%2Bb%3D"] * 2


NOT_NOW: Final = (408, 425, 429, 500, 501, 502, 503, 504, 521)

BROKEN: Final[dict[str, Callable[[Api, int], None]]] = {
    **{str(code): lambda api, n, code=code: api.fail("/", status=code, times=n) for code in sorted(NOT_NOW)},  # type: ignore[misc]
    "reset": lambda api, n: api.break_off("/", how="reset", times=n),
    "truncated": lambda api, n: api.break_off("/", how="truncated", times=n),
    "no answer": lambda api, n: api.break_off("/", how="nothing", times=n),
    "a web page": lambda api, n: api.html("/", times=n),
    "broken JSON": lambda api, n: api.fail("/", status=200, body=b'{"a": [1,', times=n),
    "no JSON object": lambda api, n: api.fail("/", status=200, body=b"[1]", times=n),
    "another type": lambda api, n: api.fail("/", status=200, body=b"{}", content_type="text/plain", times=n),
    "no body": lambda api, n: api.fail("/", status=200, times=n),
    "broken gzip": lambda api, n: api.fail(
        "/", status=200, body=b"\x1f\x8b no", headers={"Content-Encoding": "gzip"}, times=n
    ),
    "gzip in gzip": lambda api, n: api.fail(
        "/", status=200, body=gzip.compress(gzip.compress(b"{}")), headers={"Content-Encoding": "gzip, gzip"}, times=n
    ),
}


def test_only_temporary_statuses_are_tried_again() -> None:
    """Exactly these statuses are tried again."""
    assert {int(name) for name in BROKEN if name.isdigit()} >= {408, 425, 429, 500, 502, 503, 504, 521}
    assert {408, 425, 429} == http_module._NOT_NOW


@pytest.mark.parametrize("how", BROKEN)
def test_temporary_failures_are_tried_again(server: Api, make: Callable[..., Http], how: str) -> None:
    """After two failures, the answer is returned."""
    BROKEN[how](server, 2)

    assert make().get("x") == {"path": "/x"}
    assert len(server.requests) == 3


@pytest.mark.parametrize("how", BROKEN)
def test_the_number_of_tries_is_limited(server: Api, make: Callable[..., Http], how: str) -> None:
    """The error names the server, the request and the number of tries, and says that nothing was lost."""
    BROKEN[how](server, 99)

    with pytest.raises(RetryLater) as caught:
        make(tries=4).get("mailbox/messages?secret=1")

    assert len(server.requests) == 4
    text = str(caught.value)
    assert text.startswith("The shop did not answer GET /mailbox/messages after 4 tries: ")
    assert text.endswith(
        "\nNothing was lost: .last_execution stays where it is, the next run reads the same window again."
    )


def test_one_try_may_be_enough(server: Api, make: Callable[..., Http]) -> None:
    """With one try, the smallest setting, nothing is tried again."""
    server.fail("/", times=9)

    with pytest.raises(RetryLater, match="after one try: 503 Service Unavailable"):
        make(tries=1).get("x")

    assert len(server.requests) == 1


def test_a_server_that_is_not_listening(make: Callable[..., Http], server: Api) -> None:
    """It is tried again like any failure, and the error names the address."""
    http = make()
    server.__exit__()

    with pytest.raises(RetryLater, match=r"after 3 tries: 127\.0\.0\.1:\d+: ConnectError"):
        http.get("x")


def test_a_server_that_does_not_answer(server: Api, make: Callable[..., Http]) -> None:
    """The time limit of the settings ends each try."""
    go = threading.Event()
    server.before = lambda _: go.wait(60) and None  # type: ignore[assignment]

    try:
        with pytest.raises(RetryLater, match=r"after 2 tries: .*ReadTimeout"):
            make(tries=2, timeout=0.1).get("x")
    finally:
        go.set()

    assert len(server.requests) == 2


def test_an_answer_that_arrives_too_slowly_is_given_up(
    server: Api, make: Callable[..., Http], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time limit applies to each piece, and ten times that limit to the whole answer."""
    clock = iter(range(0, 10**9, 101))
    monkeypatch.setattr(http_module, "time", SimpleNamespace(monotonic=lambda: next(clock)))

    with pytest.raises(RetryLater, match="arrives too slowly"):
        make(timeout=10).get("x")

    assert len(server.requests) == 3


@pytest.mark.parametrize("as_date", [False, True])
@pytest.mark.parametrize("skew", [-400, 0, 400])
def test_it_waits_as_long_as_the_server_asks_for(
    server: Api, make: Callable[..., Http], waits: list[float], skew: int, *, as_date: bool
) -> None:
    """In seconds, or until a date by the server's own clock, plus a short random time."""
    server.clock = lambda: T0 + timedelta(days=skew)
    server.throttle("/", after=40, as_date=as_date)
    server.throttle("/", after=41, as_date=as_date)

    make().get("x")

    assert 40 < waits[0] < 41.1
    assert 41 < waits[1] < 42.1
    assert waits[1] - waits[0] != pytest.approx(1)


@pytest.mark.parametrize("seconds", [MAX_WAIT_SECONDS + 1, 86_400, 10**400])
def test_a_long_wait_is_left_to_the_next_run(
    server: Api, make: Callable[..., Http], waits: list[float], seconds: int
) -> None:
    """A wait of more than two minutes is left to the next run."""
    server.fail("/", times=9, status=429, headers={"Retry-After": str(seconds)})

    with pytest.raises(RetryLater, match=r"^The shop asks to wait \w+ seconds .*\nNothing was lost"):
        make().get("x")

    assert (len(server.requests), waits) == (1, [])


def test_two_minutes_are_waited(server: Api, make: Callable[..., Http], waits: list[float]) -> None:
    """A wait of exactly the limit is kept."""
    server.fail("/", status=503, headers={"Retry-After": str(MAX_WAIT_SECONDS)})

    make().get("x")

    assert MAX_WAIT_SECONDS < waits[0] < MAX_WAIT_SECONDS + 1.1


@pytest.mark.parametrize(
    "said",
    ["-5", "soon", "", "1.5", "\xb2", "0", "Fri, 20 Nov 2026 09:00:00 GMT", "Mon, 01 Jan 2020 00:00:00 +9999999999999"],
)
def test_an_invalid_wait_is_a_short_one(server: Api, make: Callable[..., Http], waits: list[float], said: str) -> None:
    """After a negative, invalid or past value, it is tried again soon."""
    server.clock = lambda: T0
    server.fail("/", status=503, headers={"Retry-After": said})

    assert make().get("x") == {"path": "/x"}
    assert 0 < waits[0] <= 1.6


@given(said=st.text() | st.from_regex(r"\w{3}, \d+ Nov \d+ \d+:\d+:\d+ [+-]?\w+", fullmatch=True))
def test_any_retry_after_is_seconds_or_nothing(said: str) -> None:
    """No header crashes a run."""
    wait = retry_after(said, now=T0)

    assert wait is None or wait >= 0


def test_waits_grow_and_end(server: Api, make: Callable[..., Http], waits: list[float]) -> None:
    """Without Retry-After, waits double from half a second on; together they stay below two minutes."""
    server.fail("/", times=99)

    with pytest.raises(RetryLater):
        make(tries=8).get("x")

    assert all(0.5 * 2**n <= wait <= 0.5 * 2**n + 1.1 for n, wait in enumerate(waits[:6]))
    assert max(waits) <= 30.1


@pytest.mark.parametrize("status", [400, 402, 403, 404, 405, 409, 410, 413, 422, 451])
def test_a_refusal_is_not_tried_again(server: Api, make: Callable[..., Http], status: int) -> None:
    """The same request would be refused again."""
    server.fail("/", times=9, status=status, body=b"{}")

    with pytest.raises(Refused) as caught:
        make().get("x?secret=1")

    assert (len(server.requests), caught.value.status, caught.value.code) == (1, status, "")
    assert str(caught.value) == f"The shop refused /x: {status}"


@pytest.mark.parametrize(
    ("body", "code", "told"),
    [
        ('{"error": {"code": "ErrorGone", "message": "It is\\n gone."}}', "ErrorGone", "404 ErrorGone It is gone."),
        ('{"error": "no_client", "error_description": "AADSTS7"}', "no_client", "404 no_client AADSTS7"),
        ('{"errors": [{"status": "404", "code": "404", "detail": "404 - No such"}, {}]}', "404", "404 404 - No such"),
        ('{"errors": [{"code": "1003", "title": "Wrong id"}]}', "1003", "404 1003 Wrong id"),
        ('{"error": {"message": "No code."}}', "", "404 No code."),
        ('{"error": {"code": null, "message": null}}', "", "404"),
        ('{"errors": []}', "", "404"),
        ('{"error": 7}', "", "404"),
        ("[]", "", "404"),
        ("<html>", "", "404"),
    ],
)
def test_a_refusal_is_reported_in_the_server_s_words(
    server: Api, make: Callable[..., Http], body: str, code: str, told: str
) -> None:
    """In the forms of Graph, OAuth and JSON:API; an answer of another form is a refusal too."""
    server.fail("/", status=404, body=body.encode())

    with pytest.raises(Refused) as caught:
        make().get("x")

    assert (caught.value.status, caught.value.code, str(caught.value)) == (404, code, f"The shop refused /x: {told}")


@pytest.mark.parametrize("ask", [lambda http: http.get("x"), lambda http: http.content("x", limit=9999)])
def test_a_refusal_by_a_web_page(server: Api, make: Callable[..., Http], ask: Callable[[Http], object]) -> None:
    """A proxy refuses with HTML; only the status counts."""
    server.fail("/", times=9, status=403, body=b"<html>Blocked</html>", content_type="text/html")

    with pytest.raises(Refused, match=r"^The shop refused /x: 403$"):
        ask(make())

    assert len(server.requests) == 1


def test_a_long_refusal_is_cut(server: Api, make: Callable[..., Http]) -> None:
    """An error has only a few lines, even if the server writes more."""
    server.fail("/", status=400, body=b'{"error": {"code": "%s", "message": "%s"}}' % (b"c" * 5000, b"m" * 5000))

    with pytest.raises(Refused) as caught:
        make().get("x")

    assert len(str(caught.value)) < 700


def test_an_expired_signature_is_renewed(server: Api, make: Callable[..., Http]) -> None:
    """After 401 another signature is sent, which the next requests use too."""
    server.wants = f"Bearer {SECRET}2"
    http = make(signer=Numbered(last=9))

    assert [http.get("x"), http.get("y")] == [{"path": "/x"}, {"path": "/y"}]
    assert [request.headers["Authorization"][-1] for request in server.requests] == ["1", "2", "2"]


@pytest.mark.parametrize(("last", "asked"), [(1, 1), (2, 2), (99, 4)])
def test_renewing_signatures_ends(server: Api, make: Callable[..., Http], last: int, asked: int) -> None:
    """It ends if there is no other signature, and after a few at the latest."""
    server.wants = "Bearer other"

    with pytest.raises(Refused) as caught:
        make(signer=Numbered(last)).get("x")

    assert (len(server.requests), caught.value.status, caught.value.code) == (asked, 401, "InvalidAuthenticationToken")


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": {"code": "No", "message": "No."}}',
        b'{"error": "no", "error_description": ""}',
        b'{"errors": [{"detail": "No."}]}',
    ],
)
def test_a_quoted_signature_is_removed(server: Api, make: Callable[..., Http], body: bytes) -> None:
    """The error shows the server's text without any signature that was sent."""
    server.echoes, server.wants = True, f"Bearer {SECRET}2"
    server.fail("/", skip=2, status=400, body=body)
    http = make(signer=Numbered(last=9))
    http.get("x")

    with pytest.raises(Refused) as caught:
        http.get("x")

    assert "The request said: Authorization: ***" in str(caught.value)
    assert SECRET not in f"{caught.value} {caught.value.code}"


@pytest.mark.parametrize("last", [1, 2])
@pytest.mark.parametrize(
    "echo",
    [
        {"status": 400, "body": f'{{"error": {{"code": "Bearer {SECRET}1"}}}}'.encode()},
        {"status": 200, "body": b"-", "content_type": f"{SECRET}1"},
        {"status": 200, "body": b"{}", "headers": {"A bad name ": f"Bearer {SECRET}1"}},
        {"status": 503, "headers": {"Retry-After": f"{SECRET}1"}},
    ],
)
def test_a_signature_is_never_shown(
    server: Api, make: Callable[..., Http], capfd: pytest.CaptureFixture[str], echo: dict[str, object], last: int
) -> None:
    """Not in a code, a type or an invalid header that is quoted, nor in the log of retries."""
    set_on_retry_hooks(None)
    server.fail("/", times=99, **echo)  # type: ignore[arg-type]

    with pytest.raises((Refused, RetryLater)) as caught:
        make(signer=Numbered(last)).get("x")

    assert SECRET not in f"{caught.value} {getattr(caught.value, 'code', '')}"
    assert SECRET not in "".join(capfd.readouterr())


def test_a_body_is_returned_unchanged(server: Api, make: Callable[..., Http]) -> None:
    """A body of any type is returned, up to exactly the limit; it is decompressed."""
    server.fail("/", status=200, body=b"\x00\xff" * 50, content_type="image/png")
    server.fail("/", status=200, body=gzip.compress(b"x" * 100), headers={"Content-Encoding": "gzip"})
    http = make()

    assert http.content("x", limit=100) == b"\x00\xff" * 50
    assert http.content("x", limit=100) == b"x" * 100


def test_one_byte_too_many_is_too_large(server: Api, make: Callable[..., Http]) -> None:
    """It is not tried again, because it would have the same size."""
    server.fail("/", times=9, status=200, body=b"x" * 101)

    with pytest.raises(TooLarge):
        make().content("x", limit=100)

    assert len(server.requests) == 1


@pytest.mark.parametrize("compressed", [False, True])
def test_a_body_that_is_too_large_is_not_read(server: Api, make: Callable[..., Http], *, compressed: bool) -> None:
    """Hundreds of megabytes, also if highly compressed, need only the memory of a few pieces."""
    size = 300 << 20
    if compressed:
        body = gzip.compress(bytes(size), 9)
        server.fail("/", status=200, body=body, headers={"Content-Encoding": "gzip"})
    else:
        server.fail("/", status=200, body=bytes(size))
    http = make()

    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            http.content("x", limit=1000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < size / 2


def test_a_page_that_is_too_large_is_left_to_the_next_run(
    server: Api, make: Callable[..., Http], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No part of it is used; the next run tries again."""
    monkeypatch.setattr(http_module, "MAX_JSON_BYTES", 10)

    with pytest.raises(RetryLater, match=r"^The shop answered with more than 10 bytes\.\nNothing was lost"):
        make().get("x")

    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("ask", [lambda http: http.get("x"), lambda http: http.content("x", limit=9999)])
def test_a_redirect_is_not_followed(
    server: Api, make: Callable[..., Http], ask: Callable[[Http], object], status: int
) -> None:
    """The signature is meant for this server only; a new address belongs in the settings."""
    with Api() as other:
        server.fail("/", times=9, status=status, headers={"Location": f"{other.url}/x"})

        with pytest.raises(Refused, match=rf"^The shop answered {status} and redirects\.$"):
            ask(make(signer=Numbered()))

        assert (len(server.requests), other.requests) == (1, [])


def test_another_server_is_never_contacted(server: Api, make: Callable[..., Http]) -> None:
    """Even if this server names it, because it would receive the signature."""
    http = make(signer=Numbered())
    with Api() as other:
        host = server.url.removeprefix("http://")
        for address in (f"{other.url}/x", f"https://{host}/x", f"http://{host}@{other.url[7:]}/x", f"{server.url}9/x"):
            with pytest.raises(Refused, match="returned an address"):
                http.get(address)

        assert (server.requests, other.requests) == ([], [])


@pytest.mark.parametrize("address", ["{}/a\nb", "{}/a\x00", "{}:x/", "{}/" + "a" * 70_000])
def test_an_invalid_address_is_refused(server: Api, make: Callable[..., Http], address: str) -> None:
    """An invalid address of the next page is refused and does not crash the run."""
    with pytest.raises(Refused, match="returned an address that is not valid"):
        make().get(address.format(server.url))

    assert server.requests == []


def test_at_most_four_requests_run_at_the_same_time(server: Api, make: Callable[..., Http]) -> None:
    """Twenty threads share four connections, all of which are used."""
    together = threading.Barrier(CONCURRENT)
    server.before = lambda _: together.wait(30) and None  # type: ignore[assignment]
    http = make()

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda number: http.get(f"{number}")["path"], range(20)))

    assert answers == [f"/{number}" for number in range(20)]
    assert server.in_flight_peak == CONCURRENT == 4


@pytest.mark.parametrize("secure", [False, True])
def test_closing_ends_the_requests_of_other_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, secure: bool
) -> None:
    """Threads that wait for an answer or for a connection end at once, and send nothing more."""
    context = None
    if secure:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
    came, go = threading.Semaphore(0), threading.Event()
    with Api(context=context) as server, ThreadPoolExecutor(10) as pool:

        def hold(_: Request) -> None:
            came.release()
            go.wait(60)

        server.before = hold
        try:
            with Http("The shop", server.url, timeout=timedelta(seconds=20), tries=9) as http:
                waiting = [pool.submit(http.get, "x") for _ in range(10)]
                assert all(came.acquire(timeout=30) for _ in range(CONCURRENT))
            errors = [future.exception(10) for future in waiting]
            with pytest.raises(RetryLater):
                http.get("x")
        finally:
            go.set()

    assert {type(error) for error in errors} == {RetryLater}
    assert len(server.requests) == CONCURRENT


def test_a_retry_after_closing_sends_nothing(
    server: Api, make: Callable[..., Http], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that waited for its next try gets the same error as the others."""
    server.fail("/", times=9)
    http = make()
    monkeypatch.setattr(tenacity.nap, "time", SimpleNamespace(sleep=lambda _: http.__exit__(None, None, None)))

    with pytest.raises(RetryLater, match="after 2 tries: the client is closed"):
        http.get("x")

    assert len(server.requests) == 1


def test_the_proxy_of_the_environment_is_used(
    server: Api, make: Callable[..., Http], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy gets the complete address; with NO_PROXY it gets nothing."""
    with Api() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        assert make().get("x", {"q": 1}) == {"path": "/x"}
        assert ([request.target for request in proxy.requests], server.requests) == ([f"{server.url}/x?q=1"], [])

        monkeypatch.setenv("NO_PROXY", "example.com,127.0.0.1")
        assert make().get("y") == {"path": "/y"}
        assert [len(one.requests) for one in (proxy, server)] == [1, 1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALL_PROXY", f"socks5://loader:{SECRET}@127.0.0.1:1"),
        ("HTTP_PROXY", f"ftp://loader:{SECRET}@127.0.0.1:1"),
        ("HTTPS_PROXY", f"http://loader:{SECRET}/x@127.0.0.1:1"),
        ("HTTP_PROXY", "http://[::1"),
        ("NO_PROXY", "[::1"),
    ],
)
def test_a_proxy_that_cannot_be_used_needs_the_operator(
    make: Callable[..., Http], monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """The error names the variables and their form, and no part of a password."""
    monkeypatch.setenv(name, value)

    with pytest.raises(OperatorMustAct, match=name) as caught:
        make()

    assert SECRET not in str(caught.value)


def test_a_proxy_that_does_not_answer_is_reported(make: Callable[..., Http], monkeypatch: pytest.MonkeyPatch) -> None:
    """The error asks for another run and does not show the proxy's password."""
    with Api() as gone:
        monkeypatch.setenv("HTTP_PROXY", gone.url.replace("http://", f"http://loader:{SECRET}@"))

    with pytest.raises(RetryLater, match="ConnectError") as caught:
        make().get("x")

    assert SECRET not in str(caught.value)


def test_the_server_s_clock_is_known(server: Api, make: Callable[..., Http]) -> None:
    """From the last answer, even a failed one; an answer without a date changes nothing."""
    http = make(tries=1)
    assert http.date is None

    server.clock = lambda: T0
    http.get("x")
    assert http.date == T0

    server.clock = lambda: T0 + timedelta(hours=1)
    server.fail("/")
    with pytest.raises(RetryLater):
        http.get("x")
    assert http.date == T0 + timedelta(hours=1)


def test_a_form_is_sent_and_refusals_are_answers(server: Api, make: Callable[..., Http]) -> None:
    """`ask` returns refusals too; the caller checks the status."""
    server.fail("/", status=400, body=b'{"error": "invalid_scope"}')

    answer = make().ask("POST", "token", data={"scope": "a b"}, headers={"X-One": "1"})

    assert (answer.status, answer.payload) == (400, {"error": "invalid_scope"})
    (request,) = server.requests
    assert (request.method, request.form, request.headers["X-One"]) == ("POST", {"scope": "a b"}, "1")


def test_retries_can_be_switched_off(server: Api, make: Callable[..., Http]) -> None:
    """Other tests rely on it."""
    server.fail("/")

    with stamina.set_testing(testing=True, attempts=1), pytest.raises(RetryLater, match="one try"):
        make(tries=9).get("x")

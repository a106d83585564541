"""The HTTP client: what is tried again, how long it waits, what it reads, whom it asks, and what its errors tell."""

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
    """Answers with what it was asked, or with 401 where it wants another signature."""

    wants: str | None = None

    def respond(self, request: Request) -> Answer:
        """Say the path."""
        if self.wants and request.headers["Authorization"] != self.wants:
            return Answer.json({"error": {"code": "InvalidAuthenticationToken", "message": "No."}}, status=401)
        return Answer.json({"path": request.path})


class Numbered:
    """Signs with `Bearer tok3n-0f-nobody` and a number, which a renewal raises up to `last`."""

    def __init__(self, last: int = 1) -> None:
        """Begin with 1."""
        self.number, self.last = 1, last

    def headers(self) -> Mapping[str, str]:
        """With the present number."""
        return {"Authorization": f"Bearer {SECRET}{self.number}"}

    def renew(self, used: Mapping[str, str]) -> bool:
        """Count on."""
        assert used == self.headers()
        self.number += self.number < self.last
        return used != self.headers()


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever proxies this machine has, loopback is asked without them."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The seconds that were to be waited before each retry; nothing waits."""
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
    """A fresh one."""
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


def test_a_json_object_is_given(server: Api, make: Callable[..., Http]) -> None:
    """Below the client's address, with the query and the headers of all requests."""
    http = make(headers={"Prefer": "tea"})

    assert http.get("a/b", {"q": ["1", "2"], "r": "x y"}) == {"path": "/a/b"}

    (request,) = server.requests
    assert request.query == {"q": ["1", "2"], "r": ["x y"]}
    assert (request.headers["Prefer"], request.headers["Accept"]) == ("tea", "application/json")
    assert request.headers["User-Agent"] == "futurscam-etl"


def test_a_whole_address_of_the_same_server_is_taken_as_it_is(server: Api, make: Callable[..., Http]) -> None:
    """Servers name the next page like this, and may write their own name in other letters."""
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


def test_what_is_tried_again_is_what_may_pass() -> None:
    """These statuses, and no others."""
    assert {int(name) for name in BROKEN if name.isdigit()} >= {408, 425, 429, 500, 502, 503, 504, 521}
    assert {408, 425, 429} == http_module._NOT_NOW


@pytest.mark.parametrize("how", BROKEN)
def test_what_may_pass_is_tried_again(server: Api, make: Callable[..., Http], how: str) -> None:
    """Two failures, then the answer."""
    BROKEN[how](server, 2)

    assert make().get("x") == {"path": "/x"}
    assert len(server.requests) == 3


@pytest.mark.parametrize("how", BROKEN)
def test_it_is_tried_so_often_and_not_more(server: Api, make: Callable[..., Http], how: str) -> None:
    """Then the error says who did not answer what, how often it was tried, and that nothing was lost."""
    BROKEN[how](server, 99)

    with pytest.raises(RetryLater) as caught:
        make(tries=4).get("mailbox/messages?secret=1")

    assert len(server.requests) == 4
    text = str(caught.value)
    assert text.startswith("The shop did not answer GET /mailbox/messages after 4 tries: ")
    assert text.endswith(
        "\nNothing was lost: .last_execution stays where it is, the next run reads the same window again."
    )


def test_one_try_is_one_try(server: Api, make: Callable[..., Http]) -> None:
    """The least that the settings allow."""
    server.fail("/", times=9)

    with pytest.raises(RetryLater, match="after one try: 503 Service Unavailable"):
        make(tries=1).get("x")

    assert len(server.requests) == 1


def test_a_server_that_is_not_there(make: Callable[..., Http], server: Api) -> None:
    """Nobody listens: tried again like any failure, and told with the address."""
    http = make()
    server.__exit__()

    with pytest.raises(RetryLater, match=r"after 3 tries: 127\.0\.0\.1:\d+: ConnectError"):
        http.get("x")


def test_a_server_that_says_nothing(server: Api, make: Callable[..., Http]) -> None:
    """The time limit of the settings ends each try."""
    go = threading.Event()
    server.before = lambda _: go.wait(60) and None  # type: ignore[assignment]

    try:
        with pytest.raises(RetryLater, match=r"after 2 tries: .*ReadTimeout"):
            make(tries=2, timeout=0.1).get("x")
    finally:
        go.set()

    assert len(server.requests) == 2


def test_an_answer_that_trickles_in_is_given_up(
    server: Api, make: Callable[..., Http], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time limit is one for each piece; ten of them are the limit for all."""
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
    """In seconds, or until a date by the server's own clock, wherever that stands; and a little more, not all alike."""
    server.clock = lambda: T0 + timedelta(days=skew)
    server.throttle("/", after=40, as_date=as_date)
    server.throttle("/", after=41, as_date=as_date)

    make().get("x")

    assert 40 < waits[0] < 41.1
    assert 41 < waits[1] < 42.1
    assert waits[1] - waits[0] != pytest.approx(1)


@pytest.mark.parametrize("seconds", [MAX_WAIT_SECONDS + 1, 86_400, 10**400])
def test_a_server_that_wants_to_be_left_alone_is(
    server: Api, make: Callable[..., Http], waits: list[float], seconds: int
) -> None:
    """What is longer than two minutes is for the next run; nothing waits for it."""
    server.fail("/", times=9, status=429, headers={"Retry-After": str(seconds)})

    with pytest.raises(RetryLater, match=r"^The shop asks to wait \w+ seconds .*\nNothing was lost"):
        make().get("x")

    assert (len(server.requests), waits) == (1, [])


def test_two_minutes_are_waited(server: Api, make: Callable[..., Http], waits: list[float]) -> None:
    """The limit itself is allowed."""
    server.fail("/", status=503, headers={"Retry-After": str(MAX_WAIT_SECONDS)})

    make().get("x")

    assert MAX_WAIT_SECONDS < waits[0] < MAX_WAIT_SECONDS + 1.1


@pytest.mark.parametrize(
    "said",
    ["-5", "soon", "", "1.5", "\xb2", "0", "Fri, 20 Nov 2026 09:00:00 GMT", "Mon, 01 Jan 2020 00:00:00 +9999999999999"],
)
def test_a_wait_that_is_none_is_a_short_one(
    server: Api, make: Callable[..., Http], waits: list[float], said: str
) -> None:
    """Negative, garbage or past: it is tried again soon."""
    server.clock = lambda: T0
    server.fail("/", status=503, headers={"Retry-After": said})

    assert make().get("x") == {"path": "/x"}
    assert 0 < waits[0] <= 1.6


@given(said=st.text() | st.from_regex(r"\w{3}, \d+ Nov \d+ \d+:\d+:\d+ [+-]?\w+", fullmatch=True))
def test_whatever_a_server_asks_for_is_seconds_or_nothing(said: str) -> None:
    """No header brings a run down."""
    wait = retry_after(said, now=T0)

    assert wait is None or wait >= 0


def test_waits_grow_and_end(server: Api, make: Callable[..., Http], waits: list[float]) -> None:
    """Without a word of the server they double from half a second on; all together stay below two minutes."""
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
def test_a_refusal_is_told_as_the_server_words_it(
    server: Api, make: Callable[..., Http], body: str, code: str, told: str
) -> None:
    """Graph, OAuth and JSON:API; what says nothing that is understood is a refusal too."""
    server.fail("/", status=404, body=body.encode())

    with pytest.raises(Refused) as caught:
        make().get("x")

    assert (caught.value.status, caught.value.code, str(caught.value)) == (404, code, f"The shop refused /x: {told}")


@pytest.mark.parametrize("ask", [lambda http: http.get("x"), lambda http: http.content("x", limit=9999)])
def test_a_refusal_by_a_web_page(server: Api, make: Callable[..., Http], ask: Callable[[Http], object]) -> None:
    """A proxy that refuses writes HTML; the status is what counts."""
    server.fail("/", times=9, status=403, body=b"<html>Blocked</html>", content_type="text/html")

    with pytest.raises(Refused, match=r"^The shop refused /x: 403$"):
        ask(make())

    assert len(server.requests) == 1


def test_a_long_refusal_is_cut(server: Api, make: Callable[..., Http]) -> None:
    """An error is a few lines, whatever a server writes."""
    server.fail("/", status=400, body=b'{"error": {"code": "%s", "message": "%s"}}' % (b"c" * 5000, b"m" * 5000))

    with pytest.raises(Refused) as caught:
        make().get("x")

    assert len(str(caught.value)) < 700


def test_a_signature_that_has_run_out_is_renewed(server: Api, make: Callable[..., Http]) -> None:
    """401 is answered with another signature, which the next requests use too."""
    server.wants = f"Bearer {SECRET}2"
    http = make(signer=Numbered(last=9))

    assert [http.get("x"), http.get("y")] == [{"path": "/x"}, {"path": "/y"}]
    assert [request.headers["Authorization"][-1] for request in server.requests] == ["1", "2", "2"]


@pytest.mark.parametrize(("last", "asked"), [(1, 1), (2, 2), (99, 4)])
def test_signatures_that_are_all_refused_come_to_an_end(
    server: Api, make: Callable[..., Http], last: int, asked: int
) -> None:
    """When there is no other, and after a few at the latest."""
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
def test_a_server_that_quotes_the_signature_is_not_quoted(server: Api, make: Callable[..., Http], body: bytes) -> None:
    """Its text is told without what it was sent, renewed signatures included."""
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
def test_a_signature_shows_nowhere(
    server: Api, make: Callable[..., Http], capfd: pytest.CaptureFixture[str], echo: dict[str, object], last: int
) -> None:
    """Not in a code, a type or a header that is quoted because it is none; nor in what is logged about retries."""
    set_on_retry_hooks(None)
    server.fail("/", times=99, **echo)  # type: ignore[arg-type]

    with pytest.raises((Refused, RetryLater)) as caught:
        make(signer=Numbered(last)).get("x")

    assert SECRET not in f"{caught.value} {getattr(caught.value, 'code', '')}"
    assert SECRET not in "".join(capfd.readouterr())


def test_a_body_is_given_as_it_is(server: Api, make: Callable[..., Http]) -> None:
    """Whatever its type; the limit itself is allowed, and compression is undone."""
    server.fail("/", status=200, body=b"\x00\xff" * 50, content_type="image/png")
    server.fail("/", status=200, body=gzip.compress(b"x" * 100), headers={"Content-Encoding": "gzip"})
    http = make()

    assert http.content("x", limit=100) == b"\x00\xff" * 50
    assert http.content("x", limit=100) == b"x" * 100


def test_one_byte_too_many_is_too_large(server: Api, make: Callable[..., Http]) -> None:
    """It is not tried again: it would not be smaller."""
    server.fail("/", times=9, status=200, body=b"x" * 101)

    with pytest.raises(TooLarge):
        make().content("x", limit=100)

    assert len(server.requests) == 1


@pytest.mark.parametrize("compressed", [False, True])
def test_what_is_too_large_is_not_read(server: Api, make: Callable[..., Http], *, compressed: bool) -> None:
    """Hundreds of megabytes, also as a few bytes that unfold to them, take the memory of some pieces."""
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


def test_a_page_that_is_too_large_is_none(
    server: Api, make: Callable[..., Http], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it is taken; the next run tries again."""
    monkeypatch.setattr(http_module, "MAX_JSON_BYTES", 10)

    with pytest.raises(RetryLater, match=r"^The shop answered with more than 10 bytes\.\nNothing was lost"):
        make().get("x")

    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("ask", [lambda http: http.get("x"), lambda http: http.content("x", limit=9999)])
def test_a_redirect_is_not_followed(
    server: Api, make: Callable[..., Http], ask: Callable[[Http], object], status: int
) -> None:
    """What is sent along is meant for this server; where it moved to is for the settings to say."""
    with Api() as other:
        server.fail("/", times=9, status=status, headers={"Location": f"{other.url}/x"})

        with pytest.raises(Refused, match=rf"^The shop answered {status} and redirects\.$"):
            ask(make(signer=Numbered()))

        assert (len(server.requests), other.requests) == (1, [])


def test_another_server_is_not_asked(server: Api, make: Callable[..., Http]) -> None:
    """Though this one names it: it would be sent the signature."""
    http = make(signer=Numbered())
    with Api() as other:
        host = server.url.removeprefix("http://")
        for address in (f"{other.url}/x", f"https://{host}/x", f"http://{host}@{other.url[7:]}/x", f"{server.url}9/x"):
            with pytest.raises(Refused, match="returned an address"):
                http.get(address)

        assert (server.requests, other.requests) == ([], [])


@pytest.mark.parametrize("address", ["{}/a\nb", "{}/a\x00", "{}:x/", "{}/" + "a" * 70_000])
def test_an_address_that_is_none_is_refused(server: Api, make: Callable[..., Http], address: str) -> None:
    """A server that names such a next page is not trusted, and brings no run down."""
    with pytest.raises(Refused, match="returned an address that is not valid"):
        make().get(address.format(server.url))

    assert server.requests == []


def test_no_more_than_four_are_asked_at_the_same_time(server: Api, make: Callable[..., Http]) -> None:
    """Twenty threads share four connections, all of which are used."""
    together = threading.Barrier(CONCURRENT)
    server.before = lambda _: together.wait(30) and None  # type: ignore[assignment]
    http = make()

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda number: http.get(f"{number}")["path"], range(20)))

    assert answers == [f"/{number}" for number in range(20)]
    assert server.in_flight_peak == CONCURRENT == 4


@pytest.mark.parametrize("secure", [False, True])
def test_closing_ends_what_other_threads_wait_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, secure: bool
) -> None:
    """Some wait for an answer, more for a connection: none of them waits on, and none asks once more."""
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


def test_a_retry_that_comes_after_closing_asks_nothing(
    server: Api, make: Callable[..., Http], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waited for the next try meanwhile is told like the others."""
    server.fail("/", times=9)
    http = make()
    monkeypatch.setattr(tenacity.nap, "time", SimpleNamespace(sleep=lambda _: http.__exit__(None, None, None)))

    with pytest.raises(RetryLater, match="after 2 tries: the client is closed"):
        http.get("x")

    assert len(server.requests) == 1


def test_the_proxy_of_the_environment_is_used(
    server: Api, make: Callable[..., Http], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gets the whole address; with NO_PROXY it gets nothing."""
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
def test_a_proxy_that_cannot_be_used_is_for_the_operator(
    make: Callable[..., Http], monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """The error names the variables and what they take, and no piece of a password."""
    monkeypatch.setenv(name, value)

    with pytest.raises(OperatorMustAct, match=name) as caught:
        make()

    assert SECRET not in str(caught.value)


def test_a_proxy_that_is_not_there_is_told(make: Callable[..., Http], monkeypatch: pytest.MonkeyPatch) -> None:
    """It may come back; the proxy's password is not told."""
    with Api() as gone:
        monkeypatch.setenv("HTTP_PROXY", gone.url.replace("http://", f"http://loader:{SECRET}@"))

    with pytest.raises(RetryLater, match="ConnectError") as caught:
        make().get("x")

    assert SECRET not in str(caught.value)


def test_the_server_s_clock_is_known(server: Api, make: Callable[..., Http]) -> None:
    """From the last answer, a failed one too; one that gives no date changes nothing."""
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
    """Whoever asks like this looks at the status himself."""
    server.fail("/", status=400, body=b'{"error": "invalid_scope"}')

    answer = make().ask("POST", "token", data={"scope": "a b"}, headers={"X-One": "1"})

    assert (answer.status, answer.payload) == (400, {"error": "invalid_scope"})
    (request,) = server.requests
    assert (request.method, request.form, request.headers["X-One"]) == ("POST", {"scope": "a b"}, "1")


def test_retries_can_be_switched_off(server: Api, make: Callable[..., Http]) -> None:
    """Tests elsewhere rely on it."""
    server.fail("/")

    with stamina.set_testing(testing=True, attempts=1), pytest.raises(RetryLater, match="one try"):
        make(tries=9).get("x")

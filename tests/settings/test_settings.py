"""Settings: where they come from, what is allowed, and that no secret shows."""

from __future__ import annotations

import codecs
import re
import subprocess
import sys
import textwrap
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import keyring
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked

from futurscam_lib import settings
from futurscam_lib.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "s3cr3t-Pa55"  # noqa: S105 - of nobody
ELSEWHERE = Path(Path.cwd().anchor, "data", "RFPs")
URI = f"mongodb://loader:{PASSWORD}@db.example.com:27017/?authSource=admin"


class MemoryKeyring(KeyringBackend):
    """A keyring that keeps its passwords in memory, and counts how often it is asked."""

    priority = 1.0

    def __init__(self, *, locked: bool = False) -> None:
        """`locked` makes it fail like a locked keyring."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[tuple[str, str], str] = {}
        self.asked = 0
        self.locked = locked

    def get_password(self, service: str, username: str) -> str | None:
        """What was set, if anything."""
        self.asked += 1
        if self.locked:
            raise KeyringLocked
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep it."""
        self.kept[service, username] = password


@pytest.fixture
def ring() -> Iterator[MemoryKeyring]:
    """The keyring that is asked during the test."""
    before = keyring.get_keyring()
    ring = MemoryKeyring()
    keyring.set_keyring(ring)
    yield ring
    keyring.set_keyring(before)


def environ(folder: Path, **more: str) -> dict[str, str]:
    """An environment with this home and no keyring."""
    return {"FUTURSCAM_HOME": str(folder), "FUTURSCAM_KEYRING": "false", **more}


def row(rows: list[settings.SettingRow], name: str) -> settings.SettingRow:
    """Return the only row of that name."""
    (match,) = [row for row in rows if row.name == name]
    return match


def test_defaults_are_those_of_the_design(tmp_path: Path) -> None:
    """With nothing set but the home, a run has what it needs."""
    loaded = settings.load(environ(tmp_path))

    assert loaded.mongo_uri is None
    assert (loaded.database, loaded.sources, loaded.inbox) == ("FuturScam", ("folder",), tmp_path / "inbox")
    assert loaded.overlap == timedelta(minutes=10)
    assert loaded.first_run == timedelta(hours=1)
    assert loaded.run_budget == timedelta(minutes=55)
    assert loaded.mongo_timeout == timedelta(seconds=10)


def test_without_a_home_it_is_the_project() -> None:
    """The default home is the folder that holds the package."""
    assert settings.load({"FUTURSCAM_KEYRING": "false"}).home == settings.PROJECT
    assert (settings.PROJECT / "futurscam_lib" / "settings").is_dir()


def test_all_files_are_under_the_home(tmp_path: Path) -> None:
    """No path that the software writes to is outside of the home."""
    loaded = settings.load(environ(tmp_path))

    assert loaded.watermark_file == tmp_path / ".last_execution"
    assert loaded.runs == tmp_path / "runs"
    assert loaded.ledger_file == tmp_path / "runs" / "ledger.jsonl"
    assert loaded.logs == tmp_path / "logs"
    assert loaded.lock_file == tmp_path / ".futurscam.lock"
    assert loaded.local_server_folder == tmp_path / "mongodb"
    assert loaded.scratch == tmp_path / "tmp"


def test_a_relative_home_becomes_absolute_and_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A later change of folder does not move the home."""
    monkeypatch.chdir(tmp_path)

    loaded = settings.load(environ(Path("new/home")))

    assert loaded.home == tmp_path / "new" / "home"
    assert loaded.home.is_dir()


def test_notebooks_are_the_projects_unless_the_home_has_its_own(tmp_path: Path) -> None:
    """A folder `notebooks` in the home takes the place of the project's."""
    loaded = settings.load(environ(tmp_path))
    assert loaded.notebook("etl") == settings.PROJECT / "notebooks" / "etl.ipynb"

    (tmp_path / "notebooks").mkdir()
    assert loaded.notebook("etl") == tmp_path / "notebooks" / "etl.ipynb"


def test_the_environment_comes_before_the_file_and_that_before_the_default(tmp_path: Path) -> None:
    """Each setting comes from the first place that sets it; an empty value sets nothing."""
    (tmp_path / ".env").write_text("FUTURSCAM_DB=FromFile\nFUTURSCAM_OVERLAP_MINUTES=5\nFUTURSCAM_INBOX=\n")
    places = environ(tmp_path, FUTURSCAM_DB="FromEnvironment", FUTURSCAM_OVERLAP_MINUTES="  ")

    loaded = settings.load(places)
    rows = settings.explain(places)

    assert loaded.database == "FromEnvironment"
    assert loaded.overlap == timedelta(minutes=5)
    assert row(rows, "FUTURSCAM_DB").origin == "environment"
    assert row(rows, "FUTURSCAM_OVERLAP_MINUTES").origin == ".env"
    assert row(rows, "FUTURSCAM_INBOX").origin == "default"
    assert row(rows, "FUTURSCAM_INBOX").value == str(tmp_path / "inbox")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("FUTURSCAM_DB", f"a{character}b") for character in '/\\."$*<>:|? \n'),
        ("FUTURSCAM_DB", "é" * 32),
        ("FUTURSCAM_DB", "admin"),
        ("FUTURSCAM_DB", "Local"),
        ("FUTURSCAM_DB", "bad\udcff"),
        ("FUTURSCAM_SOURCES", "folder,foldr"),
        ("FUTURSCAM_SOURCES", ","),
        ("FUTURSCAM_INBOX", "~nobody-of-that-name/inbox"),
        ("FUTURSCAM_OVERLAP_MINUTES", "-1"),
        ("FUTURSCAM_OVERLAP_MINUTES", "1441"),
        ("FUTURSCAM_OVERLAP_MINUTES", "0,5"),
        ("FUTURSCAM_OVERLAP_MINUTES", "nan"),
        ("FUTURSCAM_OVERLAP_MINUTES", "ten"),
        ("FUTURSCAM_FIRST_RUN_MINUTES", "0.9"),
        ("FUTURSCAM_FIRST_RUN_MINUTES", "525601"),
        ("FUTURSCAM_RUN_BUDGET_MINUTES", "0"),
        ("FUTURSCAM_RUN_BUDGET_MINUTES", "1e9"),
        ("FUTURSCAM_MONGO_TIMEOUT_SECONDS", "0.05"),
        ("FUTURSCAM_MONGO_TIMEOUT_SECONDS", "301"),
        ("FUTURSCAM_KEYRING", "maybe"),
        *(
            ("FUTURSCAM_BOOND_URL", address)
            for address in (
                *("http://example.com", "http://127.0.0.1.example.com", "http://localhost@example.com", "ftp://a.be"),
                *("example.com", "https://", "https:///api", "https://u:p@a.be", "https://@a.be", "https://a.be?x=1"),
                *("https://a.be/api?", "https://a.be#", "https://a.be:0", "https://a.be:65536", "https://a.be:x"),
                *("https://a b.be", "https://a.be/a b", "https://a..be", "https://.", "https://[::1", "https://é.be"),
                *(f"https://{'a' * 64}.be", "https://a.be\\@b.be", "https://a.be/\x00", "https://a.be/\u202e"),
            )
        ),
        *(("FUTURSCAM_GRAPH_TENANT", text) for text in ("a/b", "a b", "é.be", "a\nb", "a?b", "a" * 256)),
        *(("FUTURSCAM_IMAP_PORT", text) for text in ("0", "65536", "-1", "9.0", "1e2", "٩٩٣", "9" * 5000)),
        ("FUTURSCAM_IMAP_AUTH", "oauth"),
        ("FUTURSCAM_BOOND_AUTH", "Authorization"),
        *(("FUTURSCAM_MAIL_SUBJECT", text) for text in ("a\nb", "a\u202eb", "x" * 1001)),
        *(("FUTURSCAM_MAIL_SUBJECTS", text) for text in (",", ", ,", "a,\tb", "x" * 1001)),
        ("FUTURSCAM_MAIL_TAGS", ","),
        *(("FUTURSCAM_BOOND_OPEN_STATES", text) for text in ("-1", "0,", "0;1", "0, one", "1" * 10)),
        *(("FUTURSCAM_BOOND_ORIGINS", text) for text in ("9", "9=", "=a", "nine=a", "9=a,10=b\x00", "-9=a")),
        ("FUTURSCAM_BOOND_PAGE_SIZE", "501"),
        ("FUTURSCAM_HTTP_TIMEOUT_SECONDS", "0"),
        ("FUTURSCAM_HTTP_TRIES", "0"),
        ("FUTURSCAM_HTTP_TRIES", "21"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(tmp_path: Path, name: str, value: str) -> None:
    """The error names the variable, the value, its place and what is allowed."""
    with pytest.raises(UsageError) as raised:
        settings.load(environ(tmp_path) | {name: value})

    allowed = next(variable.kind.allowed for variable in settings.TABLE.values() if variable.name == name)
    text = str(raised.value)
    assert f"{name} is {value[:80]!r} (environment)" in text
    assert text.endswith(f"allowed: {allowed}.")
    assert row(settings.explain(environ(tmp_path) | {name: value}), name).problem in text


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("FUTURSCAM_DB", "é" * 31, "é" * 31),
        ("FUTURSCAM_SOURCES", " folder , folder,", ("folder",)),
        ("FUTURSCAM_INBOX", str(ELSEWHERE), ELSEWHERE),
        ("FUTURSCAM_OVERLAP_MINUTES", "0", timedelta(0)),
        ("FUTURSCAM_OVERLAP_MINUTES", "0.5", timedelta(seconds=30)),
        ("FUTURSCAM_RUN_BUDGET_MINUTES", "0.01", timedelta(seconds=0.6)),
        ("FUTURSCAM_MONGO_TIMEOUT_SECONDS", "0.1", timedelta(seconds=0.1)),
        ("FUTURSCAM_KEYRING", "No", False),
        ("FUTURSCAM_KEYRING", "1", True),
        ("FUTURSCAM_BOOND_URL", "https://a.be/api/", "https://a.be/api"),
        ("FUTURSCAM_BOOND_URL", "HTTPS://A-b.be:65535", "HTTPS://A-b.be:65535"),
        ("FUTURSCAM_BOOND_URL", f"https://{'a' * 63}.be.", f"https://{'a' * 63}.be."),
        ("FUTURSCAM_BOOND_URL", "https://[2001:db8::1]:8443/api", "https://[2001:db8::1]:8443/api"),
        ("FUTURSCAM_BOOND_URL", "http://localhost:1", "http://localhost:1"),
        ("FUTURSCAM_BOOND_URL", "http://127.0.0.1", "http://127.0.0.1"),
        ("FUTURSCAM_BOOND_URL", "http://[::1]:80/", "http://[::1]:80"),
        ("FUTURSCAM_GRAPH_TENANT", "contoso.onmicrosoft.com", "contoso.onmicrosoft.com"),
        ("FUTURSCAM_IMAP_PORT", "1", 1),
        ("FUTURSCAM_IMAP_PORT", "65535", 65535),
        ("FUTURSCAM_IMAP_AUTH", "XOAuth2", "xoauth2"),
        ("FUTURSCAM_BOOND_AUTH", "x-jwt-client", "X-Jwt-Client"),
        ("FUTURSCAM_BOOND_AUTH", "Basic", "basic"),
        ("FUTURSCAM_MAIL_SUBJECT", " [Été] 'x' ", "[Été] 'x'"),
        ("FUTURSCAM_MAIL_SUBJECT", "x" * 1000, "x" * 1000),
        ("FUTURSCAM_MAIL_SUBJECTS", " [a] , b c,,b c", ("[a]", "b c")),
        ("FUTURSCAM_MAIL_SUBJECTS", "", None),
        ("FUTURSCAM_MAIL_TAGS", "[Extern]", ("[Extern]",)),
        ("FUTURSCAM_BOOND_OPEN_STATES", "0 , 10,10", frozenset({0, 10})),
        ("FUTURSCAM_BOOND_ORIGINS", " 9 = Pro-Unity ,10=a=b,", {9: "Pro-Unity", 10: "a=b"}),
        ("FUTURSCAM_BOOND_ORIGINS", "", None),
        ("FUTURSCAM_BOOND_PAGE_SIZE", "500", 500),
        ("FUTURSCAM_HTTP_TIMEOUT_SECONDS", "0.1", timedelta(seconds=0.1)),
        ("FUTURSCAM_HTTP_TRIES", "20", 20),
    ],
)
def test_values_at_the_edge_of_what_is_allowed(tmp_path: Path, name: str, value: str, expected: object) -> None:
    """Values at the limits are accepted."""
    field = next(field for field, variable in settings.TABLE.items() if variable.name == name)
    places = environ(tmp_path, MONGO_URI="mongodb://db.example.com") | {name: value}

    assert getattr(settings.load(places), field) == expected


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    """Three mistakes are in one error."""
    (tmp_path / ".env").write_text("FUTURSCAM_OVERLAP=5\nno name here!\n")

    with pytest.raises(UsageError) as raised:
        settings.load(environ(tmp_path, FUTURSCAM_DB="a b", FUTURSCAM_SOURCES="mail"))

    for said in ("FUTURSCAM_DB", "FUTURSCAM_SOURCES", "FUTURSCAM_OVERLAP ", "line 2"):
        assert said in str(raised.value)


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    """There is a file in place of the home or of a folder above it."""
    (tmp_path / "file").write_text("")

    for place in (tmp_path / "file", tmp_path / "file" / "home"):
        with pytest.raises(UsageError, match=r"FUTURSCAM_HOME is .* is a file; allowed: a folder"):
            settings.load(environ(place))


def test_explaining_makes_no_folder(tmp_path: Path) -> None:
    """Reading the settings changes nothing."""
    settings.explain(environ(tmp_path / "home"))

    assert list(tmp_path.iterdir()) == []


def test_a_misspelt_name_in_the_file_is_a_problem(tmp_path: Path) -> None:
    """The problem names the setting that was meant, and not the value."""
    (tmp_path / ".env").write_text(f"# ours\n\nFUTURSCAM_OVERLAP_MINUTE=5\nMONGODB_URI={URI}\nOTHER_TOOL=1\n")

    with pytest.raises(UsageError) as raised:
        settings.load(environ(tmp_path))

    text = str(raised.value)
    assert "FUTURSCAM_OVERLAP_MINUTE" in text
    assert "line 3) is not a setting; the nearest one is FUTURSCAM_OVERLAP_MINUTES." in text
    assert "the nearest one is MONGO_URI." in text
    assert "OTHER_TOOL" not in text
    assert PASSWORD not in text


def test_a_misspelt_name_in_the_environment_is_only_noted(tmp_path: Path) -> None:
    """Other programs use the environment, too."""
    places = environ(tmp_path, FUTURSCAM_OVERLAPS="5", FUTURSCAM_SUPERVISED_RUN="1")

    settings.load(places)
    rows = settings.explain(places)

    noted = row(rows, "FUTURSCAM_OVERLAPS")
    assert (noted.value, noted.problem) == (settings.MASK, "")
    assert "FUTURSCAM_OVERLAP_MINUTES" in noted.note
    assert "FUTURSCAM_SUPERVISED_RUN" not in [row.name for row in rows]


def test_the_home_cannot_be_set_inside_the_home(tmp_path: Path) -> None:
    """`.env` is in the home, so it cannot set the home."""
    (tmp_path / ".env").write_text("FUTURSCAM_HOME=/elsewhere\n")

    with pytest.raises(UsageError, match=r"FUTURSCAM_HOME is set in .*\.env, line 1; .* environment"):
        settings.load(environ(tmp_path))


@pytest.mark.parametrize(
    "data",
    [
        "FUTURSCAM_DB=Été\r\n".encode(),
        codecs.BOM_UTF8 + "FUTURSCAM_DB=Été\n".encode(),
        codecs.BOM_UTF16_LE + "FUTURSCAM_DB=Été\r\n".encode("utf-16-le"),
        codecs.BOM_UTF16_BE + "FUTURSCAM_DB=Été".encode("utf-16-be"),
        "export FUTURSCAM_DB='Été'  # the one of this summer\n".encode(),
    ],
)
def test_the_file_is_read_as_windows_and_others_write_it(tmp_path: Path, data: bytes) -> None:
    """UTF-8 with or without BOM, UTF-16 with one, either line end."""
    (tmp_path / ".env").write_bytes(data)

    assert settings.load(environ(tmp_path)).database == "Été"


def test_nothing_in_the_file_is_interpolated(tmp_path: Path) -> None:
    """A `$` in a password is a `$`."""
    (tmp_path / ".env").write_text("MONGO_URI=mongodb://u:a${HOME}b$c@db.example.com/\n")

    loaded = settings.load(environ(tmp_path))

    assert loaded.mongo_uri is not None
    assert loaded.mongo_uri.get_secret_value() == "mongodb://u:a${HOME}b$c@db.example.com/"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (f"A=1\nMONGO_URI={URI}é\n".encode("cp1252"), "line 2 is not UTF-8, save it as UTF-8"),
        ("FUTURSCAM_DB=x\n".encode("utf-16-le"), "NUL"),
        (codecs.BOM_UTF16_LE + b"x", "line 1 is not UTF-16"),
    ],
)
def test_a_file_in_another_encoding_is_refused_with_the_place(tmp_path: Path, data: bytes, said: str) -> None:
    """The error says which file and where, and quotes nothing of it, not even in its cause."""
    (tmp_path / ".env").write_bytes(data)

    with pytest.raises(UsageError) as raised:
        settings.load(environ(tmp_path))

    assert str(tmp_path / ".env") in str(raised.value)
    assert said in str(raised.value)
    assert PASSWORD not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    """An unreadable file does not count as missing."""
    (tmp_path / ".env").mkdir()

    with pytest.raises(UsageError, match=r"\.env can't be read: "):
        settings.load(environ(tmp_path))


def test_a_secret_comes_from_the_keyring_last(tmp_path: Path, ring: MemoryKeyring) -> None:
    """The keyring is asked when neither environment nor file hold the secret."""
    ring.set_password("futurscam", "MONGO_URI", URI)
    places = {"FUTURSCAM_HOME": str(tmp_path)}

    loaded = settings.load(places)
    assert loaded.mongo_uri is not None
    assert loaded.mongo_uri.get_secret_value() == URI
    assert row(settings.explain(places), "MONGO_URI").origin == "keyring"

    ring.asked = 0
    elsewhere = {"FUTURSCAM_ALERT_URLS": "json://host", "FUTURSCAM_HEALTHCHECK_URL": "https://host/path"}
    elsewhere["FUTURSCAM_LEDGER_KEY"] = "x" * 32
    settings.load(places | elsewhere | {"MONGO_URI": "mongodb://db.example.com"})
    settings.load(environ(tmp_path))
    assert ring.asked == 0


def test_a_failing_keyring_does_not_stop_a_run(tmp_path: Path, ring: MemoryKeyring) -> None:
    """If the keyring is locked, the secret's row explains it."""
    ring.locked = True

    assert settings.load({"FUTURSCAM_HOME": str(tmp_path)}).mongo_uri is None
    setting = row(settings.explain({"FUTURSCAM_HOME": str(tmp_path)}), "MONGO_URI")
    assert (setting.value, setting.origin, setting.problem) == ("", "default", "")
    assert "KeyringLocked" in setting.note


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        (URI, "mongodb://loader:***@db.example.com:27017/?authSource=admin"),
        ("mongodb://a.example.com,b.example.com:2/x", "mongodb://a.example.com,b.example.com:2/x"),
        ("mongodb+srv://u:p@c.example.com", "mongodb+srv://u:***@c.example.com"),
        ("mongodb+srv://u:p/q@c.example.com", "***"),
        ("mongodb+srv://u:p", "***"),
        (
            "mongodb+srv://u@c.example.com/?authMechanism=MONGODB-AWS&authMechanismProperties=AWS_SESSION_TOKEN:abcdef",
            "mongodb+srv://u@c.example.com/?authMechanism=MONGODB-AWS&authMechanismProperties=***",
        ),
    ],
)
def test_a_uri_is_shown_without_its_secrets(tmp_path: Path, uri: str, shown: str) -> None:
    """Host and options are shown, the rest is masked; an unclear URI is masked completely."""
    assert row(settings.explain(environ(tmp_path, MONGO_URI=uri)), "MONGO_URI").value == shown


WRONG_URIS = [
    f"mongodb://loader:{PASSWORD}@@db.example.com",
    f"mongodb://loader:/{PASSWORD}@db.example.com",
    f"mongodb://loader:{PASSWORD}/x.{PASSWORD}@db.example.com",
    f"mongodb://loader:12?{PASSWORD}={PASSWORD}@db.example.com",
    f"mongodb://loader:12?{PASSWORD}@db.example.com",
    f"mongodb://loader:{PASSWORD}",
    f"mongodb://loader:{PASSWORD}@db.example.com:port",
    f"mongodb://loader:%zz{PASSWORD}@db.example.com/?{PASSWORD}",
    f"postgres://loader:{PASSWORD}@db.example.com",
    f"mongodb://loader:{PASSWORD}@db.example.com/?retryWrites=maybe",
    f"mongodb://loader:{PASSWORD}@db.example.com/?tlsCAFile=/no/such/file",
]


@pytest.mark.parametrize("uri", WRONG_URIS)
def test_a_wrong_uri_is_refused_without_its_password(tmp_path: Path, uri: str) -> None:
    """For any fault: neither the error, nor its causes, nor the row contain a piece of the password."""
    with pytest.raises(UsageError) as raised:
        settings.load(environ(tmp_path, MONGO_URI=uri))

    assert "MONGO_URI is '***' (environment)" in str(raised.value)
    assert PASSWORD not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None
    assert PASSWORD not in str(settings.explain(environ(tmp_path, MONGO_URI=uri)))


def test_a_wrong_option_of_the_uri_is_named(tmp_path: Path) -> None:
    """A misspelt option would have no effect, so it is refused by name."""
    with pytest.raises(UsageError, match="its options are wrong: retryWirtes;"):
        settings.load(environ(tmp_path, MONGO_URI="mongodb://db.example.com/?w=1&retryWirtes=true"))


@given(
    scheme=st.sampled_from(["mongodb://", "mongodb+srv://"]),
    before=st.text("a1:/?#@%.=&,[]", max_size=6),
    behind=st.text("a1:/?#@%.=&,[]", max_size=6),
    end=st.sampled_from(["@db.example.com", "@db.example.com/?authSource=admin"]),
)
@example(scheme="mongodb://", before="1/", behind="", end="@db.example.com")
@example(scheme="mongodb://", before="1/?appName=", behind="", end="@db.example.com")
def test_no_piece_of_a_password_shows_in_any_notation(scheme: str, before: str, behind: str, end: str) -> None:
    """Characters that should have been percent-encoded move pieces of it about; none of them shows."""
    uri = f"{scheme}loader:{before}hunter22{behind}{end}"

    assert "hunter22" not in str(settings.explain({"MONGO_URI": uri, "FUTURSCAM_KEYRING": "false"}))


def test_the_redactor_knows_every_secret_of_the_uri(tmp_path: Path) -> None:
    """The password, raw and decoded, the session token and the key's password are all removed."""
    (tmp_path / "key.pem").write_text("")
    uri = (
        "mongodb://u:p%40ss+w%2Ford@db.example.com/?authMechanismProperties=AWS_SESSION_TOKEN:tok%2Fen-1234"
        f"&tlsCertificateKeyFilePassword=key-pass-1&tlsCertificateKeyFile={tmp_path}/key.pem&tls=true"
        "&authMechanism=MONGODB-AWS"
    )
    redact = settings.load(environ(tmp_path, MONGO_URI=uri)).redactor()

    for secret in (uri, "p%40ss+w%2Ford", "p@ss w/ord", "p@ss+w/ord", "tok/en-1234", "key-pass-1"):
        assert redact(f"it said {secret}.") == "it said ***."
    assert redact("db.example.com") == "db.example.com"


APP = {
    "FUTURSCAM_GRAPH_TENANT": "contoso.example",
    "FUTURSCAM_GRAPH_CLIENT_ID": "an id",
    "FUTURSCAM_GRAPH_CLIENT_SECRET": f"{PASSWORD}-1",
}
GRAPH = APP | {"FUTURSCAM_GRAPH_MAILBOX": "rfp@contoso.example"}
IMAP = {"FUTURSCAM_IMAP_HOST": "imap.example.com", "FUTURSCAM_IMAP_USER": "rfp@contoso.example"}
XOAUTH2 = {"FUTURSCAM_IMAP_AUTH": "xoauth2"}
TOKEN = {
    "FUTURSCAM_BOOND_USER_TOKEN": f"{PASSWORD}-2",
    "FUTURSCAM_BOOND_CLIENT_TOKEN": f"{PASSWORD}-3",
    "FUTURSCAM_BOOND_CLIENT_KEY": f"{PASSWORD}-4",
}
NEEDS = {
    "graph": ("graph_mail", {}, GRAPH),
    "imap": ("imap_mail", {}, IMAP | {"FUTURSCAM_IMAP_PASSWORD": f"{PASSWORD}-5"}),
    "imap with xoauth2": ("imap_mail", XOAUTH2, IMAP | APP),
    "imap with a token": ("imap_mail", XOAUTH2 | {"FUTURSCAM_IMAP_ACCESS_TOKEN": f"{PASSWORD}-6"}, IMAP),
    "boond": ("boond", {}, TOKEN),
    "boond with basic": (
        "boond",
        {"FUTURSCAM_BOOND_AUTH": "basic"},
        {"FUTURSCAM_BOOND_USER": "rfp@contoso.example", "FUTURSCAM_BOOND_PASSWORD": f"{PASSWORD}-7"},
    ),
}
"""What a source needs in each way to sign in, and what chooses that way."""


@pytest.mark.parametrize("way", NEEDS)
def test_a_source_with_all_its_settings_is_valid(tmp_path: Path, way: str) -> None:
    """No other setting is needed."""
    source, switches, needed = NEEDS[way]

    loaded = settings.load(environ(tmp_path, FUTURSCAM_SOURCES=f"folder,{source}", **switches, **needed))

    assert loaded.sources == ("folder", source)
    loaded.require(["folder", source])


@pytest.mark.parametrize(("way", "missing"), [(way, name) for way, (_, _, needed) in NEEDS.items() for name in needed])
def test_a_source_that_lacks_something_is_a_problem(tmp_path: Path, way: str, missing: str) -> None:
    """The error names what is missing, for which source, and where it is explained; its row does too."""
    source, switches, needed = NEEDS[way]
    places = environ(tmp_path, FUTURSCAM_SOURCES=source, **switches, **needed)
    del places[missing]

    with pytest.raises(UsageError) as raised:
        settings.load(places)

    problem = f"{missing} is not set; the source {source} needs it (docs/SOURCES.md)."
    assert str(raised.value) == f"The settings are wrong; nothing has run.\n{problem}"
    assert [setting.name for setting in settings.explain(places) if setting.problem] == [missing]
    assert row(settings.explain(places), missing).problem == problem


@pytest.mark.parametrize("way", NEEDS)
def test_all_missing_settings_of_a_source_are_reported_at_once(tmp_path: Path, way: str) -> None:
    """One line for each variable."""
    source, switches, needed = NEEDS[way]

    with pytest.raises(UsageError) as raised:
        settings.load(environ(tmp_path, FUTURSCAM_SOURCES=source, **switches))

    named = [line.split()[0] for line in str(raised.value).splitlines()[1:]]
    assert sorted(named) == sorted(needed)


def test_an_unused_source_needs_no_settings(tmp_path: Path) -> None:
    """Only if a run asks for it, the error names all missing settings."""
    loaded = settings.load(environ(tmp_path))

    with pytest.raises(UsageError) as raised:
        loaded.require(["folder", "boond"])

    names = ", ".join(TOKEN)
    assert str(raised.value) == f"The source boond needs {names}; nothing has run. docs/SOURCES.md says how."


def test_an_unknown_source_is_named_with_the_known_ones(tmp_path: Path) -> None:
    """The command line accepts any word."""
    with pytest.raises(UsageError, match=r"^There is no source mail; allowed: folder, graph_mail, imap_mail, boond\.$"):
        settings.load(environ(tmp_path)).require(["mail"])


def test_the_secrets_of_sources_show_nowhere(tmp_path: Path) -> None:
    """Not in the rows, not in the repr, not in redacted text."""
    values = {name: value for _, *both in NEEDS.values() for one in both for name, value in one.items()}
    secrets = {name: value for name, value in values.items() if PASSWORD in value}
    places = environ(tmp_path, **values)
    loaded, rows = settings.load(places), settings.explain(places)

    assert len(secrets) == 7
    assert {row(rows, name).value for name in secrets} == {settings.MASK}
    assert PASSWORD not in f"{rows} {loaded!r} {loaded.model_dump_json()}"
    redact = loaded.redactor()
    assert {redact(value) for value in secrets.values()} == {"***"}


@pytest.mark.parametrize("wrong", [f"{PASSWORD}\n", f"{PASSWORD}\x00\x1b", PASSWORD * 1000])
def test_a_wrong_secret_is_refused_without_a_piece_of_it(tmp_path: Path, wrong: str) -> None:
    """A line end in the middle, control characters, far too long: named, not quoted."""
    with pytest.raises(UsageError) as raised:
        settings.load(environ(tmp_path, FUTURSCAM_IMAP_PASSWORD=f"x{wrong}x"))

    assert "FUTURSCAM_IMAP_PASSWORD is '***' (environment); allowed: one line of text." in str(raised.value)
    assert PASSWORD not in str(raised.value)


def test_a_long_secret_is_accepted_unchanged(tmp_path: Path) -> None:
    """Tokens are long, and passwords contain any characters."""
    token = f"é $#'\"%\\{'x' * 9000}"

    loaded = settings.load(environ(tmp_path, FUTURSCAM_IMAP_ACCESS_TOKEN=token))

    assert loaded.imap_access_token is not None
    assert loaded.imap_access_token.get_secret_value() == token


@pytest.mark.parametrize(
    "proxy",
    [
        f"http://loader:{PASSWORD}@proxy.example.com:3128",
        f"https://loader:{PASSWORD}@proxy.example.com:3128/",
        f"loader:{PASSWORD}@proxy.example.com:3128",
        f"http://loader:{PASSWORD}@[::1",
    ],
)
def test_the_password_of_a_proxy_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    """For any notation of the variable; the rest of the address stays."""
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    monkeypatch.delenv("https_proxy", raising=False)

    redact = settings.load(environ(tmp_path)).redactor()

    assert redact(f"it said {proxy}") == f"it said {proxy.replace(PASSWORD, '***')}"


def test_proxies_without_a_password_hide_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Host, port and user help the operator."""
    monkeypatch.setenv("HTTPS_PROXY", "http://loader@proxy.example.com:3128")
    monkeypatch.setenv("NO_PROXY", "localhost,10.0.0.1:8080")
    text = "http://loader@proxy.example.com:3128 localhost,10.0.0.1:8080"

    assert settings.load(environ(tmp_path)).redactor()(text) == text


def test_the_keyring_holds_the_secrets_of_sources_too(tmp_path: Path, ring: MemoryKeyring) -> None:
    """A secret of a source is found there like MONGO_URI."""
    for name, value in TOKEN.items():
        ring.set_password("futurscam", name, value)
    places = {"FUTURSCAM_HOME": str(tmp_path), "FUTURSCAM_SOURCES": "boond"}

    loaded = settings.load(places)

    assert loaded.boond_client_key is not None
    assert loaded.boond_client_key.get_secret_value() == f"{PASSWORD}-4"
    assert {row(settings.explain(places), name).origin for name in TOKEN} == {"keyring"}


@pytest.mark.parametrize("sources", ["folder", "boond", "folder,imap_mail"])
def test_the_keyring_is_only_asked_for_needed_secrets(tmp_path: Path, ring: MemoryKeyring, sources: str) -> None:
    """A keyring may be slow: if only the folder is read, it is not asked for secrets of other sources."""
    settings.explain({"FUTURSCAM_HOME": str(tmp_path), "FUTURSCAM_SOURCES": sources})

    secrets = sum(variable.secret for variable in settings.TABLE.values())
    assert ring.asked == (4 if sources == "folder" else secrets)
    assert secrets == 11


def test_a_representation_of_the_settings_holds_no_secret(tmp_path: Path) -> None:
    """They may be logged or shown in a traceback."""
    loaded = settings.load(environ(tmp_path, MONGO_URI=URI))

    assert PASSWORD not in f"{loaded!r} {loaded} {loaded.model_dump_json()}"


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    """What was checked stays as it was."""
    with pytest.raises(ValueError, match="frozen"):
        settings.load(environ(tmp_path)).database = "other"  # type: ignore[misc]


def test_the_example_documents_every_setting() -> None:
    """`.env.example` describes each variable as the table does, and names no other."""
    text = (settings.PROJECT / ".env.example").read_text("utf-8")
    variables = settings.TABLE.values()

    assert re.findall(r"^# ([A-Z_]+)=", text, re.MULTILINE) == [variable.name for variable in variables]
    for variable in variables:
        default = "" if variable.name == "FUTURSCAM_HOME" else variable.default
        block = rf"# {re.escape(variable.help)}\n# Allowed: {re.escape(variable.kind.allowed)}\.\n"
        assert re.search(rf"{block}(# Only in .*\n)?# {variable.name}={re.escape(default)}\n", f"{text}\n")


def test_the_uncommented_example_equals_the_defaults(tmp_path: Path) -> None:
    """Taking the `#` away from every line changes no setting."""
    text = (settings.PROJECT / ".env.example").read_text("utf-8")
    (tmp_path / ".env").write_text(re.sub(r"^# ([A-Z_]+=)", r"\1", text, flags=re.MULTILINE), "utf-8")
    (tmp_path / "bare").mkdir()

    with_file = settings.load(environ(tmp_path)).model_dump(exclude={"home", "inbox"})
    assert with_file == settings.load(environ(tmp_path / "bare")).model_dump(exclude={"home", "inbox"})


def test_loading_imports_neither_pymongo_nor_keyring_without_need(tmp_path: Path) -> None:
    """Both are slow to import, and not needed to read the settings."""
    program = """
        import sys, types
        # The package's own names are another matter.
        package = sys.modules["futurscam_lib"] = types.ModuleType("futurscam_lib")
        package.__path__ = [sys.argv[1]]
        from futurscam_lib import settings
        settings.load()
        print({"pymongo", "bson", "keyring"} & set(sys.modules))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), settings.PROJECT / "futurscam_lib"],
        env=environ(tmp_path),
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "set()"

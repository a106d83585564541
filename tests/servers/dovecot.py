"""A real Dovecot on loopback for tests: TLS, any number of users, passwords and access tokens."""

from __future__ import annotations

import base64
import grp
import os
import pwd
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import imap_tools
import jwt
import pytest
import trustme

from tests.servers.loopback import made_up

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST: Final = "127.0.0.1"
PASSWORD: Final = made_up("the password of every user of Dovecot")
_KEY: Final = made_up("what Dovecot checks tokens with", 40)
_STARTS: Final = 5
_SECONDS: Final = 20
# Dovecot lets no mail process run as root; these users come with its package, and with Debian.
_INTERNAL, _LOGIN, _MAIL = "dovecot", "dovenull", "nobody"
# setpriv is part of util-linux; it has the server end when the tests' own process is killed.
_WITH_PARENT: Final = ("setpriv", "--pdeathsig", "TERM")

_CONFIG: Final = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap
listen = {host}
ssl = required
ssl_cert = <{folder}/cert.pem
ssl_key = <{folder}/key.pem
default_internal_user = {internal}
default_internal_group = {internal_group}
default_login_user = {login}
mail_uid = {mail}
mail_gid = {mail_group}
first_valid_uid = 1
mail_location = maildir:{folder}/mail/%u
mail_max_userip_connections = 1000
auth_mechanisms = plain login xoauth2
auth_username_chars =
auth_failure_delay = 0
passdb {{
  driver = static
  mechanisms = plain login
  args = password={password}
}}
passdb {{
  driver = oauth2
  mechanisms = xoauth2
  args = {folder}/oauth2.conf
}}
userdb {{
  driver = static
  args = home={folder}/mail/%u
}}
service imap-login {{
  {chroot}
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {port}
  }}
}}
service anvil {{
  {chroot}
  # Without it each wrong password makes the next sign-in wait longer.
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  {chroot}
}}
"""

_OAUTH2: Final = """
introspection_mode = local
local_validation_key_dict = fs:posix:prefix={folder}/keys/
username_attribute = sub
"""


def installed() -> bool:
    """Whether there is a Dovecot to start."""
    return _program() is not None


def needed() -> None:
    """Skip a test if there is no Dovecot; in CI it must be there."""
    if installed():
        return
    message = "Dovecot is not installed (Debian: dovecot-imapd)."
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


class Dovecot:
    """One server; a context manager that leaves neither process nor file behind.

    Attributes:
        port: For TLS from the first byte, at `HOST`.
        authority: File of the authority that signed its certificate, for SSL_CERT_FILE.
        folder: All that it keeps.
        server_context: For who wants to pass for it.
    """

    def __init__(self) -> None:
        """Prepare its folder; it starts once entered."""
        # The paths of sockets may not be long.
        self.folder = Path(tempfile.mkdtemp(prefix="dc-", dir="/tmp"))
        self.authority = self.folder / "ca.pem"
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._certify()
        self._prepare()

    def __enter__(self) -> Self:
        """Start."""
        try:
            # Between asking for a free port and listening on it another process may take it.
            assert any(self._start() for _ in range(_STARTS)), f"Dovecot does not start:\n{self.log()}"
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the server, and remove its files."""
        self._stop()
        shutil.rmtree(self.folder)

    def log(self) -> str:
        """The server's log."""
        path = self.folder / "log"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def token(self, user: str, *, lasts: timedelta = timedelta(hours=1)) -> str:
        """An access token that signs a user in."""
        now = datetime.now(UTC)
        claims = {"sub": user, "iat": now - timedelta(hours=2), "exp": now + lasts}
        return jwt.encode(claims, _KEY, algorithm="HS256", headers={"kid": "default"})

    @contextmanager
    def signed_in(self, user: str, folder: str = "INBOX") -> Iterator[imap_tools.MailBox]:
        """A connection as the user's mail program, which may change the mailbox."""
        box = imap_tools.MailBox(HOST, self.port, timeout=_SECONDS, ssl_context=self._client)
        with box.login_utf8(user, PASSWORD, initial_folder=None):
            if not box.folder.exists(folder):
                box.folder.create(folder)
            box.folder.set(folder)
            yield box

    def connect(self) -> ssl.SSLSocket:
        """A new connection, before any command."""
        return self._client.wrap_socket(socket.create_connection((HOST, self.port), _SECONDS), server_hostname=HOST)

    def deliver(self, user: str, mime: bytes, received: datetime, *, folder: str = "INBOX") -> None:
        """Put a mail into a folder, as received at an instant."""
        with self.signed_in(user, folder) as box:
            box.append(mime, folder, dt=received)

    def remove(self, user: str, *uids: int, folder: str = "INBOX") -> None:
        """Delete mails for good."""
        with self.signed_in(user, folder) as box:
            box.delete([str(uid) for uid in uids])

    def flags(self, user: str, folder: str = "INBOX") -> list[tuple[str, ...]]:
        r"""The flags of each mail, without `\Recent`, which the server sets by itself."""
        with self.signed_in(user, folder) as box:
            mails = list(box.fetch(mark_seen=False, headers_only=True))
        return [tuple(flag for flag in mail.flags if flag != r"\Recent") for mail in mails]

    def files(self, user: str) -> list[Path]:
        """The mails of INBOX as stored on disk, oldest first."""
        home = self.folder / "mail" / user
        return sorted([*home.glob("cur/*"), *home.glob("new/*")], key=lambda path: path.stat().st_mtime)

    def _certify(self) -> None:
        authority = trustme.CA()
        certificate = authority.issue_cert(HOST)
        authority.cert_pem.write_to_path(str(self.authority))
        certificate.private_key_pem.write_to_path(str(self.folder / "key.pem"))
        for blob in certificate.cert_chain_pems:
            blob.write_to_path(str(self.folder / "cert.pem"), append=True)
        self.server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(self.server_context)
        self._client = ssl.create_default_context()
        authority.configure_trust(self._client)

    def _prepare(self) -> None:
        keys = self.folder / "keys" / "default" / "HS256"
        keys.mkdir(parents=True)
        (keys / "default").write_bytes(base64.b64encode(_KEY.encode()))
        (self.folder / "oauth2.conf").write_text(_OAUTH2.format(folder=self.folder))
        mail = self.folder / "mail"
        mail.mkdir()
        if os.geteuid() == 0:
            self.folder.chmod(0o755)
            shutil.chown(mail, _MAIL)

    def _configure(self) -> Path:
        users = {"internal": _INTERNAL, "login": _LOGIN, "mail": _MAIL} if os.geteuid() == 0 else {}
        entries = {role: pwd.getpwnam(name) for role, name in users.items()}
        for role in ("internal", "login", "mail"):
            entries.setdefault(role, pwd.getpwuid(os.geteuid()))
        text = _CONFIG.format(
            folder=self.folder,
            host=HOST,
            port=self.port,
            password=PASSWORD,
            # Who is not root may not change the root.
            chroot="" if users else "chroot =",
            **{role: entry.pw_name for role, entry in entries.items()},
            **{f"{role}_group": grp.getgrgid(entry.pw_gid).gr_name for role, entry in entries.items()},
        )
        path = self.folder / "dovecot.conf"
        path.write_text(text)
        return path

    def _start(self) -> bool:
        self.port = _free_port()
        command = [str(_program()), "-F", "-c", str(self._configure())]
        if shutil.which(_WITH_PARENT[0]):
            command = [*_WITH_PARENT, *command]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + _SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            if self._answers():
                return True
        self._stop()
        return False

    def _answers(self) -> bool:
        with suppress(OSError, imap_tools.errors.ImapToolsError):
            imap_tools.MailBox(HOST, self.port, timeout=_SECONDS, ssl_context=self._client).logout()
            return True
        # It needs some 50 ms; nothing tells when.
        time.sleep(0.01)
        return False

    def _stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            # It ends its own processes first.
            self._process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


def _program() -> str | None:
    return shutil.which("dovecot", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin:/sbin")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port

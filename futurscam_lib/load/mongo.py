"""The MongoDB client, and the translation of its failures into this software's errors."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from bson.codec_options import DatetimeConversion
from pymongo import MongoClient
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    ExecutionTimeout,
    InvalidURI,
    OperationFailure,
    PyMongoError,
    WriteError,
    WTimeoutError,
)

from futurscam_lib.errors import NOTHING_LOST, FuturscamError, OperatorMustAct, RetryLater
from futurscam_lib.load import local_server, refusals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymongo.database import Database

    from futurscam_lib.settings import Settings

PATIENCE: Final = 12
"""How many times longer one operation may take than reaching the server: 2 minutes by default."""

_REFUSED_CODES = {13: "not allowed", 18: "not authenticated", 8000: "refused by Atlas"}
_REFUSED_WORDS = re.compile(r"\bauth(entication|enticate|orization|orized)?\b", re.IGNORECASE)
_BAD_CERTIFICATE = "certificate verify failed"
_SHOWN_CHARACTERS = 300
_FAILURES = ("writeErrors", "writeConcernErrors")


def connect(settings: Settings) -> MongoClient[dict[str, Any]]:
    """Connect to the MongoDB of the settings, starting the local server where none is set.

    Returns:
        A client whose server has answered. A write counts as done once a majority has it; `durability` waits for the
        disk once, at the end of a load, not at every write.

    Raises:
        RetryLater: The server did not answer.
        OperatorMustAct: The server refused the credentials, or MONGO_URI can't be used.
        UsageError: There is no MONGO_URI and no `mongod` to start.
    """
    uri = settings.mongo_uri.get_secret_value() if settings.mongo_uri else local_server.ensure_running(settings)
    reach = int(settings.mongo_timeout.total_seconds() * 1000)
    with mongo_errors():
        try:
            client: MongoClient[dict[str, Any]] = MongoClient(
                uri,
                appname="futurscam",
                tz_aware=True,
                uuidRepresentation="standard",
                w="majority",
                wTimeoutMS=reach * PATIENCE,
                serverSelectionTimeoutMS=reach,
                connectTimeoutMS=reach,
                socketTimeoutMS=reach * PATIENCE,
            )
        except (ValueError, TypeError, OSError):
            # From a mongodb+srv URI; the error's text can quote a part of its password.
            raise InvalidURI from None
        try:
            client.admin.command("ping")
        except BaseException:
            client.close()
            raise
    return client


def lenient(client: MongoClient[dict[str, Any]], name: str) -> Database[dict[str, Any]]:
    """Return a database that also reads unusual instants and texts that other programs wrote.

    Returns:
        A database that returns instants outside the years 1 to 9999 as `bson.DatetimeMS`, and invalid UTF-8 as \ufffd.
    """
    options = client.codec_options.with_options(
        datetime_conversion=DatetimeConversion.DATETIME_AUTO, unicode_decode_error_handler="replace"
    )
    return client.get_database(name, codec_options=options)


@contextmanager
def mongo_errors() -> Iterator[None]:
    """Translate MongoDB failures into this software's errors.

    Other failures keep their class, without what they quote: MongoDB's error texts repeat the document or the command.

    Raises:
        RetryLater: No answer, no primary, too slow.
        OperatorMustAct: Refused credentials or rights, or a configuration that can't work.
    """
    try:
        yield
    except InvalidURI:
        # Its text can quote a part of the password; a traceback that shows it as the cause would quote it, too.
        raise OperatorMustAct(
            "MONGO_URI can't be read.\nCorrect it; : / ? # [ ] @ % must be percent-encoded inside user and password.",
        ) from None
    except PyMongoError as error:
        translated, bare = _translated(error), _without_content(error)
        if translated is None:
            raise bare from None
        raise translated from bare


def _translated(error: PyMongoError) -> FuturscamError | None:
    if isinstance(error, ConfigurationError):
        return _misconfigured(error)
    if isinstance(error, ConnectionFailure):
        return _unreachable(error)
    if isinstance(error, ExecutionTimeout | WTimeoutError) or _only_late(error):
        return RetryLater(f"MongoDB took too long ({_text(error)}).\n{NOTHING_LOST}")
    if isinstance(error, OperationFailure) and _is_refusal(error):
        return OperatorMustAct(
            f"MongoDB refused the user of MONGO_URI ({_text(error)}).\n"
            "Check its user and password, its authSource, and that the user may read and write the database.",
        )
    return None


def _unreachable(error: ConnectionFailure) -> FuturscamError:
    if _BAD_CERTIFICATE in str(error):
        return OperatorMustAct(
            f"MongoDB's certificate is not trusted ({_text(error)}).\n"
            "Check the host in MONGO_URI, or name the authority that signed it with the option tlsCAFile.",
        )
    return RetryLater(f"MongoDB did not answer ({_text(error)}).\n{NOTHING_LOST}")


def _misconfigured(error: ConfigurationError) -> FuturscamError:
    from dns.exception import DNSException
    from dns.resolver import NXDOMAIN, NoAnswer

    # pymongo also raises a ConfigurationError when the DNS does not answer.
    if isinstance(error.__cause__, DNSException) and not isinstance(error.__cause__, NXDOMAIN | NoAnswer):
        return RetryLater(f"The host of MONGO_URI could not be looked up ({_text(error)}).\n{NOTHING_LOST}")
    return OperatorMustAct(f"MONGO_URI can't be used ({_text(error)}).\nCorrect its host or its options.")


def _without_content(error: PyMongoError) -> PyMongoError:
    """Return the same failure without quoted content; only server replies quote anything."""
    if isinstance(error, BulkWriteError):
        return BulkWriteError({**(error.details or {}), **{name: _bare(error, name) for name in _FAILURES}})
    if isinstance(error, OperationFailure):
        text = _text(error)
        return type(error)(text, error.code, {"code": error.code, "errmsg": text})
    return error


def _bare(error: BulkWriteError, name: str) -> list[dict[str, Any]]:
    return [
        {
            "index": failure.get("index"),
            "code": failure.get("code"),
            "errmsg": refusals.without_content(failure.get("errmsg", ""), strict=True),
        }
        for failure in (error.details or {}).get(name) or ()
    ]


def _only_late(error: PyMongoError) -> bool:
    """Whether a bulk was written, but not yet acknowledged by enough servers."""
    if not isinstance(error, BulkWriteError):
        return False
    details = error.details or {}
    return bool(details.get("writeConcernErrors")) and not details.get("writeErrors")


def _is_refusal(error: OperationFailure) -> bool:
    return error.code in _REFUSED_CODES or bool(_REFUSED_WORDS.search(_text(error)))


def _text(error: PyMongoError) -> str:
    """Return the text of the server or pymongo, shortened: no topology, repeated timeouts or full reply."""
    details = getattr(error, "details", None)
    text = details.get("errmsg") if isinstance(details, dict) else None
    short = re.split(r" \(configured timeouts|, Timeout: |, full error: ", text or str(error))[0]
    if isinstance(error, OperationFailure):
        short = refusals.without_content(short, strict=isinstance(error, WriteError))
    return short.rstrip(". ")[:_SHOWN_CHARACTERS]

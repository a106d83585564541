"""Prints a landed payload byte for byte: `futurscam raw`."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from futurscam_lib.errors import UsageError
from futurscam_lib.load import mongo
from futurscam_lib.load.collections import Collections
from futurscam_lib.report.tables import as_text

if TYPE_CHECKING:
    from futurscam_lib.settings import Settings

_FEW: Final = 5
_LATIN: Final = 0xFF
_RAW_ID: Final = re.compile("[0-9a-f]{8,64}")


def read_payload(configured: Settings, raw_id: str) -> bytes:
    """The bytes of a payload.

    Args:
        configured: Settings of the home.
        raw_id: Its SHA-256, hex, or a unique beginning of at least 8 digits.

    Raises:
        UsageError: There is no such payload, there are several, or it was landed without its bytes.
        RetryLater, OperatorMustAct: MongoDB does not answer, or refuses.
    """
    asked = raw_id.strip().lower()
    if not _RAW_ID.fullmatch(asked):
        raise UsageError(f"{raw_id!r} is not a raw_id or the beginning of one: 8 to 64 hexadecimal digits.")
    with mongo.connect(configured) as client, mongo.mongo_errors():
        raw = Collections.of(client[configured.database]).raw
        # `g` follows the last hexadecimal digit.
        ids = [
            document["_id"]
            for document in raw.find({"_id": {"$gte": asked, "$lt": f"{asked}g"}}, {"_id": 1}).limit(_FEW + 1)
        ]
        landed = raw.find_one({"_id": ids[0]}) if len(ids) == 1 else None
    if len(ids) > 1:
        names = ", ".join(ids[:_FEW]) + (" and others" if len(ids) > _FEW else "")
        raise UsageError(f"Several payloads begin with {asked}: {names}. Give more of the name.")
    if landed is None:
        raise UsageError(
            f"No payload {asked} was landed in {configured.database} (RFP_raw). `futurscam why JOB_ID` and "
            "`futurscam rejects show ITEM` name the payloads of a mission and of a reject."
        )
    if landed["flaw"]:
        raise UsageError(
            f"The bytes of {landed['_id']} were not kept: {as_text(landed['flaw']['reason'], longest=1000)} "
            f"It has {landed['size']:,} bytes and came from {as_text(landed['origin'], longest=1000)} "
            f"({as_text(landed['source'])})."
        )
    return bytes(landed["payload"])


def indented(data: bytes) -> bytes:
    """Indent JSON; returns UTF-8.

    Raises:
        UsageError: It is not JSON.
    """
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"The payload is not JSON ({error}); without --pretty it is printed as it is.") from error
    # A lone surrogate, which UTF-8 cannot hold, is escaped as JSON escapes it.
    return json.dumps(content, ensure_ascii=False, indent=2).encode("utf-8", "backslashreplace")


def visible(data: bytes) -> str:
    """Bytes as text for a terminal: control characters become escapes, line breaks stay."""
    return "".join(
        c if c.isprintable() or c in "\n\t" else _escaped(c) for c in data.decode("utf-8", "backslashreplace")
    )


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code <= _LATIN else character.encode("ascii", "backslashreplace").decode("ascii")

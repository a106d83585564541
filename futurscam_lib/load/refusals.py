"""Single documents that MongoDB refuses: by a unique index or validator of another program, or for their shape.

MongoDB's replies quote the document. This module never passes that content on.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib.errors import Rejected

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pymongo.errors import BulkWriteError, WriteError

    Failure = Mapping[str, Any]

CODE: Final = "refused-by-database"

DUPLICATE_KEY: Final = 11000
_VALIDATION: Final = 121
_PATH_NOT_VIABLE: Final = 28
_ABOUT_ONE_DOCUMENT: Final = {
    DUPLICATE_KEY: "DuplicateKey",
    _VALIDATION: "DocumentValidationFailure",
    _PATH_NOT_VIABLE: "PathNotViable",
    2: "BadValue",
    14: "TypeMismatch",
    15: "Overflow",
    22: "InvalidBSON",
    52: "DollarPrefixedFieldName",
    55: "InvalidDBRef",
    56: "EmptyFieldName",
    57: "DottedFieldName",
    61: "ShardKeyNotFound",
    66: "ImmutableField",
    171: "CannotIndexParallelArrays",
    241: "ConversionFailure",
    10334: "BSONObjectTooLarge",
    13026: "2d index: not a pair of numbers",
    13027: "2d index: out of its range",
    13067: "2d index: nothing there",
    13068: "2d index: one number only",
    13334: "ShardKeyTooBig",
    16755: "geo keys of a 2dsphere index",
    16766: "hashed index of an array",
    17261: "language of a text index that is not a text",
    17262: "language of a text index that MongoDB does not know",
    17280: "KeyTooLong",
    17419: "larger than a document may be, after an update",
    17420: "larger than a document may be, after a replacement",
}
"""Errors of a single write that are caused by its document. All other codes count as errors of the server: rights,
locks, time, elections, a full disk. Such an error fails the run, which is tried again, and rejects no document."""

_INDEX: Final = re.compile(r"index: (.+?) (?:collation|dup key):")
_OBJECT: Final = re.compile(r"[{\[]")
_VALUE: Final = re.compile(r"""[{\["']|(?<!collection)(?<!index): """)
_LONGEST: Final = 200


def by_index(error: BulkWriteError) -> dict[int, Failure]:
    """Return the refused documents of a bulk, by their place in it.

    Raises:
        BulkWriteError: Something else went wrong, so nothing can be concluded about the documents.
    """
    details = error.details or {}
    failures = details.get("writeErrors") or []
    if details.get("writeConcernErrors") or any(failure["code"] not in _ABOUT_ONE_DOCUMENT for failure in failures):
        raise error
    return {failure["index"]: failure for failure in failures}


def check(error: WriteError) -> None:
    """Ignore the refusal of one document.

    Raises:
        WriteError: Something else went wrong.
    """
    if error.code not in _ABOUT_ONE_DOCUMENT:
        raise error


def is_duplicate_of(failure: Failure, field: str) -> bool:
    """Whether a unique index on the field, alone or with others, already held the document's value."""
    return failure["code"] == DUPLICATE_KEY and field in failure.get("keyPattern", {field: 1})


def is_changed_shape(failure: Failure) -> bool:
    """Whether a field that was an object has been changed to something else since the update was decided."""
    return bool(failure["code"] == _PATH_NOT_VIABLE)


def rejected(failure: Failure, *, collection: str) -> Rejected:
    """Return the error that rejects the document; it names the index or the rule, and no value.

    Args:
        failure: One entry of a bulk's `writeErrors`.
        collection: The name of the collection that refused it.
    """
    if failure["code"] == DUPLICATE_KEY:
        fields = ", ".join(failure.get("keyPattern", ()))
        match = _INDEX.search(failure.get("errmsg", ""))
        index = match[1] if match else fields or "unknown"
        why = f"Another document has the same value in the unique index {index} of {collection}"
        return Rejected(f"{why}.", code=CODE, path=fields)
    if failure["code"] == _VALIDATION:
        rules = list(dict.fromkeys(_rules(failure.get("errInfo", {}).get("details"), "")))
        broken = "; ".join(f"{rule} of {path}" if path else rule for rule, path in rules)[:_LONGEST]
        path = next((path for _, path in rules if path), "")
        return Rejected(f"The validator of {collection} refuses it: {broken or 'no rule named'}.", code=CODE, path=path)
    message = without_content(failure.get("errmsg", ""), strict=True)
    return Rejected(f"{collection} refuses it (error {failure['code']}: {message}).", code=CODE)


def without_content(message: str, *, strict: bool = False) -> str:
    """Return the part of a server's message before it quotes a document or a command.

    Args:
        message: The server's message.
        strict: The message is about writing a document, so a value can follow a colon or be in quotes.
    """
    quoting = _VALUE if strict else _OBJECT
    return quoting.split(message, maxsplit=1)[0].removesuffix("dup key: ").removesuffix("dup key").rstrip(" .:")


def _rules(details: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield each validator rule that a document broke, with its field; values are left out."""
    if isinstance(details, list):
        for detail in details:
            yield from _rules(detail, path)
    if not isinstance(details, dict):
        return
    if isinstance(name := details.get("propertyName"), str):
        path = f"{path}.{name}" if path else name
    inner = [value for key, value in details.items() if key.endswith("Satisfied") or key == "details"]
    for detail in inner:
        yield from _rules(detail, path)
    if inner or "operatorName" not in details:
        return
    missing = details.get("missingProperties")
    specified = details.get("specifiedAs")
    fields = missing or [name for name in specified or () if not name.startswith("$")] if specified else []
    rule = details["operatorName"]
    if rule.startswith("$") and fields:
        path = ", ".join(fields)
    yield (f"{rule} {', '.join(missing)}" if missing else rule, path)

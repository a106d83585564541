"""What MongoDB refuses of single documents: a unique index or a validator of somebody else, or a document's shape.

A reply of MongoDB quotes the document that it is about. Nothing here passes that on.
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
"""Failures of a single write that are about its document. All others are about the server, as far as is known here:
rights, locks, time, elections, a full disk. A run then fails and is tried again; no document may be settled by one."""

_INDEX: Final = re.compile(r"index: (.+?) (?:collation|dup key):")
_OBJECT: Final = re.compile(r"[{\[]")
_VALUE: Final = re.compile(r"""[{\["']|(?<!collection)(?<!index): """)
_LONGEST: Final = 200


def by_index(error: BulkWriteError) -> dict[int, Failure]:
    """The documents of a bulk that were refused, by their place in it.

    Raises:
        BulkWriteError: Something else went wrong, so nothing can be concluded about the documents.
    """
    details = error.details or {}
    failures = details.get("writeErrors") or []
    if details.get("writeConcernErrors") or any(one["code"] not in _ABOUT_ONE_DOCUMENT for one in failures):
        raise error
    return {one["index"]: one for one in failures}


def check(error: WriteError) -> None:
    """Let a refusal of one document pass.

    Raises:
        WriteError: Something else went wrong.
    """
    if error.code not in _ABOUT_ONE_DOCUMENT:
        raise error


def is_duplicate_of(failure: Failure, field: str) -> bool:
    """Whether a unique index on the field, alone or with others, already held the document's value."""
    return failure["code"] == DUPLICATE_KEY and field in failure.get("keyPattern", {field: 1})


def is_changed_shape(failure: Failure) -> bool:
    """Whether a field that was an object has become something else since the update was decided."""
    return bool(failure["code"] == _PATH_NOT_VIABLE)


def rejected(failure: Failure, *, collection: str) -> Rejected:
    """What becomes of the document: a reject that names the index or the rule, and no value.

    Args:
        failure: One entry of a bulk's `writeErrors`.
        collection: The name of the collection that refused it.
    """
    if failure["code"] == DUPLICATE_KEY:
        fields = ", ".join(failure.get("keyPattern", ()))
        found = _INDEX.search(failure.get("errmsg", ""))
        index = found[1] if found else fields or "unknown"
        why = f"Another document has the same value in the unique index {index} of {collection}"
        return Rejected(f"{why}.", code=CODE, path=fields)
    if failure["code"] == _VALIDATION:
        rules = list(dict.fromkeys(_rules(failure.get("errInfo", {}).get("details"), "")))
        said = "; ".join(f"{rule} of {path}" if path else rule for rule, path in rules)[:_LONGEST]
        path = next((path for _, path in rules if path), "")
        return Rejected(f"The validator of {collection} refuses it: {said or 'no rule named'}.", code=CODE, path=path)
    said = without_content(failure.get("errmsg", ""), strict=True)
    return Rejected(f"{collection} refuses it (error {failure['code']}: {said}).", code=CODE)


def without_content(message: str, *, strict: bool = False) -> str:
    """The part of a server's message that comes before it quotes a document or a command.

    Args:
        message: As the server gives it.
        strict: It is about writing a document: a value of it can follow a colon, or stand in quotes.
    """
    quoting = _VALUE if strict else _OBJECT
    return quoting.split(message, maxsplit=1)[0].removesuffix("dup key: ").removesuffix("dup key").rstrip(" .:")


def _rules(details: Any, path: str) -> Iterator[tuple[str, str]]:
    """Each rule of a validator that a document broke, with the field it is about; values are left out."""
    if isinstance(details, list):
        for one in details:
            yield from _rules(one, path)
    if not isinstance(details, dict):
        return
    if isinstance(name := details.get("propertyName"), str):
        path = f"{path}.{name}" if path else name
    inner = [value for key, value in details.items() if key.endswith("Satisfied") or key == "details"]
    for one in inner:
        yield from _rules(one, path)
    if inner or "operatorName" not in details:
        return
    missing = details.get("missingProperties")
    specified = details.get("specifiedAs")
    fields = missing or [name for name in specified or () if not name.startswith("$")] if specified else []
    rule = details["operatorName"]
    if rule.startswith("$") and fields:
        path = ", ".join(fields)
    yield (f"{rule} {', '.join(missing)}" if missing else rule, path)

"""Tables and pictures for notebooks; text from outside is always shown as text."""

from __future__ import annotations

import html
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib.report.text import bare_instant, duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

MAX_ROWS: Final = 50
MAX_TEXT: Final = 160
MAX_NOTE: Final = 1000
_LONG: Final = 40

_STYLE: Final = (
    "text-align:left;white-space:normal;overflow-wrap:break-word;max-width:28em;"
    "vertical-align:top;padding:.3em .8em .3em 0"
)
_CAPTION: Final = "caption-side:top;text-align:left;font-weight:bold;padding:.3em 0"
_SEGMENT: Final = r"(?:[A-Za-z0-9._~-]|%[0-9A-Fa-f]{2})+"
_HREF: Final = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*(?:#{_SEGMENT})?|#{_SEGMENT}")
_WORD: Final = re.compile("[a-z]*")


@dataclass(frozen=True, slots=True)
class Mark:
    """A cell with a status, so that a page can colour it; a terminal shows only its text.

    Attributes:
        text: The text to show.
        status: One lower-case word for the style sheet, such as `ok` or `failed`; empty: no status.
    """

    text: str
    status: str

    def __post_init__(self) -> None:
        """Check the status.

        Raises:
            ValueError: It is not one word in small letters.
        """
        _check(_WORD, self.status, "is not one word in small letters")

    def __str__(self) -> str:
        """The text."""
        return self.text


@dataclass(frozen=True, slots=True)
class Link:
    """A cell that links to a file beside the page, or to a place in the page; a terminal shows only its text.

    Attributes:
        text: The text to show.
        href: A relative path, `#` and the name of a place, or both.
        status: As in `Mark`.
    """

    text: str
    href: str
    status: str = ""

    def __post_init__(self) -> None:
        """Check status and address.

        Raises:
            ValueError: The address is not relative, or the status is not one word in small letters.
        """
        _check(_WORD, self.status, "is not one word in small letters")
        _check(_HREF, self.href, "is neither a relative path nor a place in the page")

    def __str__(self) -> str:
        """The text."""
        return self.text


def is_inside(href: str) -> bool:
    """Whether a `Link` may hold this address: a file beside the page, or a place in the page."""
    return bool(_HREF.fullmatch(href))


def _check(allowed: re.Pattern[str], text: str, otherwise: str) -> None:
    if not allowed.fullmatch(text):
        msg = f"{text!r} {otherwise}."
        raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings; shows itself in Jupyter, as text in a terminal, or as a DataFrame with `to_frame()`.

    Attributes:
        columns: The headings.
        rows: The cells, any values; None is shown as an empty cell.
        title: A line above the table.
        notes: Lines below the table, each a sentence.
        total: The total number of rows if `rows` holds only the first; 0 if it holds all.
        limit: How many rows are shown.
        longest: How many characters of a cell are shown.
        kind: A lower-case word for the page's layout, such as `calendar`; empty: no special layout.
        otherwise: Shown if there are no rows; empty: a default sentence.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    title: str = ""
    notes: Sequence[str] = ()
    total: int = 0
    limit: int = MAX_ROWS
    kind: str = ""
    longest: int = MAX_TEXT
    otherwise: str = ""

    def to_frame(self) -> pd.DataFrame:
        """Return the rows as a DataFrame."""
        import pandas as pd

        rows = [[value.text if isinstance(value, Mark | Link) else value for value in row] for row in self.rows]
        return pd.DataFrame(rows, columns=list(self.columns))

    def _repr_html_(self) -> str:
        # `tex2jax_ignore` keeps Jupyter from typesetting text between two dollar signs.
        parts = ['<div class="tex2jax_ignore mathjax_ignore">']
        if self.rows:
            parts.append(f'<div class="scroll" style="overflow-x:auto">{self._html_table()}</div>')
        elif self.title:
            parts.append(f"<p><strong>{html.escape(self.title)}</strong></p>")
        parts += [f"<p>{html.escape(line)}</p>" for line in self._lines_below()]
        return "".join([*parts, "</div>"])

    def _html_table(self) -> str:
        kind = f' class="{html.escape(self.kind)}"' if self.kind else ""
        caption = f'<caption style="{_CAPTION}">{html.escape(self.title)}</caption>' if self.title else ""
        head = "".join(_cell('th scope="col"', name) for name in self.columns)
        body = "".join(
            f"<tr>{''.join(_cell('td', value, longest=self.longest) for value in row)}</tr>"
            for row in self.rows[: self.limit]
        )
        return f"<table{kind}>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def __repr__(self) -> str:
        """The same in plain text."""
        texts = [
            list(self.columns),
            *[[as_text(value, longest=self.longest) for value in row] for row in self.rows[: self.limit]],
        ]
        widths = [max(len(row[i]) for row in texts) for i in range(len(self.columns))]
        lines = [self.title] if self.title else []
        if self.rows:
            rows = ["  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)) for row in texts]
            lines += [row.rstrip() for row in rows]
        return "\n".join([*lines, *self._lines_below()])

    def _lines_below(self) -> list[str]:
        total = self.total or len(self.rows)
        shown = min(len(self.rows), self.limit)
        more = [f"{shown} of {total:,} shown."] if shown < total else []
        notes = [as_text(note, longest=MAX_NOTE) for note in self.notes]
        return [*([] if self.rows else [self._nothing()]), *more, *notes]

    def _nothing(self) -> str:
        if self.otherwise:
            return as_text(self.otherwise, longest=MAX_NOTE)
        # Without a title, the first heading names what is missing.
        of_what = "" if self.title else next(filter(None, self.columns), "")
        return f"{as_text(of_what)}: none." if of_what else "None."


class Shown(ABC):
    """Base class of results that show themselves as a table."""

    __slots__ = ()

    @abstractmethod
    def table(self) -> Table:
        """Return the table to show."""

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def __repr__(self) -> str:
        """The table as text."""
        return repr(self.table())


@dataclass(frozen=True, slots=True, repr=False)
class Tables:
    """Several tables, one below the other."""

    tables: Sequence[Table]

    def _repr_html_(self) -> str:
        return "".join(table._repr_html_() for table in self.tables)

    def __repr__(self) -> str:
        """The same in plain text."""
        return "\n\n".join(map(repr, self.tables))


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG with a text description; without bytes only the description is shown."""

    description: str
    png: bytes = b""

    def _repr_png_(self) -> bytes | None:
        return self.png or None

    def __repr__(self) -> str:
        """The description."""
        return self.description


def as_text(value: Any, *, longest: int = MAX_TEXT) -> str:
    """Format a value for a table."""
    if value is None or isinstance(value, bool):
        return {None: "", True: "yes", False: "no"}[value]
    if isinstance(value, date):
        return bare_instant(value) if isinstance(value, datetime) else value.isoformat()
    if isinstance(value, timedelta):
        return duration(value)
    if isinstance(value, float):
        return f"{value:,.2f}".rstrip("0").rstrip(".")
    if isinstance(value, list):
        value = ", ".join(as_text(v) for v in value)
    elif isinstance(value, dict):
        # The name first: objects read from JSON have their keys in alphabetical order.
        value = " ".join(as_text(value[key]) for key in sorted(value, key=lambda key: key != "name"))
    elif isinstance(value, int):
        return f"{value:,}"
    # Control characters could control a terminal, and file names may contain them.
    text = "".join(c if c.isprintable() else "\ufffd" for c in " ".join(str(value).split()))
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _cell(tag: str, value: Any, *, longest: int = MAX_TEXT) -> str:
    text, style, more = as_text(value, longest=longest), _STYLE, ""
    if isinstance(value, timedelta):
        more = f' class="number" data-value="{value.total_seconds():g}"'
    elif isinstance(value, int | float) and not isinstance(value, bool):
        more = ' class="number"'
    elif isinstance(value, date):
        more = ' class="stamp"'
    elif isinstance(value, Mark | Link) and value.status:
        more = f' data-status="{value.status}"'
    elif len(text) > _LONG:
        more = ' class="long"'
    if "number" in more:
        style = style.replace("left", "right")
    elif "stamp" in more:  # A day would be broken at its hyphens.
        style = style.replace("white-space:normal", "white-space:nowrap")
    inside = html.escape(text)
    if isinstance(value, Link):
        inside = f'<a href="{value.href}">{inside}</a>'
    return f'<{tag}{more} style="{style}">{inside}</{tag.partition(" ")[0]}>'

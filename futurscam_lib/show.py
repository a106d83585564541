"""How results look in a notebook: tables and pictures in which text from outside stays text."""

from __future__ import annotations

import html
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

MAX_ROWS: Final = 50
MAX_TEXT: Final = 160
MAX_NOTE: Final = 1000

_STYLE: Final = (
    "text-align:left;white-space:normal;overflow-wrap:break-word;max-width:28em;"
    "vertical-align:top;padding:.3em .8em .3em 0"
)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings; shows itself in Jupyter, as text in a terminal, as a DataFrame by `to_frame()`.

    Attributes:
        columns: The headings.
        rows: The cells, any values; None is shown as an empty cell.
        title: A line above.
        notes: Lines below, each a sentence.
        total: How many rows there are where `rows` is but the beginning; 0 means all are here.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    title: str = ""
    notes: Sequence[str] = ()
    total: int = 0

    def to_frame(self) -> pd.DataFrame:
        """The rows that are here, for an analyst."""
        import pandas as pd  # noqa: PLC0415 - a second to import, and a headless run without rows needs none

        return pd.DataFrame(list(self.rows), columns=list(self.columns))

    def _repr_html_(self) -> str:
        # `tex2jax_ignore` keeps Jupyter from typesetting what stands between two dollar signs.
        parts = ['<div class="tex2jax_ignore mathjax_ignore">']
        if self.title:
            parts.append(f"<p><strong>{html.escape(self.title)}</strong></p>")
        if self.rows:
            head = "".join(_cell("th", name) for name in self.columns)
            body = "".join(f"<tr>{''.join(_cell('td', value) for value in row)}</tr>" for row in self.rows[:MAX_ROWS])
            table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
            parts.append(f'<div style="overflow-x:auto">{table}</div>')
        parts += [f"<p>{html.escape(line)}</p>" for line in self._lines_below()]
        return "".join([*parts, "</div>"])

    def __repr__(self) -> str:
        """The same in plain text."""
        texts = [list(self.columns), *[[as_text(value) for value in row] for row in self.rows[:MAX_ROWS]]]
        widths = [max(len(row[i]) for row in texts) for i in range(len(self.columns))]
        lines = [self.title] if self.title else []
        if self.rows:
            rows = ["  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)) for row in texts]
            lines += [row.rstrip() for row in rows]
        return "\n".join([*lines, *self._lines_below()])

    def _lines_below(self) -> list[str]:
        total = self.total or len(self.rows)
        shown = min(len(self.rows), MAX_ROWS)
        more = [f"{shown} of {total:,} shown."] if shown < total else []
        notes = [as_text(note, longest=MAX_NOTE) for note in self.notes]
        return [*([] if self.rows else ["None."]), *more, *notes]


class Shown(ABC):
    """Something that shows itself as its table."""

    __slots__ = ()

    @abstractmethod
    def table(self) -> Table:
        """What is shown."""

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def __repr__(self) -> str:
        """The table as text."""
        return repr(self.table())


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG with a description for those who cannot see it; without bytes only the description is shown."""

    description: str
    png: bytes = b""

    def _repr_png_(self) -> bytes | None:
        return self.png or None

    def __repr__(self) -> str:
        """The description."""
        return self.description


def as_text(value: Any, *, longest: int = MAX_TEXT) -> str:
    """A value as a reader wants it in a table."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, float):
        return f"{value:,.2f}".rstrip("0").rstrip(".")
    if isinstance(value, list):
        value = ", ".join(as_text(v) for v in value)
    elif isinstance(value, dict):
        value = " ".join(as_text(v) for v in value.values())
    elif isinstance(value, int):
        return f"{value:,}"
    # Control characters steer a terminal, and file names may hold them.
    text = "".join(c if c.isprintable() else "\ufffd" for c in " ".join(str(value).split()))
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _cell(tag: str, value: Any) -> str:
    align = (
        _STYLE.replace("left", "right") if isinstance(value, (int, float)) and not isinstance(value, bool) else _STYLE
    )
    return f'<{tag} style="{align}">{html.escape(as_text(value))}</{tag}>'

"""The pictures of a run. Drawn without pyplot, which costs a second and keeps global state."""

from __future__ import annotations

import io
import warnings
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib.report.tables import Picture
from futurscam_lib.report.transformed import forget_rare

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_RATE_STEP: Final = 50.0
_HOURS_SHOWN: Final = 72
_BARS_SHOWN: Final = 60
_SKILLS_SHOWN: Final = 15
_LONGEST_NAME: Final = 40
_FEW_BARS: Final = 8
_LABELS_SHOWN: Final = 15
_COLOUR: Final = "#3b6ea5"
_COLOURS: Final = (_COLOUR, "#d1803a", "#5a9a58", "#8a6bb1", "#b5495b", "#7a7a7a")
"""In this order they can be distinguished by colour-blind readers, too."""


@dataclass(slots=True)
class Frequencies:
    """The counts behind the pictures of a run; they stay small for any number of documents.

    Attributes:
        hours: Documents per hour of their version, as sortable text up to the hour.
        rates: Documents per step of the daily rate's upper end, in EUR; keyed by the step's lower bound.
        skills: Documents per skill; if there are very many skills, rare ones are dropped.
    """

    hours: Counter[str] = field(default_factory=Counter)
    rates: Counter[float] = field(default_factory=Counter)
    skills: Counter[str] = field(default_factory=Counter)

    def add(self, content: Mapping[str, Any], *, instant: str, times: int = 1) -> None:
        """Count a document.

        Args:
            content: The document.
            instant: The instant of its version, sortable.
            times: -1 removes a document that was counted before.
        """
        self.hours[instant[:13]] += times
        rate = content["conditions"]["dailyRate"]
        amount = rate["max"] if rate["max"] is not None else rate["min"]
        if amount is not None and rate["currency"] in {"EUR", None}:
            self.rates[amount // _RATE_STEP * _RATE_STEP] += times
        for skill in content["skills"]:
            self.skills[skill["name"]] += times
        for counter in (self.hours, self.rates, self.skills):
            forget_rare(counter)

    def copy(self) -> Frequencies:
        """Return an independent copy."""
        return Frequencies(self.hours.copy(), self.rates.copy(), self.skills.copy())


def timeline(hours: Mapping[str, int]) -> Picture:
    """Draw RFPs per hour of their last change, or per day if there are many hours."""
    per_hour = len(hours) <= _HOURS_SHOWN and len({hour[:10] for hour in hours}) <= _HOURS_SHOWN // 24
    length = 13 if per_hour else 10
    counts: Counter[str] = Counter()
    for hour, count in (+Counter(hours)).items():
        counts[hour[:length]] += count
    newest = sorted(counts.items())[-_BARS_SHOWN:]
    unit = "hour" if per_hour else "day"
    labels = [f"{name.replace('T', ' ')}h" if per_hour else name for name, _ in newest]
    return bars(labels, [count for _, count in newest], title=f"RFPs per {unit} of their last change (UTC)")


def rates(steps: Mapping[float, int]) -> Picture:
    """Draw RFPs per daily rate."""
    lows = sorted(+Counter(steps))[:_BARS_SHOWN]
    labels = [f"{low:.7g}-{low + _RATE_STEP:.7g}" for low in lows]
    return bars(labels, [steps[low] for low in lows], title="RFPs per daily rate, upper end, EUR excl. VAT")


def top_skills(skills: Counter[str]) -> Picture:
    """Draw the most requested skills."""
    top = (+skills).most_common(_SKILLS_SHOWN)[::-1]
    return bars(
        [_short(name) for name, _ in top], [count for _, count in top], title="Skills asked for most", lying=True
    )


def bars(labels: Sequence[str], counts: Sequence[float], *, title: str, lying: bool = False) -> Picture:
    """Draw a bar per label, vertical or horizontal (`lying`); readable on a light and on a dark page."""
    if not lying:
        return stacked(labels, {"": counts}, title=title)
    if not counts:
        return _nothing(title)
    figure, axes = _figure(max(2.2, 0.3 * len(counts)))
    places = range(len(counts))
    axes.barh(places, counts, color=_COLOUR)
    _label(axes.set_yticks, places, labels)
    return _drawn(figure, axes.xaxis, title=title, listed=_listed(labels, counts))


def stacked(labels: Sequence[str], parts: Mapping[str, Sequence[float]], *, title: str) -> Picture:
    """Draw a vertical bar per label, made of stacked parts; readable on a light and on a dark page.

    Args:
        labels: Labels below the bars.
        parts: By name, a number for each label; the name of a single part is not shown.
        title: Title above the picture.
    """
    totals = [sum(numbers) for numbers in zip(*parts.values(), strict=True)]
    if not totals:
        return _nothing(title)
    figure, axes = _figure(2.8)
    places = range(len(totals))
    below = [0.0] * len(totals)
    for number, (name, numbers) in enumerate(parts.items()):
        axes.bar(places, numbers, bottom=below, color=_COLOURS[number % len(_COLOURS)], label=_short(name))
        below = [low + high for low, high in zip(below, numbers, strict=True)]
    middle, half = (len(totals) - 1) / 2, max(len(totals), _FEW_BARS) / 2
    axes.set_xlim(middle - half, middle + half)  # A single bar would fill the picture.
    step = -(-len(labels) // _LABELS_SHOWN)
    _label(axes.set_xticks, places[::step], labels[::step], rotation=45, ha="right")
    if len(parts) > 1:
        for text in axes.legend(fontsize=8, frameon=False).get_texts():
            text.set_parse_math(False)
    return _drawn(figure, axes.yaxis, title=title, listed=_listed(labels, totals))


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _nothing(title: str) -> Picture:
    return Picture(f"{title}: nothing to draw.")


def _listed(labels: Sequence[str], counts: Sequence[float]) -> str:
    return ", ".join(f"{label}: {count:.10g}" for label, count in zip(labels, counts, strict=True))


def _figure(height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, height), dpi=90, layout="constrained")
    return figure, figure.add_subplot()


def _drawn(figure: Any, counting: Any, *, title: str, listed: str) -> Picture:
    """Finish a figure; `counting` is the axis of the numbers."""
    from matplotlib.ticker import MaxNLocator

    (axes,) = figure.axes
    counting.set_major_locator(MaxNLocator(integer=True))
    axes.set_title(title, loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    png = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # Drawn as a box; the description has the name.
        figure.savefig(png, format="png")
    return Picture(f"{title}. {listed}", png.getvalue())


def _label(set_ticks: Any, places: Sequence[int], labels: Sequence[str], **look: Any) -> None:
    # Otherwise text between two dollar signs in a name would be typeset as mathematics, or fail.
    set_ticks(places, labels, fontsize=8, parse_math=False, **look)

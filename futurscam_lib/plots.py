"""The pictures of a run. Drawn without pyplot, which costs a second and keeps global state."""

from __future__ import annotations

import io
import warnings
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from futurscam_lib.show import Picture
from futurscam_lib.tally import RATE_STEP

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_HOURS_SHOWN: Final = 72
_BARS_SHOWN: Final = 60
_SKILLS_SHOWN: Final = 15
_LONGEST_NAME: Final = 40
_COLOUR: Final = "#3b6ea5"


def timeline(hours: Mapping[str, int]) -> Picture:
    """RFPs per hour of their last change, or per day where the hours are many."""
    per_hour = len(hours) <= _HOURS_SHOWN and len({hour[:10] for hour in hours}) <= _HOURS_SHOWN // 24
    length = 13 if per_hour else 10
    counts: Counter[str] = Counter()
    for hour, count in hours.items():
        counts[hour[:length]] += count
    newest = sorted(counts.items())[-_BARS_SHOWN:]
    unit = "hour" if per_hour else "day"
    labels = [f"{name.replace('T', ' ')}h" if per_hour else name for name, _ in newest]
    return bars(labels, [count for _, count in newest], title=f"RFPs per {unit} of their last change (UTC)")


def rates(steps: Mapping[float, int]) -> Picture:
    """RFPs per daily rate."""
    lows = sorted(steps)[:_BARS_SHOWN]
    labels = [f"{low:.7g}-{low + RATE_STEP:.7g}" for low in lows]
    return bars(labels, [steps[low] for low in lows], title="RFPs per daily rate, upper end, EUR excl. VAT")


def top_skills(skills: Counter[str]) -> Picture:
    """The skills asked for most."""
    top = skills.most_common(_SKILLS_SHOWN)[::-1]
    names = [name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…" for name, _ in top]
    return bars(names, [count for _, count in top], title="Skills asked for most", lying=True)


def bars(labels: Sequence[str], counts: Sequence[float], *, title: str, lying: bool = False) -> Picture:
    """A bar per label, upright or lying; readable on a light and on a dark page."""
    if not counts:
        return Picture(f"{title}: nothing to draw.")
    from matplotlib.figure import Figure  # noqa: PLC0415 - most hourly runs draw nothing
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415

    figure = Figure(figsize=(9, max(2.2, 0.3 * len(counts)) if lying else 2.8), dpi=90, layout="constrained")
    axes = figure.add_subplot()
    places = range(len(counts))
    if lying:
        axes.barh(places, counts, color=_COLOUR)
        _label(axes.set_yticks, places, labels)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    else:
        axes.bar(places, counts, color=_COLOUR)
        step = -(-len(labels) // 15)
        _label(axes.set_xticks, places[::step], labels[::step], rotation=45, ha="right")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title(title, loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    png = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # Drawn as a box; the description has the name.
        figure.savefig(png, format="png")
    listed = ", ".join(f"{label}: {count}" for label, count in zip(labels, counts, strict=True))
    return Picture(f"{title}. {listed}", png.getvalue())


def _label(set_ticks: Any, places: Sequence[int], labels: Sequence[str], **look: Any) -> None:
    # What stands between two dollar signs of a name would be typeset as mathematics, or fail.
    set_ticks(places, labels, fontsize=8, parse_math=False, **look)

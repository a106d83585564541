"""What the plots and findings of a run are made from: counts that stay small however many records stream by."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from futurscam_lib.transform.vocabulary import kind_of

if TYPE_CHECKING:
    from futurscam_lib.rfp import Rfp

RATE_STEP: Final = 50.0
_MOST_NAMES: Final = 20_000
_KEPT_NAMES: Final = 2_000


class Tally:
    """Counts over the documents of one run.

    Attributes:
        hours: Documents per hour of their version, as sortable text up to the hour.
        rates: Documents per step of the daily rate's upper end, in EUR; keyed by the step's lower bound.
        skills: Documents per skill; where there are very many different ones the rare are forgotten.
        oddities: Unknown values, by (field, value), as in `Rfp`: for the notebook, which shows the words.
        kinds: The same by (field, kind): for the ledger and the logs, in which nothing of a post may stand.
    """

    def __init__(self) -> None:
        """Start at nothing."""
        self.hours: Counter[str] = Counter()
        self.rates: Counter[float] = Counter()
        self.skills: Counter[str] = Counter()
        self.oddities: Counter[tuple[str, str]] = Counter()
        self.kinds: Counter[tuple[str, str]] = Counter()

    def add(self, rfp: Rfp) -> None:
        """Count one document."""
        self.hours[rfp.key.instant[:13]] += 1
        rate = rfp.content["conditions"]["dailyRate"]
        amount = rate["max"] if rate["max"] is not None else rate["min"]
        if amount is not None and rate["currency"] in {"EUR", None}:
            self.rates[amount // RATE_STEP * RATE_STEP] += 1
        self.skills.update(skill["name"] for skill in rfp.content["skills"])
        self.oddities.update(rfp.oddities)
        self.kinds.update((path, kind_of(what)) for path, what in rfp.oddities)
        for counter in (self.hours, self.rates, self.skills, self.oddities):
            if len(counter) > _MOST_NAMES:
                _forget_rare(counter)


def _forget_rare(counter: Counter[str] | Counter[float] | Counter[tuple[str, str]]) -> None:
    kept = dict(counter.most_common(_KEPT_NAMES))
    counter.clear()
    counter.update(kept)  # type: ignore[arg-type] # its own keys

"""The seal of a ledger: what only the holder of its key can write.

Hashes tell that a line was changed by somebody who did not make the whole chain anew. Against one who did, each line
carries a MAC of its hash, and so does the head.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

KEY: Final = "FUTURSCAM_LEDGER_KEY"
_LINE: Final = "line"
_HEAD: Final = "head"


@dataclass(frozen=True, slots=True)
class Seal:
    """Makes and checks MACs (HMAC-SHA-256, hex) with one key."""

    key: str

    def of_line(self, digest: str) -> str:
        """MAC of a line, of its hash."""
        return self._mac(_LINE, digest)

    def of_head(self, seq: int, digest: str) -> str:
        """MAC of a head that names a line by number and hash."""
        return self._mac(_HEAD, f"{seq} {digest}")

    def fits_line(self, digest: str, mac: str) -> bool:
        """Whether the MAC is this key's."""
        return _same(self.of_line(digest), mac)

    def fits_head(self, seq: int, digest: str, mac: str) -> bool:
        """The same for a head."""
        return _same(self.of_head(seq, digest), mac)

    def _mac(self, kind: str, text: str) -> str:
        # The kind keeps the MAC of one thing from being used for another.
        return hmac.new(self.key.encode(), f"{kind}\n{text}".encode(), hashlib.sha256).hexdigest()


def _same(due: str, mac: str) -> bool:
    # As bytes: no hash covers a MAC, so it may hold anything, and of strings only ASCII can be compared.
    return hmac.compare_digest(due.encode(), mac.encode(errors="replace"))

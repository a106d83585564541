"""docs/REVIEWING.md matches the program."""

from __future__ import annotations

import re
from typing import Final

from futurscam_lib import settings
from tests.docs.test_setup_doc import CALL, faults, members, program

DOC: Final = settings.PROJECT / "docs" / "REVIEWING.md"
TEXT: Final = DOC.read_text("utf-8")
CODE: Final = re.findall(r"`([^`\n]+)`", TEXT) + [
    line for line in TEXT.splitlines() if line.strip().startswith("futur")
]
CALLS: Final = [tuple(words.split()) for line in CODE for words in CALL.findall(line)]


def test_the_commands_exist() -> None:
    """Each verb and its options exist; all verbs of `runs` are named."""
    assert len(CALLS) > 15
    assert [fault for words in CALLS if words != ("...",) for fault in faults(words)] == []
    named = {words[1] for words in CALLS if words[0] == "runs" and len(words) > 1}
    assert named == members(members(program())["runs"]).keys()


def test_the_links_lead_somewhere() -> None:
    """Pictures and files are there, and so are the headings."""
    links = re.findall(r"\]\((?!https://)([^)]+)\)", TEXT)
    anchors = {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)
    }

    assert len(links) > 5
    assert [link for link in links if link.startswith("#") and link[1:] not in anchors] == []
    assert [link for link in links if not link.startswith("#") and not (DOC.parent / link).is_file()] == []
    assert len({link for link in links if link.startswith("images/")}) == 5


def test_the_settings_exist() -> None:
    """Each variable is a setting."""
    known = {variable.name for variable in settings.TABLE.values()}

    assert set(re.findall(r"\bFUTURSCAM_[A-Z_]+\b", TEXT)) <= known

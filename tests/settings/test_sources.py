"""The registry of sources: everything it names exists."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from futurscam_lib import settings
from futurscam_lib.settings.sources import KNOWN_SOURCES, SourceSettings

DOC = (settings.PROJECT / "docs" / "SOURCES.md").read_text("utf-8")


@pytest.mark.parametrize("name", KNOWN_SOURCES)
def test_everything_in_the_registry_exists(name: str) -> None:
    """The reader, the mapping, the section of the docs, the settings that it reads and those that it needs."""
    source, loaded = KNOWN_SOURCES[name], settings.load({"FUTURSCAM_KEYRING": "false"})
    read = settings.read_by(name)

    assert find_spec(f"futurscam_lib.extract.{name}")
    assert find_spec(f"futurscam_lib.transform.{source.mapping}")
    assert f"\n## {source.docs}\n" in DOC
    assert all(any(field.startswith(prefix) for field in read) for prefix in source.reads)
    assert set(source.needs(loaded)) <= read
    assert source.clock is None or source.clock.field in read


def test_each_source_setting_is_read_by_a_source() -> None:
    """There is no unused setting."""
    read = {field for name in KNOWN_SOURCES for field in settings.read_by(name)}

    assert read == {*SourceSettings.model_fields, "inbox"}

"""Vocabularies: what sources say becomes what documents say, and what nobody knows is kept and counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from futurscam_lib.transform import vocabulary
from futurscam_lib.transform.vocabulary import Speller

if TYPE_CHECKING:
    from collections.abc import Mapping

TABLES = {name: table for name, table in vars(vocabulary).items() if name.isupper() and isinstance(table, dict)}


@pytest.mark.parametrize(
    ("table", "says", "word"),
    [
        (vocabulary.SENIORITY, "Senior", "Senior"),
        (vocabulary.SENIORITY, "Smals_Beginner", "Junior"),
        (vocabulary.SENIORITY, "Smals_Confirmed", "Medior"),
        (vocabulary.SENIORITY, "Smals_Expert", "Expert"),
        (vocabulary.SKILL_SENIORITY, "Smals_Confirmed", "Intermediate"),
        (vocabulary.SKILL_SENIORITY, "NiceToHave", "NiceToHave"),
        (vocabulary.LANGUAGE_LEVEL, "Smals_Native", "NativeOrBilingual"),
        (vocabulary.LANGUAGE_LEVEL, "Smals_Active", "ProfessionalWorking"),
        (vocabulary.LANGUAGE_LEVEL, "Smals_Passive", "LimitedWorking"),
        (vocabulary.REMOTE_OPTION, "None", "OnSite"),
        (vocabulary.REMOTE_OPTION, "Partial", "Hybrid"),
        (vocabulary.REMOTE_OPTION, "Full", "Remote"),
        (vocabulary.COUNTRY, "België", "Belgium"),
        (vocabulary.COUNTRY, "  BELGIQUE\n", "Belgium"),
        (vocabulary.REGION, "oost_vlaanderen", "East Flanders"),
        (vocabulary.REGION, "namur", "Namur"),
        (vocabulary.CURRENCY, "€", "EUR"),
        (vocabulary.LANGUAGE, "néerlandais", "Dutch"),
        (vocabulary.OCCUPATION, "TwoDays", "TwoDays"),
    ],
)
def test_a_known_value_gets_the_documents_word(table: Mapping[str, str], says: str, word: str) -> None:
    """Case and white space do not matter, and nothing is counted."""
    speller = Speller()

    assert speller(table, says, path="x") == word
    assert speller.unknown == []


@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_table_can_be_looked_up_and_its_words_are_stable(name: str) -> None:
    """Keys are lower case, as they are asked for, and each word of a document means itself in one table only."""
    table = TABLES[name]

    assert all(key == key.lower().strip() for key in table)
    assert all(word and word == word.strip() for word in table.values())


@pytest.mark.parametrize(
    ("says", "label", "kept"),
    [
        ("GrandMaster", None, "Grand Master"),
        ("Grand_master", None, "Grand master"),
        ("Grand_Master", "Grand master (20 years)", "Grand master (20 years)"),
        ("Grand\x00_Master", " \n ", "Grand Master"),
        ("x" * 300, None, "x" * 100),
        ("x", "y" * 300, "y" * 100),
    ],
)
def test_an_unknown_value_is_kept_readable_and_counted(says: str, label: str | None, kept: str) -> None:
    """A reader sees words, the source's own where it has some; what is counted is what the source said."""
    speller = Speller()

    assert speller(vocabulary.SENIORITY, says, path="a.b", label=label) == kept
    assert speller.unknown == [("a.b", says.replace("\x00", "")[:100])]


@pytest.mark.parametrize("says", [None, "", "  ", "\x00"])
def test_no_value_is_no_word(says: str | None) -> None:
    """What the source leaves open is not an unknown value."""
    speller = Speller()

    assert speller(vocabulary.COUNTRY, says, path="x", label="A label") is None
    assert speller.unknown == []

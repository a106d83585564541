"""Vocabularies: words of sources become words of documents, and unknown words are kept and counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from babel import Locale

from futurscam_lib.transform import vocabulary
from futurscam_lib.transform.fields import Fields
from futurscam_lib.transform.text import fold

if TYPE_CHECKING:
    from collections.abc import Mapping

TABLES = {name: table for name, table in vars(vocabulary).items() if name.isupper() and isinstance(table, dict)}
TABLES |= {made.__name__: made() for made in (vocabulary.languages, vocabulary.countries, vocabulary.currencies)}  # type: ignore[misc]


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
        (vocabulary.countries(), "België", "Belgium"),
        (vocabulary.countries(), "  BELGIQUE\n", "Belgium"),
        (vocabulary.countries(), "be", "Belgium"),
        (vocabulary.countries(), "BEL", "Belgium"),
        (vocabulary.countries(), "Pays-Bas", "Netherlands"),
        (vocabulary.countries(), "Vereinigtes Königreich", "United Kingdom"),
        (vocabulary.countries(), "Etats-Unis", "United States"),
        (vocabulary.countries(), "Polen", "Poland"),
        (vocabulary.countries(), "Czech Republic", "Czechia"),
        (vocabulary.REGION, "oost_vlaanderen", "East Flanders"),
        (vocabulary.REGION, "namur", "Namur"),
        (vocabulary.currencies(), "€", "EUR"),
        (vocabulary.currencies(), "Euro", "EUR"),
        (vocabulary.currencies(), "$", "USD"),
        (vocabulary.currencies(), "CAD", "CAD"),
        (vocabulary.currencies(), "Franc suisse", "CHF"),
        (vocabulary.languages(), "néerlandais", "Dutch"),
        (vocabulary.languages(), "Neerlandais", "Dutch"),
        (vocabulary.languages(), "Vlaams", "Dutch"),
        (vocabulary.languages(), "Niederländisch", "Dutch"),
        (vocabulary.languages(), "nld", "Dutch"),
        (vocabulary.languages(), "nl", "Dutch"),
        (vocabulary.languages(), "polonais", "Polish"),
        (vocabulary.REGION, "Liège", "Liège"),
        (vocabulary.REGION, "Flandre orientale", "East Flanders"),
        (vocabulary.OCCUPATION, "TwoDays", "TwoDays"),
    ],
)
def test_a_known_value_gets_the_documents_word(table: Mapping[str, str], says: str, word: str) -> None:
    """Case and white space make no difference, and nothing is counted."""
    fields = Fields({"x": says})

    assert fields.word("x", table) == word
    assert fields.unknown == []


@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_table_can_be_looked_up_and_its_words_are_stable(name: str) -> None:
    """Keys are folded for look-ups, and the words of documents are not empty and have no outer spaces."""
    table = TABLES[name]

    assert all(key == fold(key) for key in table)
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
    """The document has readable words, the source's own if it gives them; the source's code is counted."""
    fields = Fields({"b": says, "label": label}, "a")

    assert fields.word("b", vocabulary.SENIORITY, label="label") == kept
    assert fields.unknown == [("a.b", f"unknown word: {says.replace(chr(0), '') if len(says) < 40 else 'a long text'}")]


@pytest.mark.parametrize("says", ["7", "???", "-"])
def test_a_text_without_letters_is_not_a_word(says: str) -> None:
    """It is counted, and the document has no value."""
    fields = Fields({"x": says})

    assert fields.word("x", vocabulary.languages()) is None
    assert fields.unknown == [("x", f"unknown word: {says}")]


def test_the_names_come_from_all_four_languages() -> None:
    """Every language and country in Babel is found by each of its names, unless two share the name."""
    for kind, table in (("languages", vocabulary.languages()), ("territories", vocabulary.countries())):
        for language in ("en", "fr", "nl", "de"):
            names = {code: name for code, name in getattr(Locale(language), kind).items() if len(code) == 2}
            assert len(names) > 150
            assert {name for name in names.values() if fold(name) not in table} == set()


@pytest.mark.parametrize("says", [None, "", "  ", "\x00"])
def test_a_missing_value_is_not_an_unknown_word(says: str | None) -> None:
    """A missing value does not count as unknown."""
    fields = Fields({"x": says, "label": "A label"})

    assert fields.word("x", vocabulary.countries(), label="label") is None
    assert fields.unknown == []

"""Places in Belgium: one spelling for each city, and the region of a zip code."""

from __future__ import annotations

import pytest

from futurscam_lib.transform import places
from futurscam_lib.transform.text import fold
from futurscam_lib.transform.vocabulary import REGION


@pytest.mark.parametrize(
    ("written", "city"),
    [
        ("Bruxelles", "Brussels"),
        ("Brussel", "Brussels"),
        ("BRUSSELS", "Brussels"),
        ("1000 Bruxelles", "Brussels"),
        ("B-1000 Brussel", "Brussels"),
        ("Brussels, Belgium", "Brussels"),
        ("Bruxelles/Brussel", "Brussels"),
        ("Bruxelles - Brussel", "Brussels"),
        ("Antwerpen 1", "Antwerp"),
        ("Anvers", "Antwerp"),
        ("Gand", "Ghent"),
        ("Liege", "Liège"),
        ("Luik, België", "Liège"),
        ("louvain", "Leuven"),
        ("braine-l\u2019alleud", "Braine-l'Alleud"),
        ("DESSEL", "Dessel"),
        ("SINT-PIETERS-LEEUW", "Sint-Pieters-Leeuw"),
        ("heist-op-den-berg", "Heist-op-den-Berg"),
        ("Brussel (Evere)", "Brussel (Evere)"),
        ("Brussels / Remote", "Brussels / Remote"),
        ("Wherever The Customer Is", "Wherever The Customer Is"),
        ("UK", "UK"),
        (None, None),
    ],
)
def test_a_city_has_one_spelling(written: str | None, city: str | None) -> None:
    """For every language and case, and with additions around the name; an unknown name stays unchanged."""
    assert places.city(written) == city


@pytest.mark.parametrize("written", ["Remote", "REMOTE", "Full remote", "Télétravail", "0000", "-", "n/a"])
def test_remote_is_not_a_place(written: str) -> None:
    """Such words are not cities, and a zip code is not only zeros."""
    assert places.city(written) is None
    assert places.zip_code("0000") is None


def test_cities_of_other_countries_keep_their_names() -> None:
    """Bergen is Mons in Belgium, but not in Norway."""
    assert [places.city("Bergen", country=country) for country in (None, "Belgium", "Norway")] == [
        "Mons",
        "Mons",
        "Bergen",
    ]


def test_no_name_means_two_cities() -> None:
    """Each name is listed once, and each city's own name gives itself."""
    names = [fold(name.strip()) for row in places._CITY_NAMES.strip().splitlines() for name in row.split(",")]

    assert len(names) == len(set(names))
    assert all(places.city(city) == city for city in places._cities().values())


@pytest.mark.parametrize(
    ("zips", "region"),
    [
        (("1000", "1299", "B-1000", "BE 1000", "b1000"), "Brussels"),
        (("1300", "1499"), "Walloon Brabant"),
        (("1500", "1999", "3000", "3499"), "Flemish Brabant"),
        (("2000", "2999"), "Antwerp"),
        (("3500", "3999"), "Limburg"),
        (("4000", "4999"), "Liège"),
        (("5000", "5999"), "Namur"),
        (("6000", "6599", "7000", "7999"), "Hainaut"),
        (("6600", "6999"), "Luxembourg"),
        (("8000", "8999"), "West Flanders"),
        (("9000", "9999"), "East Flanders"),
        (("0999", "12345", "", "abcd", "L-1000", None), None),
    ],
)
def test_a_zip_code_has_a_region(zips: tuple[str | None, ...], region: str | None) -> None:
    """The first and the last zip code of each range."""
    assert {places.region_of(zip_code) for zip_code in zips} == {region}
    assert region is None or region in REGION.values()

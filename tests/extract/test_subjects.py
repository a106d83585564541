"""Which mails the rule for subjects selects, with all prefixes of people and mail systems."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from futurscam_lib.extract.mailbox import SubjectRule, Verdict

RULE = SubjectRule(["[JOB EXPORT]", "Missions:"], ["[EXTERNAL]", "[EXT]", "[EXTERNE]", "[EXTERN]"])
BEFORE = [
    *("RE: ", "Re : ", "re:", "FW: ", "Fwd: ", "TR: ", "TR : ", "AW: ", "WG: ", "Antw: ", "Doorst: ", "RV: "),
    *("RE[2]: ", "Re(3): ", "RE^4: ", "RE\uff1a ", "[EXTERNAL] ", "[External]: ", "[EXT]", "[externe]  ", "[EXTERN]: "),
    *("EXTERNAL: ", "  ", "\t", "\xa0", "\u200b"),
]


@pytest.mark.parametrize(
    "subject",
    [
        "[JOB EXPORT]",
        "[job Export] JP1",
        "  [JOB  EXPORT] JP1",
        "[JOB\xa0EXPORT] JP1",
        "[JOB\r\n EXPORT]\tJP1",
        "[JOB\u200b EXPORT] JP1",
        "\uff3bJOB EXPORT\uff3d",
        "missions: Java",
        *(f"{before}[JOB EXPORT] JP1" for before in BEFORE),
    ],
)
def test_a_subject_that_begins_with_one_of_the_texts(subject: str) -> None:
    """Case, white space and reply marks make no difference."""
    assert RULE.judge(subject) is Verdict.OURS


@given(
    before=st.lists(st.sampled_from(BEFORE), max_size=8).map("".join),
    text=st.sampled_from(["[JOB EXPORT]", "Missions:"]),
)
def test_marks_may_be_nested_in_any_order(before: str, text: str) -> None:
    """For example, a reply to a forward of a mail from outside."""
    assert RULE.judge(f"{before}{text} JP1") is Verdict.OURS


@pytest.mark.parametrize(
    "subject",
    [
        "New [JOB EXPORT] JP1",
        "[JOB EXPORTS]",
        "[JOBEXPORT] JP1",
        "[ JOB EXPORT ] JP1",
        "job-export JP1",
        "REF: [JOB EXPORT]",
        "[INTERNAL] [JOB EXPORT]",
        "Our missions: Java",
    ],
)
def test_a_near_miss(subject: str) -> None:
    """The text is there, but not at the beginning, or in other words."""
    assert RULE.judge(subject) is Verdict.NEAR


@pytest.mark.parametrize(
    "subject", ["", "Re: lunch", "[JOB", "export of jobs", "EXTERNAL: invoice", "\ud800", "R" * 10_000]
)
def test_another_subject(subject: str) -> None:
    """The subject does not contain the text."""
    assert RULE.judge(subject) is Verdict.OTHER


@given(subject=st.text(st.characters(exclude_categories=())))
def test_any_subject_is_judged(subject: str) -> None:
    """Any subject gives a verdict without an error."""
    assert RULE.judge(subject) in Verdict


@pytest.mark.parametrize(
    ("beginning", "subject"),
    [
        ("RE: [X]", "RE: [X] 1"),
        ("[EXTERNAL] [X]", "[External] [X] 1"),
        ("***", "Fwd: *** 1"),
        ("L'été", "L'E\u0301TÉ 1"),
    ],
)
def test_a_text_may_hold_what_is_ignored_otherwise(beginning: str, subject: str) -> None:
    """A rule that contains marks or tags itself still works."""
    assert SubjectRule([beginning], ["[EXTERNAL]"]).judge(subject) is Verdict.OURS


def test_other_tags_are_not_ignored() -> None:
    """Only the tags of the setting are ignored."""
    rule = SubjectRule(["[X]"], ["(from outside)"])

    assert rule.judge("(From  outside) [X]") is Verdict.OURS
    assert rule.judge("[EXTERNAL] [X]") is Verdict.NEAR
    assert SubjectRule(["[X]"], []).judge("[EXT] [X]") is Verdict.NEAR

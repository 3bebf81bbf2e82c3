"""Every word in every language."""

from __future__ import annotations

import re

import pytest

from features.tables import OUTCOMES
from pipeline.columns import WORKLIST_COLUMNS
from pipeline.pages.language import WORDS, languages, words
from pipeline.pages.publication import GROUPS_SHOWN
from pipeline.pages.templating import TEMPLATES


def test_choices_fit_into_a_cell_s_list_in_every_language(tmp_path):
    """A list of choices holds 255 characters, and a comma would cut a choice in two."""
    for language in languages():
        spoken = words(language)
        for choices in (spoken["outcomes"].values(), spoken["skips"].values()):
            assert len(",".join(choices)) <= 255
            assert len({choice.casefold() for choice in choices}) == len(choices)
            assert not any("," in choice for choice in choices)


def leaves(section: dict, path: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in section.items():
        found |= leaves(value, f"{path}{key}.") if isinstance(value, dict) else {f"{path}{key}": value}
    return found


@pytest.mark.parametrize("language", sorted(place.stem for place in WORDS.glob("*.yaml")))
def test_every_language_has_every_word_and_every_placeholder(language):
    english, other = leaves(words("en")), leaves(words(language))
    assert other.keys() == english.keys()
    for key, text in english.items():
        assert isinstance(other[key], str), key
        assert set(re.findall(r"\{\w+\}", other[key])) == set(re.findall(r"\{\w+\}", text)), key


def test_every_column_outcome_and_group_has_words():
    english = words("en")
    assert set(WORKLIST_COLUMNS) <= english["columns"].keys()
    assert set(OUTCOMES) == english["outcomes"].keys()
    assert {*GROUPS_SHOWN, "scorable"} == english["groups"].keys()


def test_the_page_uses_only_words_that_exist():
    code = "".join((TEMPLATES / name).read_text() for name in ("worklist.js", "worklist.html"))
    used = set(re.findall(r"\bwords\.(\w+\.\w+)", code)) - {"tables.get"}
    assert used <= leaves(words("en")).keys() | {key.split("[")[0] for key in used if f"words.{key}[" in code}

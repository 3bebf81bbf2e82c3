"""Every word in every language."""

from __future__ import annotations

import re

import pytest

from features.catalogue import CATALOGUE
from features.spec import PLACEHOLDER, Debtor
from features.tables import OUTCOMES
from models.explain import of_one_account
from models.phrases import OWN_SENTENCES
from pipeline.columns import WORKLIST_COLUMNS
from pipeline.pages.language import WORDS_FOLDER, languages, voice, words
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


@pytest.mark.parametrize("language", sorted(place.stem for place in WORDS_FOLDER.glob("*.yaml")))
def test_every_language_has_every_word_and_every_placeholder(language):
    english, other = (
        leaves(words("en")),
        leaves({name: section for name, section in words(language).items() if name != "reasons"}),
    )
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


def test_every_reason_has_its_french_with_the_same_figures_and_nothing_else_has():
    spoken = {
        form(text)
        for entry in CATALOGUE
        for text in (entry.says, entry.says_missing)
        if text
        for form in (str, of_one_account)
    }
    french = voice("fr").sentences
    assert french.keys() == spoken | set(OWN_SENTENCES)
    for english, said in french.items():
        assert sorted(PLACEHOLDER.findall(said)) == sorted(PLACEHOLDER.findall(english)), english
    assert voice("en").sentences == {}


def test_french_sentences_say_sur_once_and_do_not_speak_of_all_accounts():
    french = voice("fr").sentences
    assert french["Kept {value:count} of {promises_made_90d:count} promises in the last 90 days"] == (
        "A tenu {value:count} promesses sur {promises_made_90d:count} en 90 jours"
    )
    assert french["Broke {value:count} of {promises_made_365d:count} promises in the last year"].endswith("en un an")
    assert french["Payments in the last 90 days: {value:count}"] == "Paiements sur 90 jours : {value:count}"
    assert [
        text
        for text in french.values()
        if text.count("sur ") > 1 or "tous les comptes" in text or "tous comptes" in text
    ] == []
    several = [
        entry.says
        for entry in CATALOGUE
        if isinstance(entry, Debtor) and entry.says and of_one_account(entry.says) != entry.says
    ]
    assert len(several) == 7
    assert [says for says in several if "en retard ou placés" not in french[says]] == [
        "Newest open placement {value:days} ago"
    ]

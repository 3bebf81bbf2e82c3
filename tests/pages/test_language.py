"""Every word in every language, and that a language is one file.

Also of translation.py, and of pipeline/languages.py.
"""

from __future__ import annotations

import re

import pytest
import yaml

from features.catalogue import CATALOGUE
from features.errors import UsageError
from features.spec import Debtor
from features.tables import OUTCOMES
from models.explain import of_one_account
from pipeline.columns import WORKLIST_COLUMNS
from pipeline.languages import SOURCE, WORDS_FOLDER, languages
from pipeline.pages.language import REASONS, catalogue, voice, words
from pipeline.pages.publication import GROUPS_SHOWN
from pipeline.pages.templating import TEMPLATES
from pipeline.pages.translation import main, texts, updated, written


def test_choices_fit_into_a_cell_s_list_in_every_language(tmp_path):
    """A list of choices holds 255 characters, and a comma would cut a choice in two."""
    for language in languages():
        spoken = words(language)
        for choices in (spoken["outcomes"].values(), spoken["skips"].values()):
            assert len(",".join(choices)) <= 255
            assert len({choice.casefold() for choice in choices}) == len(choices)
            assert not any("," in choice for choice in choices)


HOLE = re.compile(r"\{[\w:]*\}")


def leaves(section: dict, path: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in section.items():
        found |= leaves(value, f"{path}{key}.") if isinstance(value, dict) else {f"{path}{key}": value}
    return found


@pytest.mark.parametrize("language", [name for name in languages() if name != SOURCE])
def test_a_language_has_every_text_with_the_same_placeholders_and_no_other(language):
    there = {(entry.context, entry.id): entry for entry in catalogue(language) if entry.id}
    assert there.keys() == texts().keys()
    for key, entry in there.items():
        assert entry.string, key
        assert not entry.fuzzy, key
        assert entry.string != entry.id or len(entry.id.split()) < 3, key  # names may be the same
        assert sorted(HOLE.findall(entry.string)) == sorted(HOLE.findall(entry.id)), key
    assert written(updated(language)) == (WORDS_FOLDER / f"{language}.po").read_text(encoding="utf-8")


def test_a_language_is_one_file(tmp_path, monkeypatch):
    """What nobody translated yet, or only a former text of it, is said in English."""
    (tmp_path / "en.yaml").write_bytes((WORDS_FOLDER / "en.yaml").read_bytes())
    for module in ("languages", "pages.language", "pages.translation"):
        monkeypatch.setattr(f"pipeline.{module}.WORDS_FOLDER", tmp_path)
    for cached in (languages, words, voice):
        cached.cache_clear()
    main(["nl_NL"])
    place, balance = tmp_path / "nl.po", "Balance: {value:money}"
    assert place.read_text().count("msgid") == len(texts()) + 1
    begun = place.read_text().replace('msgid "Work list"\nmsgstr ""', 'msgid "Work list"\nmsgstr "Werklijst"')
    begun = begun.replace(f'msgid "{balance}"\nmsgstr ""', f'msgid "{balance}"\nmsgstr "Saldo: {{value:money}}"')
    begun = begun.replace('#, python-brace-format\nmsgctxt "page.valid"', '#, fuzzy\nmsgctxt "page.valid"')
    place.write_text(begun.replace('day} only"\nmsgstr ""', 'day} only"\nmsgstr "Oud {day}"'))
    languages.cache_clear()
    assert languages() == ("en", "nl")
    assert words("nl")["page"]["title"] == "Werklijst"
    assert words("nl")["page"]["valid"] == "Valid on {day} only"
    assert words("nl")["locale"] == "nl-NL"
    assert voice("nl").sentences == {balance: "Saldo: {value:money}"}
    english = yaml.safe_load((tmp_path / "en.yaml").read_text())
    english["page"]["title"] = "Work list of the night"
    (tmp_path / "en.yaml").write_text(yaml.safe_dump(english))
    words.cache_clear()
    main([])
    assert words("nl")["page"]["title"] == "Work list of the night"
    assert 'msgstr "Werklijst"' in place.read_text()
    with pytest.raises(UsageError, match="There are words of nl already"):
        main(["nl_NL"])
    with pytest.raises(UsageError, match="'nowhere' is no locale"):
        main(["nowhere"])
    monkeypatch.undo()
    for cached in (languages, words, voice):
        cached.cache_clear()


def test_every_column_outcome_and_group_has_words():
    english = words("en")
    assert set(WORKLIST_COLUMNS) <= english["columns"].keys()
    assert set(OUTCOMES) == english["outcomes"].keys()
    assert {*GROUPS_SHOWN, "scorable"} == english["groups"].keys()


def test_the_page_uses_only_words_that_exist():
    code = "".join((TEMPLATES / name).read_text() for name in ("worklist.js", "worklist.html"))
    used = set(re.findall(r"\bwords\.(\w+\.\w+)", code)) - {"tables.get"}
    assert used <= leaves(words("en")).keys() | {key.split("[")[0] for key in used if f"words.{key}[" in code}


def test_english_reasons_are_the_catalogue_s_own():
    assert voice("en").sentences == {}
    assert len([text for context, text in texts() if context == REASONS]) > 100


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

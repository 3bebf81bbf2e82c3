"""What the faces say, in each language: every rule and warning has its sentence, French pages hold no English,
and no reason threatens.

Also of rule_words.py.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
from types import ModuleType

import pandas as pd
import pytest
from playwright.sync_api import Page

from features.catalogue import CATALOGUE
from features.currencies import DECIMALS
from features.spec import PLACEHOLDER
from features.vocabulary import SPEAKABLE_STATUSES
from models import prioritise
from pipeline.law import causes as law_causes
from pipeline.law.rule_file import load_rules
from pipeline.night import feeds, ranking
from pipeline.night import night as night_room
from pipeline.outcomes.book_pages import write_reports
from pipeline.pages.language import languages, voice, words
from pipeline.pages.page import html
from pipeline.pages.rule_words import UNNAMED, cited, explained, in_words, sentence
from pipeline.pages.translation import texts
from tests.worlds.afterwards import NIGHT, House, opened
from tests.worlds.paper_nights import night

RULE_FILE = load_rules()


WORD = re.compile(r"[^\W\d_]{3,}")


# names in every language
CODES = {"recovery", "baseline", "age", "band", "promise", "plan"} | {code.lower() for code in DECIMALS}


HOLES = re.compile(rf"{PLACEHOLDER.pattern}|\{{\w+\}}")


CODE = re.compile(r"\S*[\w)][._:/-]+[\w(]\S*|\S*[\d_]\S*")  # ids, names of files and rules, days, money


def leaves(section: dict) -> list[str]:
    return [text for value in section.values() for text in (leaves(value) if isinstance(value, dict) else [str(value)])]


def said_in(text: str) -> set[str]:
    return {word.lower() for word in WORD.findall(CODE.sub(" ", text))}


def only_english(language: str) -> set[str]:
    """Words of the English faces and reasons that no face or reason of the language uses."""
    english = [text for _, text in texts()] + [rule.says for rule in RULE_FILE.all_rules.values()]
    other = [*leaves(words(language)), *voice(language).sentences.values()]
    found = {word for text in english for word in said_in(HOLES.sub(" ", text))}
    return found - {word for text in other for word in said_in(HOLES.sub(" ", text))}


@pytest.fixture(scope="module")
def english_only() -> set[str]:
    return only_english("fr")


@pytest.fixture(scope="module")
def house(two_nights) -> House:
    return two_nights


def given_words(house: House) -> set[str]:
    """Words that come with the data: names of books and products, the sources of rules, places."""
    names = [*house.worklist()["portfolio"], *house.worklist()["product"], "Recoup"]
    names += [rule.citation for rule in RULE_FILE.all_rules.values() if not rule.citation.startswith("product")]
    zones = [part for zone in set(house.worklist()["time_zone"]) for part in re.split(r"[/_]", zone)]
    return {word.lower() for name in [*names, *zones] for word in WORD.findall(name.replace("_", " "))} | CODES


def read_out(page: Page) -> str:
    """All that a reader sees or hears of a page."""
    heard = page.evaluate("""() => [...document.querySelectorAll("[aria-label], [title], [placeholder]")].map((node) =>
      ["aria-label", "title", "placeholder"].map((name) => node.getAttribute(name) ?? "").join(" ")).join(" ")""")
    return page.locator("body").inner_text() + " " + heard


def test_the_french_list_of_a_real_night_holds_no_english(browser, house, english_only):
    tall = {"width": 1280, "height": 6000}  # what opens must not push the next row off the screen
    page = browser.new_page(locale="fr-FR", viewport=tall)
    place = house.french / NIGHT.isoformat() / "worklist.html"
    page.goto(place.as_uri())
    for opener in page.locator(".open").all()[:3]:
        opener.click()
    seen = read_out(page)
    for tab in ("deferred", "excluded", "self_cure", "about"):
        page.locator(f"#tab-{tab}").click()
        seen += read_out(page)
    page.close()
    assert len(said_in(seen)) > 250
    assert said_in(seen) & english_only - given_words(house) == set()


def test_the_english_list_would_not_pass_for_french(browser, english_only):
    page = browser.new_page()
    page.set_content(re.sub(r"<meta http-equiv[^>]*>", "", html(night(5))))
    page.wait_for_selector("#panel > *")
    assert len(said_in(read_out(page)) & english_only) > 30
    page.close()


@pytest.mark.parametrize("language", [name for name in languages() if name not in ("en", "fr")])
def test_the_list_of_a_drawn_night_holds_no_english(browser, language):
    """But for what the night itself brought in English: its reasons, warnings and names."""
    page = browser.new_page(locale=language, viewport={"width": 1280, "height": 6000})
    made = in_words(night(8, language=language), RULE_FILE, language)
    page.set_content(re.sub(r"<meta http-equiv[^>]*>", "", html(made)))
    page.locator(".open").first.click()
    seen = read_out(page)
    for tab in ("deferred", "excluded", "self_cure", "about"):
        page.locator(f"#tab-{tab}").click()
        seen += read_out(page)
    page.close()
    assert len(said_in(seen)) > 250
    parts = [*vars(made).values(), *vars(made.details).values()]
    frames = [frame.to_csv(sep="\t") for frame in parts if isinstance(frame, pd.DataFrame)]
    brought = said_in(" ".join([*made.manifest["warnings"], *frames, json.dumps(made.model)]))
    assert said_in(seen) & only_english(language) - brought - CODES - {"new", "may"} == set()  # New York; mayo


def test_the_french_workbook_holds_no_english(house, english_only):
    book = opened(house.french / NIGHT.isoformat() / "worklist.xlsx")
    texts = [
        str(cell.value) for sheet in book for row in sheet.iter_rows() for cell in row if isinstance(cell.value, str)
    ]
    texts += [sheet.title for sheet in book]
    texts += [
        check.formula1 or ""
        for sheet in book
        for check in sheet.data_validations.dataValidation
        if check.type == "list"
    ]
    texts += [check.prompt or "" for sheet in book for check in sheet.data_validations.dataValidation]
    seen = {word for text in texts for word in said_in(text)}
    assert len(seen) > 150
    assert seen & english_only - given_words(house) == set()


def test_the_french_reports_hold_no_english(browser, house, english_only, tmp_path):
    place = write_reports(house.store, house.french, NIGHT, 30, house.params, "fr")
    page = browser.new_page()
    seen = ""
    for file in sorted(place.glob("*.html")):
        page.goto(file.as_uri())
        seen += page.title() + read_out(page)
    page.close()
    assert len(said_in(seen)) > 80
    assert said_in(seen) & english_only - given_words(house) == set()


def test_the_french_csv_files_hold_no_english(house, english_only):
    folder = house.french / NIGHT.isoformat()
    seen = set()
    for name in ("deferred.csv", "excluded.csv"):
        lines = (folder / name).read_text(encoding="utf-8").splitlines()[1:]
        seen |= {word for line in lines for word in said_in(line)}
    assert "contact" in seen
    assert seen & english_only - given_words(house) == set()


# ---- every sentence exists -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", languages())
def test_every_rule_that_can_decide_is_said_with_its_figures(language):
    for rule in RULE_FILE.all_rules.values():
        if rule.kind == "note":
            continue
        said = explained(rule.id, rule.says, RULE_FILE.all_rules, language)
        assert "{" not in said
        assert said.endswith(".")
        if rule.kind == "cap":
            assert str(rule.max) in said
        if rule.kind == "hours":
            assert all(f"{window[0] // 60:02}:{window[0] % 60:02}" in said for day in rule.windows for window in day)
    assert {cited(rule.citation, language) for rule in RULE_FILE.product} == {words(language)["rules"]["ours"]}


def made_sentences(*modules: ModuleType) -> set[str]:
    """Sentences that a module builds, each hole as {}."""
    found, documented = set(), (ast.Module, ast.ClassDef, ast.FunctionDef)
    for module in modules:
        nodes = list(ast.walk(ast.parse(inspect.getsource(module))))
        docstrings = {
            node.body[0].value for node in nodes if isinstance(node, documented) and isinstance(node.body[0], ast.Expr)
        }
        for node in nodes:
            if node in docstrings:
                continue
            parts = node.values if isinstance(node, ast.JoinedStr) else [node] if isinstance(node, ast.Constant) else []
            text = "".join(
                part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else "{}" for part in parts
            )
            if re.fullmatch(r"[A-Z{].{20,}\.", text):
                found.add(re.sub(r"\{\w+\}", "{}", text))  # a constant names its holes
    return found


def test_every_cause_of_the_engine_has_its_sentence_in_every_language():
    """Found in the source itself, so that a new cause without words fails here."""
    causes = made_sentences(law_causes)
    forms = {re.sub(r"\{\w+\}", "{}", text) for text in words("en")["sentences"].values()}
    assert len(causes) >= 12, causes
    for text in causes:
        variants = {
            text.replace("{} {},", f"{{}} {why},") for why in ("needs its state or province", "is not in the rule file")
        } | {text}
        assert variants & forms, text


def test_sentences_are_found_by_their_form_and_filled_in():
    assert sentence("The contact law of US-NV is not signed off.", "fr").startswith("Le droit de US-NV")
    told = "payments, contacts of card_gb: nothing after 2026-10-01, taken as quiet."
    assert sentence(told, "en") == "payments, contacts of card_gb: nothing after 1 October 2026, taken as quiet."
    assert (
        sentence(told, "fr") == "paiements, contacts de card_gb : rien après le 1er octobre 2026, pris pour un silence."
    )
    assert sentence("Something nobody foresaw.", "fr") == "Something nobody foresaw."


def test_every_warning_of_the_ranking_and_the_night_has_its_sentence():
    made = {re.sub(r"\{\w+\}", "{}", text) for text in made_sentences(prioritise, feeds, ranking, night_room)}
    forms = {re.sub(r"\{\w+\}", "{}", text) for text in words("en")["sentences"].values()}
    warnings = {
        re.sub(r"\{\w+\}", "{}", text) for key, text in words("en")["sentences"].items() if key.startswith("warn_")
    }
    assert warnings <= made
    assert {text for text in made if text.startswith(("Queue", "Currency", "Model"))} <= forms


def test_a_night_in_french_says_its_rules_in_french():
    made = night(10)
    told = in_words(made, RULE_FILE, "fr")
    assert told.deferred["rule"].tolist() == made.deferred["rule"].tolist()
    assert told.language == "fr"
    assert len(told.excluded) == len(made.excluded)


# ---- what may not be said --------------------------------------------------------------------------------------------
THREATS = (
    r"court|sue|suit|lawsuit|judge|jail|arrest|police|seiz\w*|garnish\w*|bailiff|legal action|consequences|"
    r"threat\w*|tribunal|huissier|"
    r"saisie|poursui\w*|prison|menac\w*"
)


TRAITS = (
    r"race|racial|ethnic\w*|religio\w*|gender|sex|sexual\w*|years old|pregnan\w*|national origin|marital|married|"
    r"divorced|disab\w*|union|"
    r"politic\w*|sexe|grossesse|handicap\w*|mari\w*"
)


HEALTH = (
    r"health|ill|illness|sick\w*|hospital|medical|doctor|mental|addict\w*|hardship|vulnerab\w*|deceased|death|died|santé|malad\w*|hôpital|"
    r"médic\w*|décès|décédé|vulnérab\w*"
)


OTHERS = (
    r"employer|relative|parent|spouse|wife|husband|neighbour|friend|attorney|lawyer|third "
    r"party|employeur|conjoint|voisin|avocat|tiers"
)


def names(forbidden: str, text: str) -> bool:
    return re.search(rf"\b({forbidden})\b", text, re.IGNORECASE) is not None


def reasons_in(language: str) -> list[str]:
    """Every template a reason can be made of."""
    english = [text for entry in CATALOGUE for text in (entry.says, entry.says_missing) if text]
    return english if language == "en" else [voice(language).sentences[text] for text in english]


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize(
    "forbidden", [THREATS, TRAITS, HEALTH, OTHERS], ids=["threat", "trait", "health", "third party"]
)
def test_no_reason_threatens_or_names_a_trait_health_or_another_person(language, forbidden):
    texts = reasons_in(language)
    assert len(texts) > 100
    rules = [
        explained(rule.id, "", RULE_FILE.all_rules, language)
        for rule in RULE_FILE.all_rules.values()
        if rule.kind != "note"
    ]
    page = [
        text
        for section in ("row", "detail", "groups", "groups_help", "later", "sentences", "report")
        for text in leaves(words(language)[section])
    ]
    assert [text for text in (*texts, *rules, *page) if names(forbidden, text)] == []


def test_the_words_that_are_looked_for_are_found_where_they_stand():
    told = "Pay or we sue. Divorced. Ill since May. Her employer knows."
    assert all(names(forbidden, told) for forbidden in (THREATS, TRAITS, HEALTH, OTHERS))


def test_statuses_that_protect_are_never_named():
    assert not UNNAMED & SPEAKABLE_STATUSES
    assert not UNNAMED & words("en")["statuses"].keys()
    stops = [rule for rule in RULE_FILE.all_rules.values() if rule.kind == "stop" and rule.statuses != "always"]
    assert any(set(rule.statuses) & UNNAMED for rule in stops)
    for rule in stops:
        named = set(rule.statuses) - UNNAMED
        assert named <= words("en")["statuses"].keys()

"""What people open: the page, the workbook and the CSV say the same, and no text of the data does anything in any of them."""

from __future__ import annotations

import base64
import csv
import datetime as dt
import hashlib
import io
import json
import multiprocessing
import re
import subprocess
import warnings
from html.parser import HTMLParser
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.faces import measure
from features.currencies import DECIMALS
from features.tables import NO_MONEY, NO_TIME, OUTCOMES
from pipeline.columns import WORKLIST_COLUMNS
from pipeline.pages.csv_file import csv_text, decimal_text, safe
from pipeline.pages.language import WORDS, languages, words
from pipeline.pages.page import TEMPLATES, html
from pipeline.pages.publication import GROUPS_SHOWN, Night
from pipeline.pages.workbook import ENTRIES, write_xlsx
from tests.worlds.paper_nights import HOSTILE, empty, hostile, night
from tests.worlds.programs import program

SIGNS = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
FORMULA_STARTS = (*SIGNS, "\t", "\r", "\n")


# ---- CSV -------------------------------------------------------------------------------------------------------------------------------


def rows_of(text: str, delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


def test_csv_has_the_contract_s_columns_and_typed_cells():
    made = night(80)
    head, *rows = rows_of(csv_text(made.worklist, DECIMALS, "EUR"))
    assert tuple(head) == WORKLIST_COLUMNS
    assert len(rows) == 80
    cells = dict(zip(head, rows[0], strict=True))
    first = made.worklist.iloc[0]
    assert cells["balance"] == decimal_text(int(first["balance"]), DECIMALS[first["currency"]])
    assert cells["as_of"] == "2026-11-20"
    assert cells["p_recovered"] == f"{first['p_recovered']:.6f}"
    yen = made.worklist.index[made.worklist["currency"] == "JPY"][0]
    assert rows[yen][head.index("balance")] == str(made.worklist["balance"][yen])
    assert rows[yen][head.index("net_value")] == decimal_text(int(made.worklist["net_value"][yen]), 2)


@pytest.mark.parametrize(
    ("minor", "decimals", "text"),
    [(123456, 2, "1234.56"), (-5, 2, "-0.05"), (7, 0, "7"), (-7, 0, "-7"), (1500, 3, "1.500"), (0, 2, "0.00"), (None, 2, "")],
)
def test_money_has_exactly_the_currency_s_decimals(minor, decimals, text):
    assert decimal_text(minor, decimals) == text


def test_missing_cells_are_empty_and_negative_numbers_stay_numbers():
    frame = pd.DataFrame(
        {
            "account_id": ["-1", "A2"],
            "currency": "EUR",
            "balance": [-150, NO_MONEY],
            "days_past_due": [-3, 4],
            "share": [float("nan"), 0.5],
            "first_permitted": [NO_TIME, 1_795_000_000_000_000],
            "time_zone": ["", "America/New_York"],
            "last_payment": [None, dt.date(2026, 1, 2)],
            "x_score": [-1.5, 2.0],
        }
    )
    assert csv_text(frame, DECIMALS, "EUR").splitlines()[1:] == [
        "'-1,EUR,-1.50,-3,,,,,-1.5",
        "A2,EUR,,4,0.500000,2026-11-18T06:06-05:00,America/New_York,2026-01-02,2",
    ]


@given(st.text(alphabet=st.sampled_from("=+-@;,|\t\r\n\" 'a1\u00a0\uff1d\uff0b\uff0d\uff20"), max_size=12) | st.text(max_size=20))
def test_no_text_starts_a_formula_whatever_the_separator(text):
    """A reader with another separator cuts cells inside our text: none of them may start a formula either."""
    made = safe(text)
    assert not made.startswith(FORMULA_STARTS)
    for separator in ";,|\t\r\n":
        assert not any(cell.strip('" \u00a0\t\r\n').startswith(SIGNS) for cell in made.split(separator))
    assert made.replace("'", "") == text.replace("'", "")
    assert safe(made) == made


@given(st.text(alphabet=st.characters(categories=["L", "N", "Zs"]), max_size=30))
def test_harmless_text_is_left_as_it_is(text):
    assert safe(text) == text


def test_every_hostile_text_is_made_safe_and_survives():
    made = hostile()
    for frame in (made.worklist, made.deferred, made.excluded, made.held_out):
        for row in rows_of(csv_text(frame, DECIMALS, "EUR"))[1:]:
            assert len(row) == len(frame.columns)
            numeric = re.compile(r"-?\d+(\.\d+)?$")
            assert [cell for cell in row if cell.startswith(FORMULA_STARTS) and not numeric.match(cell)] == []


# ---- the workbook ----------------------------------------------------------------------------------------------------------------------


def book_of(made: Night, place: Path) -> openpyxl.Workbook:
    write_xlsx(made, place / "worklist.xlsx")
    return read_book(place / "worklist.xlsx")


def read_book(path: Path) -> openpyxl.Workbook:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* extension is not supported", UserWarning)  # newer data bars
        return openpyxl.load_workbook(io.BytesIO(path.read_bytes()))


def test_the_workbook_has_a_sheet_per_queue_and_typed_cells(tmp_path):
    made = night(80)
    book = book_of(made, tmp_path)
    queues = sorted(set(made.worklist["queue"]))
    assert book.sheetnames == ["Summary", *queues, "Deferred", "Excluded", "Held out", "How net value is formed"]
    assert sum(book[queue].max_row - 1 for queue in queues) == 80
    for queue in queues:
        sheet = book[queue]
        listed = made.worklist[made.worklist["queue"] == queue]
        head = [cell.value for cell in sheet[1]]
        assert head == [words("en")["columns"][name] for name in (*WORKLIST_COLUMNS, *ENTRIES)]
        cells = dict(zip((*WORKLIST_COLUMNS, *ENTRIES), sheet[2], strict=True))
        decimals = DECIMALS[listed["currency"].iloc[0]]
        assert cells["balance"].value == pytest.approx(listed["balance"].iloc[0] / 10**decimals, abs=1e-9)
        assert cells["balance"].number_format == ("#,##0" if decimals == 0 else "#,##0.00")
        assert cells["p_recovered"].value == listed["p_recovered"].iloc[0]
        assert cells["as_of"].value == dt.datetime(2026, 11, 20)
        assert cells["account_id"].data_type == "s"
        assert sheet.freeze_panes == "D2"
        assert sheet.auto_filter.ref == f"A1:AJ{len(listed) + 1}"


def test_one_queue_is_one_sheet_named_after_the_list(tmp_path):
    made = night(10)
    assert book_of(night(10, worklist=made.worklist.assign(queue="all")), tmp_path).sheetnames[1] == "Work list"


def test_outcomes_are_chosen_from_the_contract_s(tmp_path):
    sheet = book_of(night(10), tmp_path).worksheets[1]
    column = openpyxl.utils.get_column_letter(len(WORKLIST_COLUMNS) + 1)
    found = [check for check in sheet.data_validations.dataValidation if check.type == "list"]
    last = openpyxl.utils.get_column_letter(len(WORKLIST_COLUMNS) + len(ENTRIES))
    assert [str(check.sqref).split(":")[0] for check in found] == [f"{column}2", f"{last}2"]
    assert found[0].formula1.strip('"').split(",") == [words("en")["outcomes"][outcome] for outcome in OUTCOMES]
    assert found[1].formula1.strip('"').split(",") == list(words("en")["skips"].values())


def test_choices_fit_into_a_cell_s_list_in_every_language(tmp_path):
    """A list of choices holds 255 characters, and a comma would cut a choice in two."""
    for language in languages():
        spoken = words(language)
        for choices in (spoken["outcomes"].values(), spoken["skips"].values()):
            assert len(",".join(choices)) <= 255
            assert len({choice.casefold() for choice in choices}) == len(choices)
            assert not any("," in choice for choice in choices)


def test_bars_charts_and_expiry_are_in_the_workbook(tmp_path):
    book = book_of(night(30), tmp_path)
    kinds = [rule.type for rules in book.worksheets[1].conditional_formatting for rule in rules.rules]
    assert sorted(kinds) == ["dataBar", "dataBar", "expression"]
    assert len(book["Summary"]._charts) == 2
    until = next(row for row in book["Summary"].iter_rows(values_only=True) if row[0] == "Valid until")
    assert until[1] == dt.datetime(2026, 11, 20)


def test_the_summary_says_what_the_manifest_says(tmp_path):
    made = night(60)
    said = {row[0]: row[1:] for row in book_of(made, tmp_path)["Summary"].iter_rows(values_only=True) if row[0]}
    totals, english = made.totals(), words("en")
    assert {group: said[english["groups"][group]][0] for group in ("scorable", *GROUPS_SHOWN)} == made.counts
    assert said["Expected net value"][0] == totals["net_value"] / 100
    assert said["JPY"][1] == totals["per_currency"]["JPY"]["balance"]
    assert said["GBP"][3] == totals["per_currency"]["GBP"]["expected_recovery"] / 100
    assert said["card_gb"][1] == totals["per_queue"]["card_gb"]["net_value"] / 100


def test_no_text_becomes_a_formula_or_a_link_in_the_workbook(tmp_path):
    book = book_of(hostile(), tmp_path)
    texts = [cell for sheet in book for row in sheet.iter_rows() for cell in row if isinstance(cell.value, str)]
    assert {cell.data_type for cell in texts} == {"s"}
    assert [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.hyperlink] == []
    written = {cell.value for cell in texts}
    assert {text for text in HOSTILE if text.startswith(("=", "+", "-", "@", "http", "<"))} <= written


def test_a_bare_writer_would_have_made_formulas(tmp_path):
    """The canary: what the test above looks for does appear when the options are left at their defaults."""
    pd.DataFrame({"text": list(HOSTILE)}).to_excel(tmp_path / "bare.xlsx", engine="xlsxwriter", index=False)
    sheet = read_book(tmp_path / "bare.xlsx").active
    assert "f" in {cell.data_type for row in sheet.iter_rows() for cell in row}
    assert any(cell.hyperlink for row in sheet.iter_rows() for cell in row)


def test_queue_names_become_lawful_sheet_names(tmp_path):
    made = night(8)
    names = ["a/b", "A?B", "x" * 40, "x" * 41, "'quoted'", "History", "", "summary"]
    book = book_of(night(8, worklist=made.worklist.assign(queue=names)), tmp_path)
    assert sorted(book.sheetnames[1:9]) == sorted(["-", "History_", "A B", "a b 2", "quoted", "summary 2", "x" * 31, "x" * 29 + " 2"])


def test_a_very_long_text_is_cut_where_a_cell_ends(tmp_path):
    made = night(3)
    sheet = book_of(night(3, worklist=made.worklist.assign(queue="all", reason_1="y" * 40_000)), tmp_path).worksheets[1]
    assert sheet.cell(2, WORKLIST_COLUMNS.index("reason_1") + 1).value == "y" * 32_000 + "…"


def test_an_empty_night_is_a_workbook(tmp_path):
    assert book_of(empty(), tmp_path)["Work list"].max_row == 1


# ---- LibreOffice opens both ------------------------------------------------------------------------------------------------------------


def opened_by_libreoffice(source: Path, separators: str = "44") -> openpyxl.Workbook:
    """The file as LibreOffice reads it, formulas allowed: what it took for a formula comes back as one."""
    office, home = program("soffice"), source.parent / "office"
    reading = [f"--infilter=Text - txt - csv (StarCalc):{separators},34,76,1,,1033,false,true,false,false,false,-1,true"]
    given = [
        office,
        "--headless",
        f"-env:UserInstallation=file://{home}",
        *(reading if source.suffix == ".csv" else []),
        "--convert-to",
        "xlsx",
    ]
    subprocess.run([*given, "--outdir", str(home / "out"), str(source)], check=True, capture_output=True, timeout=120)
    return read_book(home / "out" / f"{source.stem}.xlsx")


def kinds_of(book: openpyxl.Workbook) -> set[str]:
    return {cell.data_type for sheet in book for row in sheet.iter_rows() for cell in row if cell.value is not None}


def test_libreoffice_evaluates_nothing_in_the_hostile_csv(tmp_path):
    text = csv_text(hostile().worklist, DECIMALS, "EUR")
    (tmp_path / "worklist.csv").write_text(text, encoding="utf-8")
    book = opened_by_libreoffice(tmp_path / "worklist.csv")
    assert kinds_of(book) <= {"s", "n", "d"}
    column = WORKLIST_COLUMNS.index("balance")
    assert all(isinstance(row[column].value, int | float) for row in list(book.active.iter_rows())[1:])
    (tmp_path / "french.csv").write_text(text, encoding="utf-8")
    assert kinds_of(opened_by_libreoffice(tmp_path / "french.csv", separators="59")) <= {"s", "n", "d"}


def test_libreoffice_would_have_evaluated_the_bare_text(tmp_path):
    (tmp_path / "bare.csv").write_text("text\n" + "\n".join(text for text in HOSTILE[:4]), encoding="utf-8")
    assert "f" in kinds_of(opened_by_libreoffice(tmp_path / "bare.csv"))


def test_libreoffice_opens_the_workbook_with_its_types(tmp_path):
    made = night(20)
    write_xlsx(made, tmp_path / "worklist.xlsx")
    book = opened_by_libreoffice(tmp_path / "worklist.xlsx")
    assert kinds_of(book) <= {"s", "n", "d"}
    listed = made.worklist[made.worklist["queue"] == "card_gb"]
    values = [row[WORKLIST_COLUMNS.index("balance")] for row in list(book["card_gb"].iter_rows(values_only=True))[1:]]
    assert values == pytest.approx((listed["balance"] / 100).tolist())


# ---- the page --------------------------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """Tags, ids and texts of a page, as a browser nests them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self.open: list[tuple[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta", "input", "link", "br", "col", "img"):
            self.open.append((tag, dict(attributes).get("id")))

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        for _, identity in self.open:
            if identity:
                self.texts[identity] = self.texts.get(identity, "") + data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def data_of(text: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="night">(.*?)</script>', text, re.S).group(1))


def test_the_page_runs_only_its_own_script_and_asks_the_network_for_nothing():
    text = html(night(20))
    page = Page(text)
    policy = next(tag["content"] for tag in page.named("meta") if tag.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for tag, directive in (("script", "script-src"), ("style", "style-src")):
        body = re.search(rf"<{tag}>(.*?)</{tag}>", text, re.S).group(1)
        assert f"{directive} 'sha256-{base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()}'" in policy
    assert {name for name, _ in page.tags}.isdisjoint({"link", "img", "iframe", "object", "base", "form"})
    assert [name for _, attributes in page.tags for name in attributes if name in ("src", "style") or name.startswith("on")] == []
    code = "".join((TEMPLATES / name).read_text() for name in ("worklist.js", "worklist.css"))
    assert re.findall(r"fetch\(|XMLHttpRequest|import\(|url\(|@import|innerHTML|insertAdjacentHTML|document\.write|eval\(", code) == []


def test_the_page_holds_what_the_night_holds():
    made = night(40)
    data = data_of(html(made))
    columns = {column["name"]: column for column in data["worklist"]["columns"]}
    assert tuple(columns) == WORKLIST_COLUMNS
    assert columns["net_value"]["values"] == made.worklist["net_value"].tolist()
    assert [data["strings"][index] for index in columns["account_id"]["values"]] == made.worklist["account_id"].tolist()
    assert columns["as_of"]["values"] == [0] * 40
    assert data["counts"] == made.counts
    assert data["totals"] == made.totals()
    assert data["zones"]["America/New_York"] == -300
    assert [rule[3] for rule in data["later"]["deferred"]["rules"]] == made.deferred["rule"].value_counts().tolist()


def test_hostile_text_ends_no_element_of_the_page():
    text = html(hostile())
    page = Page(text)
    assert [attributes.get("type") for attributes in page.named("script")] == ["application/json", None]
    assert page.named("img") == []
    assert set(HOSTILE[:3]) <= set(data_of(text)["strings"])
    assert "<img" not in text
    assert "\u2028" not in text.split("<script")[1]


def test_long_lists_of_others_are_cut_and_counted():
    made = night(30)
    many = pd.concat([made.excluded] * 800, ignore_index=True)
    counts = made.counts | {"excluded": len(many), "scorable": made.counts["scorable"] - len(made.excluded) + len(many)}
    later = data_of(html(night(30, excluded=many, counts=counts)))["later"]["excluded"]
    assert (later["rows"], later["all"]) == (2_000, len(many))
    assert sum(count for *_, count in later["rules"]) == len(many)


# ---- words -----------------------------------------------------------------------------------------------------------------------------


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


@pytest.mark.stress
def test_fifty_thousand_rows_are_a_workbook_in_bounded_memory_and_half_a_minute():
    with multiprocessing.get_context("spawn").Pool(1) as process:
        _, cpu, _, peak = process.apply(measure, ("worklist.xlsx", 50_000))
    assert cpu < 30
    assert peak < 100

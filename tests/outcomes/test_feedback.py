"""Outcomes come back as they were filled in, by row, or are set aside with the reason;
a past night never learns of them.

Also of entries.py, filled_workbook.py and refusals.py.
"""

from __future__ import annotations

import datetime as dt
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.days import day_number, day_text
from features.errors import ContractError, InputMissing, UsageError
from features.tables import OUTCOMES
from pipeline.intake.delivery import find
from pipeline.outcomes import feedback
from pipeline.outcomes.entries import CODES, EntryFault, amount_of
from pipeline.outcomes.feedback import TABLE
from pipeline.outcomes.filled_workbook import SECONDS, read_filled
from pipeline.pages.language import words
from pipeline.pages.workbook import ENTRIES, write_xlsx
from pipeline.run import receive
from pipeline.store.store import Store
from tests.worlds.afterwards import EARLIER, EVENING, NIGHT, House, filled, opened
from tests.worlds.commands import recoup
from tests.worlds.paper_nights import hostile
from tests.worlds.programs import program

HOUSE = Path(__file__).parents[2]
SAID = words("en")
PROMISE = {
    "outcome": "promise",
    "contacted_at": dt.time(9, 30),
    "promise_amount": 25,
    "promise_due_on": dt.date(2026, 10, 8),
}


@pytest.fixture(scope="module")
def still(two_nights) -> House:
    return two_nights


@pytest.fixture
def house(still, tmp_path) -> House:
    """The house again, for tests that change it."""
    shutil.copytree(still.folder, tmp_path / "house", symlinks=True)
    return House(tmp_path / "house", still.params)


def sent(house: House, place: Path, received_at: dt.datetime = EVENING, **options: object):
    return receive(place, house.store, house.out, house.params, received_at, **options)


def contacts(house: House, night: dt.date = NIGHT) -> pd.DataFrame:
    """Contacts of the list that the store holds, by account."""
    frame = Store(house.store).frame("contacts")
    return frame[frame["contact_id"].astype(str).str.startswith(f"list-{night}")].set_index("account_id")


def everything() -> list[dict[str, object]]:
    """Every outcome and every reason to skip that the workbook offers."""
    outcomes = [
        {"outcome": word, "contacted_at": dt.time(9, place)} for place, word in enumerate(SAID["outcomes"].values())
    ]
    return [*outcomes, PROMISE, *({"skipped_because": word} for word in SAID["skips"].values())]


def test_what_is_filled_in_comes_back_through_libreoffice_and_loses_nothing(house, tmp_path):
    rows = everything()
    place = filled(house.workbook, tmp_path / "filled.xlsx", rows)
    office = [
        program("soffice"),
        "--headless",
        f"-env:UserInstallation=file://{tmp_path / 'office'}",
        "--convert-to",
        "xlsx",
    ]
    subprocess.run(
        [*office, "--outdir", str(tmp_path / "saved"), str(place)], check=True, capture_output=True, timeout=120
    )
    listed = house.in_sheets()
    found = sent(house, tmp_path / "saved" / "filled.xlsx")
    assert found.faults == ()
    counts = found.counts
    assert (counts["rows_in"], counts["contacts"], counts["skipped"]) == (
        len(listed),
        len(OUTCOMES) + 1,
        len(SAID["skips"]),
    )
    assert counts["empty"] == len(listed) - len(rows)
    held = contacts(house)
    for row, outcome in zip(listed.itertuples(), [*OUTCOMES, "promise"], strict=False):
        assert held.loc[row.account_id, "outcome"] == outcome
        assert held.loc[row.account_id, "channel"] == row.channel
        assert held.loc[row.account_id, "direction"] == "outbound"
    first = held.loc[listed["account_id"][3]]
    local = first["occurred_at"].tz_convert(listed["time_zone"][3])
    assert (local.date(), local.hour, local.minute) == (NIGHT, 9, 3)
    kept = held.loc[listed["account_id"][len(OUTCOMES)]]
    assert (kept["promise_due_on"].date(), kept["promise_amount"]) == (dt.date(2026, 10, 8), 25)
    skipped = Store(house.store).read(TABLE)
    skipped = skipped[skipped["state"] == "skipped"].set_index("account_id")["skipped_because"]
    expected = listed["account_id"][len(OUTCOMES) + 1 : len(rows)]
    assert skipped[expected].tolist() == list(SAID["skips"])


def test_rows_in_are_rows_out_and_the_same_file_changes_nothing(house, tmp_path):
    place = filled(house.workbook, tmp_path / "filled.xlsx", [*everything(), {"outcome": "=1+1"}])
    first = sent(house, place)
    versions = Store(house.store).versions()
    assert sum(count for name, count in first.counts.items() if name != "rows_in") == first.counts["rows_in"]
    again = sent(house, place, EVENING + dt.timedelta(days=2))
    assert (again.counts["contacts"], again.counts["skipped"], again.delivered) == (0, 0, 0)
    assert again.counts["unchanged"] == first.counts["contacts"] + first.counts["skipped"]
    assert Store(house.store).versions() == versions


def test_a_correction_is_a_later_version_and_the_first_stays_known(house, tmp_path):
    account = house.in_sheets()["account_id"][0]
    sent(house, filled(house.workbook, tmp_path / "first.xlsx", [{"outcome": "no answer"}]))
    later = EVENING + dt.timedelta(days=3)
    found = sent(house, filled(house.workbook, tmp_path / "second.xlsx", [PROMISE]), later)
    assert found.counts["contacts"] == 1
    held = contacts(house).loc[[account]].sort_values("known_at")
    assert held["outcome"].tolist() == ["no_answer", "promise"]
    assert held["contact_id"].nunique() == 1
    assert held["known_at"].tolist() == [EVENING, later]


def test_no_night_before_the_receipt_knows_of_it(house, tmp_path):
    late = dt.datetime(2026, 10, 20, 12, tzinfo=dt.UTC)
    sent(house, filled(house.workbook, tmp_path / "filled.xlsx", [PROMISE]), late)
    held = contacts(house)
    assert set(held["occurred_on"].dt.date) == {NIGHT}
    assert set(held["known_at"]) == {late}


def test_joined_accounts_were_raised_in_the_same_contact(house, tmp_path):
    listed = house.in_sheets()
    place = next(place for place, joined in enumerate(listed["joined_accounts"]) if joined)
    sent(house, filled(house.workbook, tmp_path / "filled.xlsx", [{}] * place + [PROMISE]))
    held = contacts(house)
    joined = listed["joined_accounts"][place].split()
    assert sorted(held.index) == sorted([listed["account_id"][place], *joined])
    assert held["contact_id"].nunique() == 1
    assert set(held.loc[joined, "outcome"]) == {"right_party"}
    assert held.loc[joined, ["promise_amount", "promise_due_on"]].isna().all(axis=None)


def test_a_french_workbook_is_filled_in_in_french(house, tmp_path):
    french = words("fr")
    rows = [{"outcome": french["outcomes"]["promise"]}, {"skipped_because": french["skips"]["no_time"]}]
    place = filled(house.french / NIGHT.isoformat() / "worklist.xlsx", tmp_path / "rempli.xlsx", rows, "fr")
    found = receive(place, house.store, house.french, house.params, EVENING)
    assert (found.counts["contacts"], found.counts["skipped"], found.faults) == (1, 1, ())


FAULTS = {
    "a formula": ({"outcome": "=1+1"}, "FB_FORMULA"),
    "a formula among the ids": ({"outcome": "busy", "debtor_id": '=HYPERLINK("http://x.invalid")'}, "FB_FORMULA"),
    "another night": ({"outcome": "busy", "as_of": dt.date(2026, 9, 30)}, "FB_NIGHT"),
    "an edited account": ({"outcome": "busy", "account_id": "A9999999Z"}, "FB_IDS"),
    "an edited debtor": ({"outcome": "busy", "debtor_id": "D9999999"}, "FB_IDS"),
    "an edited rank": ({"outcome": "busy", "rank": 9_999}, "FB_IDS"),
    "an edited queue": ({"outcome": "busy", "queue": "another"}, "FB_IDS"),
    "an unknown outcome": ({"outcome": "threatened"}, "FB_OUTCOME"),
    "an unknown reason": ({"skipped_because": "felt like it"}, "FB_SKIP"),
    "both": ({"outcome": "busy", "skipped_because": "no time"}, "FB_BOTH"),
    "neither": ({"contacted_at": dt.time(9)}, "FB_NEITHER"),
    "a channel of its own": ({"outcome": "busy", "channel": "pigeon"}, "FB_CHANNEL"),
    "no time of day": ({"outcome": "busy", "contacted_at": "noonish"}, "FB_TIME"),
    "an amount in words": ({"outcome": "promise", "promise_amount": "a lot"}, "FB_AMOUNT"),
    "an amount below zero": ({"outcome": "promise", "promise_amount": -5}, "FB_AMOUNT"),
    "too many decimals": ({"outcome": "promise", "promise_amount": 5.0001}, "FB_AMOUNT"),
    "a promise for yesterday": ({"outcome": "promise", "promise_due_on": dt.date(2026, 9, 30)}, "FB_DATE"),
    "a promised word": ({"outcome": "promise", "promise_due_on": "soon"}, "FB_DATE"),
    "money without a promise": ({"outcome": "busy", "promise_amount": 5}, "FB_PROMISE"),
    "a call agreed with nobody": ({"outcome": "busy", "call_again_at": dt.datetime(2026, 10, 3, 14, 30)}, "FB_AGAIN"),
    "a call agreed for some day": ({"outcome": "right_party", "call_again_at": "2026-10-03"}, "FB_AGAIN"),
    "a call agreed for yesterday": ({"outcome": "right_party", "call_again_at": "2026-09-30 14:30"}, "FB_AGAIN"),
    "a call agreed in words": ({"outcome": "right_party", "call_again_at": "after lunch"}, "FB_AGAIN"),
}


def test_each_faulty_row_is_set_aside_with_its_reason_and_the_others_come_in(house, tmp_path):
    rows = [cells for cells, _ in FAULTS.values()]
    found = sent(house, filled(house.workbook, tmp_path / "filled.xlsx", [*rows, {"outcome": "busy"}]))
    assert [code for code, _, _ in found.faults] == [code for _, code in FAULTS.values()]
    of_offers = {"FB_OFFER", "FB_NO_OFFER"}  # of lists under a treatment policy: tests/night/test_treatment.py
    assert {code for _, code in FAULTS.values()} == set(CODES) - {"FB_TWICE", *of_offers}
    assert (found.counts["contacts"], found.counts["quarantined"]) == (1, len(FAULTS))
    assert len(contacts(house)) == found.delivered
    kept = Store(house.store).read(TABLE)
    aside = kept[kept["state"] == "quarantined"].sort_values(["sheet", "line"])
    assert sorted(aside["code"]) == sorted(code for _, code in FAULTS.values())
    assert aside["raw"].str.contains("threatened").sum() == 1
    for code, sheet, line in found.faults[:5]:
        assert f"{sheet!a}, row {line}: {code}. {CODES[code]}" in found.text()


def test_an_agreed_call_comes_back_as_a_callback_and_goes_when_it_is_taken_back(house, tmp_path):
    agreed = {"outcome": "right_party", "contacted_at": dt.time(9, 30)}
    account = house.in_sheets()["account_id"][0]
    for hours, again, until in (
        (0, dt.datetime(2026, 10, 3, 14, 30), "2026-10-03"),
        (1, "2026-10-06 09:15", "2026-10-06"),
        (2, None, "2026-10-01"),
    ):
        place = filled(house.workbook, tmp_path / f"{hours}.xlsx", [agreed | {"call_again_at": again}])
        sent(house, place, EVENING + dt.timedelta(hours=hours))
        held = Store(house.store).tables(None, ["statuses", "accounts"])
        number = held["accounts"].set_index("account_id")["account_no"][account]
        rows = held["statuses"]
        last = rows[(rows["account_no"] == number) & (rows["status"] == "callback")].sort_values("known_at").iloc[-1]
        assert (day_text(last["from_on"]), day_text(last["until_on"])) == ("2026-10-01", until)
        if again is not None:
            assert last["detail"] == str(again)[:16]


def test_a_call_that_was_agreed_goes_when_the_row_says_that_nobody_was_called(house, tmp_path):
    """No contact comes back then: the end of the call comes in alone."""
    told = [
        {"outcome": "right_party", "contacted_at": dt.time(9, 30), "call_again_at": "2026-10-06 09:15"},
        {"skipped_because": SAID["skips"]["other"]},
    ]
    for hours, row in enumerate(told):
        place = filled(house.workbook, tmp_path / f"{hours}.xlsx", [row])
        sent(house, place, EVENING + dt.timedelta(hours=hours))
    held = Store(house.store).tables(None, ["statuses", "accounts"])
    number = held["accounts"].set_index("account_id")["account_no"][house.in_sheets()["account_id"][0]]
    rows = held["statuses"]
    own = rows[(rows["account_no"] == number) & (rows["status"] == "callback")].sort_values("known_at")
    assert [day_text(day) for day in own["until_on"]] == ["2026-10-06", "2026-10-01"]


def test_a_contact_ahead_of_now_is_set_aside(house, tmp_path):
    place = filled(house.workbook, tmp_path / "filled.xlsx", [{"outcome": "busy", "contacted_at": dt.time(23, 59)}])
    found = sent(house, place, dt.datetime(2026, 10, 1, 4, tzinfo=dt.UTC))
    assert [code for code, _, _ in found.faults] == ["FB_TIME"]


def test_an_account_filled_in_twice_and_not_alike_is_set_aside(house, tmp_path):
    book = opened(filled(house.workbook, tmp_path / "filled.xlsx", [{"outcome": "busy"}, {"outcome": "voicemail"}]))
    sheet = book.worksheets[1]
    values = [cell.value for cell in sheet[2]]
    sheet.append(values)
    values[len(values) - len(ENTRIES)] = "no answer"
    for row in (values, [cell.value for cell in sheet[3]]):
        sheet.append(row)
    book.save(tmp_path / "twice.xlsx")
    found = sent(house, tmp_path / "twice.xlsx")
    assert [code for code, _, _ in found.faults] == ["FB_TWICE"] * 3
    assert found.counts["contacts"] == 1  # the row that stands there twice alike


def test_rows_sent_back_missing_say_nothing(house, tmp_path):
    book = opened(filled(house.workbook, tmp_path / "filled.xlsx", [{"outcome": "busy"}]))
    book.worksheets[1].delete_rows(3, 2)
    book.save(tmp_path / "short.xlsx")
    found = sent(house, tmp_path / "short.xlsx")
    assert (found.not_back, found.counts["contacts"]) == (2, 1)
    assert "2 rows of the list are not in the file" in found.text()


def test_a_workbook_moves_the_contact_feed_only_when_it_is_said_to_be_complete(house, tmp_path):
    place = filled(house.workbook, tmp_path / "filled.xlsx", [{"outcome": "busy"}])
    before = Store(house.store).complete_by_portfolio(), Store(house.store).declared_through()
    sent(house, place)
    after = Store(house.store)
    assert (after.complete_by_portfolio(), after.declared_through()) == before
    assert max(before[0]["contacts"].values()) < day_number(NIGHT)
    sent(house, filled(house.workbook, tmp_path / "more.xlsx", [{}, {"outcome": "busy"}]), complete=True)
    assert set(Store(house.store).complete_by_portfolio()["contacts"].values()) == {day_number(NIGHT)}


def test_a_partial_control_file_may_not_name_a_last_day(tmp_path):
    (tmp_path / "contacts.csv").write_text("contact_id,account_id,occurred_at,channel,direction\n")
    (tmp_path / "contacts.control.json").write_text('{"rows": 0, "partial": true, "complete_through": "2026-10-01"}')
    with pytest.raises(ContractError, match="contacts.control.json' must read like"):
        find(tmp_path)


def test_hostile_texts_come_back_as_they_went_out(tmp_path):
    made = hostile()
    write_xlsx(made, tmp_path / "worklist.xlsx")
    rows = read_filled(tmp_path / "worklist.xlsx")
    assert {row.cells["account_id"] for row in rows} == set(made.worklist["account_id"])
    assert not any(row.formulas or row.filled for row in rows)


def test_a_list_said_to_be_complete_may_be_so_without_a_word(house):
    assert sent(house, house.workbook, complete=True).delivered == 0
    assert set(Store(house.store).complete_by_portfolio()["contacts"].values()) == {day_number(NIGHT)}


# ---- refused whole ---------------------------------------------------------------------------------------------------


def test_a_file_of_another_night_is_refused(still):
    with pytest.raises(ContractError, match="is of the night 2026-10-01, not 2026-08-01"):
        sent(still, still.workbook, night=EARLIER)


def test_a_night_that_is_not_published_here_is_refused(still, tmp_path):
    with pytest.raises(InputMissing, match="No list of 2026-10-01 is published"):
        receive(still.workbook, still.store, tmp_path, still.params, EVENING)


def test_an_altered_list_is_no_measure(house):
    place = house.out / NIGHT.isoformat() / "worklist.parquet"
    place.chmod(0o600)
    place.write_bytes(place.read_bytes() + b"\0")
    with pytest.raises(ContractError, match="differs from its manifest"):
        sent(house, house.workbook)


def test_what_is_not_a_workbook_is_refused(still, tmp_path):
    with pytest.raises(InputMissing, match="There is no file 'absent.xlsx'"):
        sent(still, tmp_path / "absent.xlsx")
    (tmp_path / "text.xlsx").write_text("outcome\nbusy\n")
    with pytest.raises(ContractError, match="is not an XLSX workbook"):
        sent(still, tmp_path / "text.xlsx")
    with zipfile.ZipFile(tmp_path / "other.xlsx", "w") as packed:
        packed.writestr("hello.txt", "hello")
    with pytest.raises(ContractError, match="cannot be read as a workbook"):
        sent(still, tmp_path / "other.xlsx")
    openpyxl.Workbook().save(tmp_path / "empty.xlsx")
    with pytest.raises(ContractError, match="holds no list: no sheet has account_id"):
        sent(still, tmp_path / "empty.xlsx")


def test_a_workbook_that_names_no_night_is_refused(still, tmp_path):
    rows = [{"as_of": "someday"}] * len(still.worklist())
    with pytest.raises(ContractError, match="does not say of which night it is"):
        sent(still, filled(still.workbook, tmp_path / "filled.xlsx", rows))


def test_a_bomb_is_refused_before_it_unpacks(still, tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.xlsx", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("xl/workbook.xml", b"0" * 30_000_000)
    with pytest.raises(ContractError, match="LIMIT_SIZE"):
        sent(still, tmp_path / "bomb.xlsx")


SHEET = (
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{}</sheetData></worksheet>'
)


def crafted(workbook: Path, place: Path, rows: str, also: dict[str, str] | None = None) -> Path:
    """The published workbook with these rows in all its sheets, headings kept in the first."""
    with zipfile.ZipFile(workbook) as packed, zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as made:
        for part in packed.infolist():
            content = packed.read(part)
            if part.filename.startswith("xl/worksheets/sheet"):
                head = content.decode().split("<sheetData>")[1].split("</row>")[0] + "</row>"
                content = SHEET.format(head + rows).encode()
            made.writestr(part.filename, (also or {}).get(part.filename, content))
    return place


BOMBS = {
    "more cells than a list has": (lambda: '<row r="2">' + "<c/>" * 40 + "</row>", 30_000, "LIMIT_(CELLS|SIZE)"),
    "cells with a prefix": (
        lambda: '<row r="2" xmlns:x="y">' + '<x:c r="A2"/>' * 40 + "</row>",
        30_000,
        "LIMIT_(CELLS|SIZE)",
    ),
    "padded with blanks": (lambda: " " * 1_000_000, 60, "LIMIT_SIZE"),
    "texts without end": (
        lambda: '<row r="2"><c t="inlineStr"><is><t>' + "x" * 900_000 + "</t></is></c></row>",
        80,
        "LIMIT_SIZE",
    ),
    "a row far below": (lambda: '<row r="999999999"><c r="A999999999"><v>1</v></c></row>', 1, "LIMIT_ROWS"),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_workbook_out_of_all_proportion_is_refused_soon_and_small(still, tmp_path, bomb):
    """In 300 MiB, and by a count of what it holds, whatever that would come to: long before the clock would end it."""
    rows, times, limit = BOMBS[bomb]
    place = crafted(still.workbook, tmp_path / "bomb.xlsx", rows() * times)
    program = (
        "import resource, sys, time; from pathlib import Path\n"
        "from features.errors import ContractError\n"
        "from pipeline.outcomes.filled_workbook import read_filled\n"
        "began = time.process_time()\n"
        "try: read_filled(Path(sys.argv[1]))\n"
        "except ContractError as refused: print(refused)\n"
        "inner = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "own = Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0]\n"
        "print(time.process_time() - began + inner.ru_utime, max(inner.ru_maxrss, int(own)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(place)], capture_output=True, text=True, check=True, cwd=HOUSE
    )
    said, figures = done.stdout.strip().rsplit("\n", 1)
    seconds, kib = figures.split()
    assert re.search(limit, said)
    assert float(seconds) < SECONDS / 15  # two at rest; without the limits, the reader's clock ends some of them
    assert int(kib) < 300 * 1024


def test_a_far_column_of_a_sparse_sheet_costs_nothing(still, tmp_path):
    rows = "".join(f'<row r="{line}"><c r="XFD{line}"><v>1</v></c></row>' for line in range(2, 20_000))
    with pytest.raises(ContractError, match="does not say of which night|holds no list"):
        read_filled(crafted(still.workbook, tmp_path / "sparse.xlsx", rows))


def test_a_text_that_refers_to_itself_is_not_expanded(still, tmp_path):
    laughs = '<!DOCTYPE s [<!ENTITY a "ha">' + "".join(
        f'<!ENTITY {chr(98 + at)} "{f"&{chr(97 + at)};" * 10}">' for at in range(12)
    )
    strings = (
        f'{laughs}]><sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><si><t>&m;</t></si></sst>'
    )
    place = crafted(still.workbook, tmp_path / "laughs.xlsx", "", {"xl/sharedStrings.xml": strings})
    with pytest.raises(ContractError, match="cannot be read as a workbook|LIMIT_MEMORY|holds no list"):
        read_filled(place)


def test_whoever_reads_it_says_what_it_may(still, monkeypatch):
    """What a process that others have taken over could say is no row of ours."""
    monkeypatch.setattr("pipeline.outcomes.filled_workbook.run_apart", lambda *_: b'[1, 2]\n"whole"')
    with pytest.raises(ContractError, match="LIMIT_MEMORY"):
        read_filled(still.workbook)


def test_a_receipt_without_an_offset_is_refused(still):
    with pytest.raises(UsageError, match="must carry an offset"):
        sent(still, still.workbook, dt.datetime(2026, 10, 1, 20))


def test_the_command_says_what_became_of_the_rows(house, tmp_path, capsys):
    place = filled(house.workbook, tmp_path / "filled.xlsx", [PROMISE, {"outcome": "=1"}])
    paths = ["--store", str(house.store), "--out", str(house.out), "--received-at", EVENING.isoformat()]
    assert recoup(house.folder, "feedback", "--file", str(place), *paths) == 0
    said = capsys.readouterr().out
    assert "1 contacts + 0 skipped" in said
    assert "FB_FORMULA" in said
    assert recoup(house.folder, "feedback", "--file", str(place), "--received-at", "yesterday") == 2


@given(st.integers(1, 10**12), st.sampled_from(["EUR", "JPY", "KWD"]))
def test_any_amount_comes_back_to_the_minor_unit(minor, currency):
    decimals = {"EUR": 2, "JPY": 0, "KWD": 3}[currency]
    assert amount_of(minor / 10**decimals if decimals else minor, currency) == minor


@pytest.mark.parametrize("value", [float("nan"), float("inf"), True, dt.date(2026, 1, 1), "1e99", "٣", 0])
def test_what_is_no_amount_is_none(value):
    with pytest.raises(EntryFault, match="FB_AMOUNT"):
        amount_of(value, "EUR")


def test_what_is_offered_around_a_due_day_is_not_answered_on_a_list_s_row(tmp_path, monkeypatch):
    """The canary: a plan of the same debtor is."""
    night = dt.date(2026, 10, 1)
    (tmp_path / night.isoformat()).mkdir()
    monkeypatch.setattr(feedback, "_check_vouched", lambda *_: None)
    listed = pd.DataFrame({"account_id": ["A1"], "debtor_id": ["D1"]}).set_index("account_id", drop=False)
    for kind, answerable in (("due_date_move", []), ("early_discount", []), ("plan", ["A1"])):
        rows = pd.DataFrame({"account_id": ["A9"], "debtor_id": ["D1"], "proposal": [kind]})
        rows.to_parquet(tmp_path / night.isoformat() / "proposals.parquet")
        assert list(feedback._of_listed(feedback._proposed(tmp_path, night), listed).index) == answerable

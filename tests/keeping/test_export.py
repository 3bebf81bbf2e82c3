"""What is handed to a person is all that is kept, says every decision, and names nobody else.

Also of commands/keeping.py.
"""

from __future__ import annotations

import datetime as dt
import json
import stat
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.errors import InputMissing, UsageError
from pipeline.intake.ingest import ingest
from pipeline.keeping.export import export_person
from pipeline.languages import languages
from pipeline.pages.language import words
from pipeline.params import load
from pipeline.store.commit import replace_night
from pipeline.store.form import WATCHED
from pipeline.store.store import Store
from tests.worlds.afterwards import EARLIER, NIGHT
from tests.worlds.commands import recoup
from tests.worlds.deliveries import PARAMS, account, contact, payment, world, write
from tests.worlds.params import written_params

WHEN = dt.datetime(2026, 10, 2, 9, tzinfo=dt.UTC)


def told(store: Path, out: Path, debtor: str, params, folder: Path) -> dict[str, dict]:
    export_person(store, out, debtor, params, folder / "person.json", WHEN)
    held = json.loads((folder / "person.json").read_text())
    return {section["title"]: section for section in held["sections"]}


def listed(house) -> str:
    frame = house.worklist()
    return frame.loc[frame["joined_accounts"] != "", "debtor_id"].iloc[0]


def test_every_row_and_every_night_is_there_and_nobody_elses(two_nights, tmp_path):
    house, debtor = two_nights, listed(two_nights)
    found = told(house.store, house.out, debtor, house.params, tmp_path)
    store = Store(house.store)
    accounts = store.tables(names=["accounts"])["accounts"]
    own = set(accounts.loc[accounts["debtor_id"] == debtor, "account_no"])
    for name, frame in store.tables().items():
        rows = len(found[name]["rows"]) if name in found else 0
        assert rows == frame["account_no"].isin(own).sum(), name
    nights = {row[found["scores"]["columns"].index("as_of")] for row in found["scores"]["rows"]}
    assert nights == {str(EARLIER), str(NIGHT)}
    list_of = found[f"Night of {NIGHT}: worklist"]
    assert any("▼" in cell or "▲" in cell for row in list_of["rows"] for cell in row)
    others = set(accounts.loc[accounts["debtor_id"] != debtor, "debtor_id"]) | set(
        accounts.loc[accounts["debtor_id"] != debtor, "account_id"]
    )
    cells = {cell for section in found.values() for row in section["rows"] for cell in row}
    assert cells.isdisjoint(others)


def test_whoever_is_not_contacted_is_told_the_rule(two_nights, tmp_path):
    house = two_nights
    place = house.out / str(NIGHT) / "excluded.csv"
    debtor = pd.read_csv(place, dtype=str)["debtor_id"].iloc[0]
    found = told(house.store, house.out, debtor, house.params, tmp_path)
    section = found[f"Night of {NIGHT}: excluded"]
    said = dict(zip(section["columns"], section["rows"][0], strict=True))
    assert said["rule"]
    assert said["reason"]


def test_amounts_days_and_rows_set_aside_are_readable(tmp_path):
    rows = world(
        accounts=[account(account_id="ACCOUNT-77", debtor_id="PERSON-7")],
        payments=[
            payment(payment_id="GOOD-1", account_id="ACCOUNT-77", amount="12.50"),
            payment(payment_id="BAD-1", account_id="ACCOUNT-77", amount="a lot"),
        ],
        contacts=[contact(account_id="ACCOUNT-77", occurred_at="2026-02-01T09:05:00+01:00")],
    )
    ingest(write(tmp_path / "source", rows), tmp_path / "store", PARAMS)
    found = told(tmp_path / "store", tmp_path / "out", "PERSON-7", PARAMS, tmp_path)
    paid = dict(zip(found["payments"]["columns"], found["payments"]["rows"][0], strict=True))
    assert (paid["amount"], paid["occurred_on"]) == ("12.50 EUR", "2026-02-03")
    heard = dict(zip(found["contacts"]["columns"], found["contacts"]["rows"][0], strict=True))
    assert heard["occurred_minute"] == "09:05"
    aside = dict(zip(found["quarantine"]["columns"], found["quarantine"]["rows"][0], strict=True))
    assert "a lot" in aside["raw"]


def test_whom_only_a_night_s_chance_of_being_late_still_names_is_handed_it(tmp_path):
    ingest(write(tmp_path / "source", world()), tmp_path / "store", PARAMS)
    said = {"account_id": ["ACCOUNT-9", "ACCOUNT-8"], "debtor_id": ["PERSON-9", "PERSON-8"], "p_late": [0.25, 0.5]}
    rows = pd.DataFrame({**said, "portfolio": "loans", "meaning": "{}", "as_of": np.int32(20_000)})
    replace_night(Store(tmp_path / "store"), WATCHED, rows, 20_000)
    found = told(tmp_path / "store", tmp_path / "out", "PERSON-9", PARAMS, tmp_path)
    assert list(found) == [WATCHED]
    (row,) = found[WATCHED]["rows"]
    kept = dict(zip(found[WATCHED]["columns"], row, strict=True))
    assert (kept["account_id"], kept["p_late"], kept["as_of"]) == ("ACCOUNT-9", "0.25", "2024-10-04")
    assert found[WATCHED]["about"] == words(PARAMS.worklist.language)["person"]["about"][WATCHED]


def test_the_page_stands_alone_and_shows_text_as_text(tmp_path):
    hostile = account(account_id="ACCOUNT-77", debtor_id="PERSON-7", product="<script>hit()</script>")
    ingest(write(tmp_path / "source", world(accounts=[hostile])), tmp_path / "store", PARAMS)
    place = tmp_path / "person.html"
    export_person(tmp_path / "store", tmp_path / "out", "PERSON-7", PARAMS, place, WHEN)
    page = place.read_text()
    assert "<script" not in page
    assert "&lt;script&gt;hit()" in page
    assert "default-src 'none'" in page.replace("&#39;", "'")
    assert "http" not in page.replace("http-equiv", "")
    assert stat.S_IMODE(place.stat().st_mode) == 0o600


@pytest.mark.parametrize("language", languages())
def test_the_page_is_in_the_language_of_the_list(two_nights, tmp_path, language):
    house, debtor, place = two_nights, listed(two_nights), tmp_path / "person.html"
    params = load(written_params(tmp_path / "params.yaml", house.folder, worklist={"language": language}))
    export_person(house.store, house.out, debtor, params, place, WHEN)
    page, said = unescape(place.read_text()), words(language)["person"]
    assert f'<html lang="{words(language)["locale"]}">' in page
    assert said["title"].format(names=debtor) in page
    for text in (said["times"], said["about"]["accounts"], said["about"]["scores"], said["lists"]["worklist"]):
        assert text in page


def test_a_stranger_and_another_form_are_refused(tmp_path):
    ingest(write(tmp_path / "source", world()), tmp_path / "store", PARAMS)
    asked = (tmp_path / "store", tmp_path / "out")
    with pytest.raises(InputMissing, match=r"^No debtor of that id"):
        export_person(*asked, "nobody", PARAMS, tmp_path / "x.html", WHEN)
    with pytest.raises(UsageError, match=r"^--out must end in \.html"):
        export_person(*asked, "D1", PARAMS, tmp_path / "x.pdf", WHEN)


def test_as_a_user_types_it(two_nights, tmp_path, capsys):
    house, debtor = two_nights, listed(two_nights)
    written_params(tmp_path / "params.yaml", house.folder)
    assert load(tmp_path / "params.yaml").paths.store == house.store
    assert recoup(tmp_path, "export", "--debtor", debtor, "--out", str(tmp_path / "person.html")) == 0
    said = capsys.readouterr()
    assert debtor not in said.out + said.err
    assert debtor in (tmp_path / "person.html").read_text()

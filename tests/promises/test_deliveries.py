"""Deliveries cut, cut off, generated, repeated and of other money: R4, R8, R9, R10 and R16 of what a night promises."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import json
import random
import shutil
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import strategies as st

from features.currencies import DECIMALS
from features.errors import ContractError
from pipeline.intake.ingest import ingest
from pipeline.night.night import publish_night
from pipeline.params import load
from pipeline.store.store import Store
from tests.worlds.commands import NIGHT
from tests.worlds.deliveries import (
    PARAMS,
    PAYMENTS,
    account,
    codes,
    content,
    params_with,
    payment,
    taken,
    world,
    write,
)
from tests.worlds.houses import short_terms

pytestmark = pytest.mark.slow

# Cut otherwise

CUTS = [(parts, form) for form in ("csv", "parquet", "csv.gz") for parts in (7, 1, 100)]


def rows_of(place: Path) -> tuple[list[str], list[list[str]]]:
    with gzip.open(place, "rt", encoding="utf-8", newline="") as file:
        head, *rows = list(csv.reader(file))
    return head, rows


def cut_again(source: Path, place: Path, parts: int, form: str, chance: random.Random) -> Path:
    """The same rows, shuffled, in so many files of another form."""
    for file in source.glob("*.csv.gz"):
        head, rows = rows_of(file)
        chance.shuffle(rows)
        name = file.name.removesuffix(".csv.gz")
        (place / name).mkdir(parents=True)
        for number in range(parts):
            goal, share = place / name / f"part-{number:03}.{form}", rows[number::parts]
            if form == "parquet":
                columns = list(zip(*share, strict=True)) if share else [()] * len(head)
                pq.write_table(
                    pa.table(
                        {column: pa.array(cells, pa.string()) for column, cells in zip(head, columns, strict=True)}
                    ),
                    goal,
                )
                continue
            with (gzip.open if form == "csv.gz" else open)(goal, "wt", encoding="utf-8", newline="") as out:
                csv.writer(out, lineterminator="\n").writerows([head, *share])
    for control in source.glob("*.control.json"):
        shutil.copy(control, place)
    return place


def frames(store: Path) -> dict[str, pd.DataFrame]:
    return {name: frame.drop(columns=["ingest_id"], errors="ignore") for name, frame in Store(store).tables().items()}


def test_r04_a_delivery_shuffled_and_cut_otherwise_gives_the_same_tables_and_ranks(attacks, three_nights, tmp_path):
    params = load(short_terms(tmp_path))
    ingest(three_nights / "source", tmp_path / "store", params)
    whole = frames(tmp_path / "store")
    night = dt.date.fromisoformat(NIGHT)
    publish_night(tmp_path / "store", night, tmp_path / "out", params)
    listed = {name: (tmp_path / "out" / NIGHT / name).read_bytes() for name in ("worklist.parquet", "scores.parquet")}
    for chance, (parts, form) in zip(attacks, CUTS, strict=False):
        place = tmp_path / f"{parts}-{form}"
        cut_again(three_nights / "source", place / "source", parts, form, chance)
        ingest(place / "source", place / "store", params)
        found = frames(place / "store")
        for name, frame in whole.items():
            pd.testing.assert_frame_equal(found[name], frame)
        publish_night(place / "store", night, place / "out", params)
        assert {name: (place / "out" / NIGHT / name).read_bytes() for name in listed} == listed


# Cut off

MONDAY = dt.date(2026, 2, 2)


def of_days(first: dt.date, days: int, count: int) -> dict:
    """So many payments on each day, weekends none."""
    found = [first + dt.timedelta(number) for number in range(days)]
    on = [day.isoformat() for day in found if day.weekday() < 5]
    paid = [payment(payment_id=f"{day}-{each}", occurred_at=day, amount="1.00") for day in on for each in range(count)]
    return {"payments": paid}


MAY_BE_CUT = "and nobody vouches for their number: it may be cut at the end of a row."


def test_r08_a_file_cut_off_anywhere_is_refused_or_warned_of(attacks, tmp_path):
    """80 payments a day are usual; the odd cuts have a control file. Of a whole delivery without one less is said."""
    params = params_with(max_fault_rows=0.05, max_fault_money=0.05)
    ingest(write(tmp_path / "base", world(**of_days(MONDAY, 12, 80))), tmp_path / "whole", params)
    whole = write(tmp_path / "next", of_days(MONDAY + dt.timedelta(14), 1, 80))
    text = (whole / "payments.csv").read_bytes()
    uncut = ingest(whole, Path(shutil.copytree(tmp_path / "whole", tmp_path / "uncut")), params).warnings
    assert uncut[-1] == "No control file vouches for payments: a file cut at the end of a row is not noticed."
    control = {"rows": 80, "sums": {"EUR": "80.00"}, "complete_through": "2026-02-16"}
    lines = [at for at, byte in enumerate(text) if byte == 10]
    for number, chance in enumerate(attacks):
        at = chance.choice(lines[:-1]) + 1 if number % 4 == 2 else chance.randrange(len(text) - 1)
        place = tmp_path / "cut"
        place.mkdir()
        (place / "payments.csv").write_bytes(text[:at])
        if number % 2:
            (place / "payments.control.json").write_text(json.dumps(control))
        store = Path(shutil.copytree(tmp_path / "whole", tmp_path / "store"))
        rows = sum(end < at for end in lines) - 1
        if number % 2 or text[at - 1] != 10 or rows < 0.7 * 80:
            with pytest.raises(ContractError, match=r"(?s)^The delivery is refused.*payments"):
                ingest(place, store, params)
            assert len(Store(store).deliveries()) == 1
        else:
            report = ingest(place, store, params)
            assert report.tables[0].rows_in == rows
            fewest = f"Table 'payments' has {rows} rows, fewer than ever on 3 new days by the last of the same weekdays"
            assert report.warnings == [*uncut, f"{fewest} (80 at least), {MAY_BE_CUT}"]
        shutil.rmtree(place)
        shutil.rmtree(store)


# Generated

CELLS = st.sampled_from(
    ["", "A1", "J1", "U1", "A9", "1.00", "12.345", "NaN", "7", "-3.50", "2026-02-01", "2026-02-01T10:00:00",
     "2026-02-03T10:00:00Z", "payment", "reversal", "credit", "P0", "P1", "x y", "call", "outbound", "\u0663", "=1+1",
     "'", '"', "a,b"]
)  # fmt: skip
USUAL = {
    "payment_id": st.sampled_from(["P0", "P1", "P2", "P3", "P4"]),
    "account_id": st.sampled_from(["A1", "A2", "J1", "K1"]),
    "occurred_at": st.sampled_from(["2026-02-01", "2026-02-02T10:00:00Z"]),
    "amount": st.sampled_from(["10.00", "7", "5.5"]),
    "kind": st.sampled_from(["payment", "reversal", "credit"]),
    "reverses": st.sampled_from(["", "P0", "P1"]),
}
ROWS = st.lists(
    st.fixed_dictionaries({name: st.one_of(usual, usual, usual, CELLS) for name, usual in USUAL.items()}),
    min_size=1,
    max_size=40,
)
CURRENCY_OF = {"A1": "EUR", "A2": "EUR", "J1": "JPY", "K1": "KWD", "U1": "USD"}
DECIMALS_OF = {"1.00": 2, "12.345": 3, "7": 0, "-3.50": 2, "10.00": 2, "5.5": 1}


# What was delivered before: what they bring is new, there already, or other than what is there.
THERE = [payment(payment_id="P0", amount="10.00", occurred_at="2026-02-01"), payment(payment_id="P4", amount="7")]


def test_r09_every_row_and_cent_of_a_delivery_is_accepted_set_aside_or_a_duplicate(attacks, tmp_path_factory):
    """Payments into a store that holds accounts, charges and some payments. Counted beside the product, and in the
    store; every tenth delivery is shuffled and cut otherwise as well, and the store is then the same.
    """
    house = tmp_path_factory.mktemp("delivered-before")
    ingest(write(house / "source", world(payments=THERE)), house / "store", PARAMS)
    base, place = house / "store", house / "generated"

    @attacks.drawn(ROWS, st.data())
    def adds_up(rows, data):
        shutil.rmtree(place, ignore_errors=True)
        first = Path(shutil.copytree(base, place / "first"))
        (report,) = ingest(write(place / "one", {"payments": rows}), first, PARAMS).tables
        assert report.rows_in == len(rows) == report.accepted + report.quarantined + report.duplicates
        sums: dict[str, Decimal] = {}
        for row in rows:
            currency = CURRENCY_OF.get(row["account_id"])
            if currency and DECIMALS_OF.get(row["amount"], 9) <= DECIMALS[currency]:
                sums[currency] = sums.get(currency, Decimal(0)) + Decimal(row["amount"])
        assert {name: Decimal(amounts[0]).scaleb(-DECIMALS[name]) for name, amounts in report.money.items()} == sums
        assert all(total == sum(parts) for total, *parts in report.money.values())
        held = Store(first).tables(names=["payments"])["payments"]
        assert len(held) == len(THERE) + report.accepted
        if data.draw(st.integers(0, 9)) == 0:
            parts, form = data.draw(st.integers(2, 4)), data.draw(st.sampled_from(["csv.gz", "parquet"]))
            turned, controls = data.draw(st.permutations(rows)), {"payments": {"rows": len(rows)}}
            second = Path(shutil.copytree(base, place / "second"))
            ingest(write(place / "other", {"payments": turned}, form, parts, controls), second, PARAMS)
            assert content(first) == content(second)

    adds_up()


# Again


def everything(store: Path) -> dict[Path, tuple[bytes, int]]:
    return {
        place: (place.read_bytes(), place.stat().st_mtime_ns) for place in sorted(store.rglob("*")) if place.is_file()
    }


def test_r10_the_same_delivery_again_changes_no_byte_and_a_contradiction_is_set_aside(attacks, tmp_path):
    rows = world(payments=[*PAYMENTS, payment(kind="x")])
    source, store = write(tmp_path / "source", rows), tmp_path / "store"
    first = ingest(source, store, PARAMS)
    before, held = everything(store), content(store)
    with attacks.one():
        again = ingest(source, store, PARAMS)
        assert (again.already, again.number, again.versions) == (True, 1, first.versions)
        assert everything(store) == before
        assert "is in the store already (number 1)" in again.text()
    with attacks.one():
        elsewhere = Path(shutil.copytree(source, tmp_path / "elsewhere"))
        assert ingest(elsewhere, store, PARAMS).already
        assert everything(store) == before
    for parts, form in ((2, "csv.gz"), (1, "parquet")):
        with attacks.one():
            ingest(write(tmp_path / f"renamed-{form}", rows, form, parts), store, PARAMS)
            assert content(store) == held
    with attacks.one():
        overlapping = {"payments": [*PAYMENTS, payment(payment_id="NEW")]}
        report = ingest(write(tmp_path / "overlapping", overlapping), store, PARAMS).tables[0]
        assert (report.accepted, report.duplicates, report.codes) == (1, 2, {})
        other = {"payments": [{**PAYMENTS[0], "amount": "41.00"}]}
        report = ingest(write(tmp_path / "other", other), store, PARAMS).tables[0]
        assert (report.accepted, report.duplicates, report.codes) == (0, 0, {"DUP_CONFLICT": 1})
        amounts = Store(store).tables()["payments"].set_index("payment_id")["amount"]
        assert (amounts["P1"], len(amounts)) == (4000, 3)


# Of other money


def test_r16_currencies_are_never_added_and_keep_their_decimals(attacks, tmp_path):
    dollars = [account(account_id="E1", currency="USD"), account(account_id="E2", currency="XXX")]
    told = {"J1": [("5000", 5000)], "K1": [("1.234", 1234), ("1.2", 1200)], "A1": [("1.2", 120)], "E1": [("1.2", 120)]}
    rows = [
        payment(payment_id=f"{name}-{at}", account_id=name, amount=amount)
        for name, forms in told.items()
        for at, (amount, _) in enumerate(forms)
    ]
    reports, store = taken(tmp_path, accounts=dollars, payments=[*rows, payment(account_id="E2")])
    found = store.tables()["payments"].set_index("payment_id")["amount"]
    for name, at, minor in attacks.over(
        [(name, at, minor) for name, forms in told.items() for at, (_, minor) in enumerate(forms)]
    ):
        assert found[f"{name}-{at}"] == minor
    with attacks.one():
        sums = {name: amounts[1] for name, amounts in reports["payments"].money.items()}
        assert sums == {"EUR": 120, "USD": 120, "JPY": 5000, "KWD": 2434}
    with attacks.one():
        assert reports["accounts"].codes == {"CCY_UNKNOWN": 1}
        assert [code for raw, code in codes(store.path).items() if '"E2"' in raw and "payment_id" in raw] == [
            "ACCT_UNKNOWN"
        ]

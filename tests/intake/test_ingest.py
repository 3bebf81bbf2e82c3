"""Ingest: rows beside other rows, sums that always add up, and a store that does not depend on how files were cut.

Also of sql.py and table.py.
"""

from __future__ import annotations

import re

import pytest

from features.errors import CannotWrite, ContractError, InputMissing, LockHeld, RecoupError, UsageError
from features.tables import TABLES
from pipeline.intake import ingest as ingest_room
from pipeline.intake.engine import Engine
from pipeline.intake.ingest import ingest
from pipeline.store import commit
from pipeline.store.delta import DeltaTables
from pipeline.store.files import FileWriter
from pipeline.store.locks import only_run
from pipeline.store.store import Store
from pipeline.store.verify import examine_store
from tests.worlds.deliveries import (
    CHARGES,
    PARAMS,
    PAYMENTS,
    account,
    charge,
    contact,
    content,
    day,
    instalment,
    micros,
    offer,
    payment,
    placement,
    refusal,
    statement,
    status,
    taken,
    world,
    write,
)

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_column_is_documented_with_whether_it_may_be_empty_and_its_values(table):
    page = (ingest_room.Path(__file__).parents[2] / "docs" / "ingest.md").read_text()
    section = (
        page.partition("\n## Columns\n")[2]
        .partition("\n## ")[0]
        .partition(f"\n### {table.name}\n")[2]
        .partition("\n### ")[0]
    )
    told = {
        cells[1].strip(" `"): cells
        for line in section.splitlines()
        if (cells := line.split("|"))[1:] and "`" in cells[1]
    }
    assert list(told) == [*(name for name in table.names if name != "known_at"), "known_at"]
    for column in table.columns:
        *_, empty, meaning, _ = told[column.name]
        assert (empty.strip() != "no") == column.empty
        assert set(column.values) <= set(re.findall(r"`(\w+)`", meaning))


# Rows beside other rows


def test_conflicting_payments_of_one_delivery_all_go(tmp_path):
    rows = [payment(), payment(), payment(amount="41.00"), payment(payment_id="X2"), payment(payment_id="X2")]
    reports, _ = taken(tmp_path, payments=rows)
    found = reports["payments"]
    assert (found.codes, found.accepted, found.duplicates) == ({"DUP_CONFLICT": 2}, 1, 2)


def test_against_the_store_the_stored_payment_stays(tmp_path):
    taken(tmp_path / "first", payments=PAYMENTS)
    store = tmp_path / "first" / "store"
    source = write(tmp_path / "second", world(payments=[PAYMENTS[0], {**PAYMENTS[1], "amount": "5001"}]))
    report = {table.name: table for table in ingest(source, store, PARAMS).tables}["payments"]
    assert (report.codes, report.duplicates, report.accepted) == ({"DUP_CONFLICT": 1}, 1, 0)
    assert sorted(Store(store).tables()["payments"]["amount"]) == [4000, 5000]


def test_a_charge_id_is_a_key_within_its_account(tmp_path):
    reports, _ = taken(tmp_path, charges=[charge(account_id="A2", charge_id="C1")])
    assert reports["charges"].accepted == 3


def test_versions_are_stored_and_the_same_moment_twice_is_a_conflict(tmp_path):
    rows = [
        charge(known_at="2026-01-10"),
        charge(known_at="2026-01-20", due_on="2026-03-01"),
        charge(charge_id="X2", known_at="2026-01-20"),
        charge(charge_id="X2", known_at="2026-01-20", due_on="2026-03-01"),
    ]
    reports, store = taken(tmp_path, charges=rows)
    assert (reports["charges"].accepted, reports["charges"].codes) == (4, {"DUP_CONFLICT": 2})
    frame = store.tables()["charges"]
    assert frame.loc[frame["charge_id"] == "X1", "known_on"].tolist() == [day("2026-01-10"), day("2026-01-20")]


def test_a_row_without_known_at_is_the_stored_row_of_the_same_content(tmp_path):
    """History came with --backfill; tonight's full extract without it repeats the same rows and is no conflict."""
    history = write(tmp_path / "history", world(payments=PAYMENTS))
    ingest(history, tmp_path / "store", PARAMS, backfill=True)
    tonight = write(tmp_path / "tonight", world(payments=[*PAYMENTS, payment()]))
    found = {
        table.name: (table.accepted, table.duplicates) for table in ingest(tonight, tmp_path / "store", PARAMS).tables
    }
    assert found == {"accounts": (0, 5), "charges": (0, 2), "payments": (1, 2)}


def test_a_reversal_finds_its_payment_in_an_earlier_delivery(tmp_path):
    taken(tmp_path, payments=PAYMENTS)
    back = payment(payment_id="R1", kind="reversal", amount="30.00", reverses="P1", occurred_at="2026-02-10")
    more = payment(payment_id="R2", kind="reversal", amount="10.01", reverses="P1", occurred_at="2026-02-11")
    first = ingest(write(tmp_path / "second", {"payments": [back]}), tmp_path / "store", PARAMS).tables[0]
    second = ingest(write(tmp_path / "third", {"payments": [more]}), tmp_path / "store", PARAMS).tables[0]
    assert (first.accepted, second.codes) == (1, {"REV_EXCESS": 1})


def test_a_credit_may_be_reversed(tmp_path):
    rows = [payment(kind="credit"), payment(payment_id="X2", kind="reversal", reverses="X1", amount="40.00")]
    reports, _ = taken(tmp_path, payments=rows)
    assert reports["payments"].accepted == 2


def test_one_call_about_three_debts_is_three_rows(tmp_path):
    reports, _ = taken(tmp_path, contacts=[contact(account_id=name) for name in ("A1", "A2", "J1")])
    assert reports["contacts"].accepted == 3


@pytest.mark.parametrize(
    ("control", "expected"),
    [
        ({"complete_through": "2026-02-04"}, {"TS_FUTURE": 1}),
        ({"complete_through": "2026-02-05"}, {}),
    ],
)
def test_known_after_the_feeds_last_day_is_the_future(tmp_path, control, expected):
    rows = [payment(known_at="2026-02-06")]
    reports, _ = taken(tmp_path, payments=rows, controls={"payments": control})
    assert reports["payments"].codes == expected


def test_a_control_file_that_speaks_of_years_to_come_is_refused(tmp_path):
    """The newest row is known on 2026-02-04; of an increment without rows, the store's newest counts."""
    sentence = (
        r"Table 'payments': its control file says complete through 2062-10-01, "
        r"more than 366 days after 2026-02-04.*Correct"
    )
    refusal(
        tmp_path / "first",
        ContractError,
        sentence,
        payments=PAYMENTS,
        controls={"payments": {"complete_through": "2062-10-01"}},
    )
    _, store = taken(tmp_path, payments=PAYMENTS, controls={"payments": {"complete_through": "2027-02-05"}})
    assert store.complete_through()["payments"] == day("2027-02-05")
    later = write(
        tmp_path / "later", {"payments": []}, controls={"payments": {"rows": 0, "complete_through": "2027-02-06"}}
    )
    with pytest.raises(ContractError, match=r"through 2027-02-06, more than 366 days after 2026-02-04"):
        ingest(later, store.path, PARAMS)


def test_without_a_control_file_a_lone_row_years_ahead_is_the_future(tmp_path):
    usual = [contact(contact_id=f"K{number}", occurred_at=f"2026-02-{number % 28 + 1:02}") for number in range(1500)]
    reports, store = taken(tmp_path, contacts=[*usual, contact(occurred_at="2062-02-01")])
    assert reports["contacts"].codes == {"TS_FUTURE": 1}
    assert store.complete_through()["contacts"] == day("2026-02-28")


def test_a_changed_row_is_refused_with_what_a_change_needs(tmp_path):
    strict = PARAMS.model_copy(update={"ingest": PARAMS.ingest.model_copy(update={"max_fault_rows": 0.0})})
    _, store = taken(tmp_path, payments=PAYMENTS)
    changed = {"charges": [{**CHARGES[0], "amount": "101.00"}], "payments": [{**PAYMENTS[0], "amount": "41.00"}]}
    with pytest.raises(
        ContractError,
        match=r"(?s)a row that changed needs a later known_at.*a payment_id is one receipt; its lines may be applied",
    ):
        ingest(write(tmp_path / "next", changed), store.path, strict)


def test_a_row_lost_on_the_way_to_disk_is_noticed(tmp_path, monkeypatch):
    """The canary of the second count: an intake that drops a row must not get through."""
    from pipeline.intake import sql as judging

    honest = judging.accepted_rows
    monkeypatch.setattr(
        judging, "accepted_rows", lambda *given: honest(*given).replace("ORDER BY", "WHERE account_id <> 'A2' ORDER BY")
    )
    refusal(tmp_path, RecoupError, r"Table 'accounts': what was written is not what was accepted")


# The sender's own columns


def test_own_columns_are_numbers_or_text_by_what_they_hold(tmp_path):
    rows = [
        account(account_id="N1", x_score="1.5", audit_age="44", x_tag="a"),
        account(account_id="N2", x_score="nan", audit_age="", x_tag="7"),
    ]
    _, store = taken(tmp_path, accounts=rows)
    frame = store.tables()["accounts"].set_index("account_id")
    assert frame.loc[["N1", "N2"], "x_score"].tolist()[0] == 1.5
    assert frame["x_score"].isna().sum() == 6
    assert frame["audit_age"].dtype == "float64"
    assert frame["x_tag"].dtype == "str"
    assert frame.loc["N2", "x_tag"] == "7"
    later = write(
        tmp_path / "later",
        {"accounts": [account(account_id="N3", x_score="high", x_new="1"), account(account_id="N4", x_new="2")]},
    )
    report = ingest(later, tmp_path / "store", PARAMS).tables[0]
    assert (report.codes, report.accepted) == ({"NUM_FORMAT": 1}, 1)
    reopened = Store(tmp_path / "store")
    assert reopened.tables()["accounts"].set_index("account_id")["x_new"].dropna().to_dict() == {"N4": 2.0}
    first = dict.fromkeys(reopened.versions(), 1)
    assert "x_new" not in reopened.tables(versions=first)["accounts"].columns


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_own_numbers_with_blanks_around_them_and_without_a_text_are_numbers(tmp_path, form):
    """An empty text of Parquet is as empty as a cell of CSV."""
    rows = [account(account_id="N1", x_score=" 1.5 "), account(account_id="N2", x_score="")]
    _, store = taken(tmp_path, accounts=rows, form=form)
    scores = store.tables()["accounts"].set_index("account_id")["x_score"]
    assert (scores["N1"], scores.isna().sum()) == (1.5, 6)


# History


def test_backfill_stamps_the_params_lag_and_marks_the_rows(tmp_path):
    rows = [
        payment(occurred_at="2026-03-28T12:00:00"),
        payment(payment_id="X2", known_at="2026-02-03T12:00:00Z"),
        payment(payment_id="X3", occurred_at="2026-02-03"),
    ]
    source = write(tmp_path / "source", world(payments=rows, statuses=[status()]))
    ingest(source, tmp_path / "store", PARAMS, backfill=True)
    tables = Store(tmp_path / "store").tables()
    frame = tables["payments"].set_index("payment_id")
    assert frame["backfilled"].to_dict() == {"X1": True, "X2": False, "X3": True}
    assert frame.loc["X1", "known_at"] == micros(
        "2026-03-29T12:00:00+02:00"
    )  # a day later on the clock, though only 23 hours passed
    assert frame["known_on"].to_dict() == {"X1": day("2026-03-29"), "X2": day("2026-02-03"), "X3": day("2026-02-04")}
    assert tables["statuses"]["known_on"].tolist() == [day("2026-02-02")]  # lag_days.statuses is 1
    assert tables["accounts"]["known_on"].tolist() == tables["accounts"]["opened_on"].tolist()  # lag_days.accounts is 0


# Whole or not at all


def test_a_dry_run_writes_nothing(tmp_path):
    source = write(tmp_path / "source", world(payments=[*PAYMENTS, payment(kind="x")]))
    report = ingest(source, tmp_path / "store", PARAMS, dry_run=True)
    assert not (tmp_path / "store").exists()
    assert [table.accepted for table in report.tables] == [5, 2, 2]
    assert "would come in" in report.text()
    ingest(source, tmp_path / "store", PARAMS)
    more = write(tmp_path / "more", world(payments=[payment()]))
    report = ingest(more, tmp_path / "store", PARAMS, dry_run=True)
    assert [(table.accepted, table.duplicates) for table in report.tables] == [(0, 5), (0, 2), (1, 0)]
    assert len(Store(tmp_path / "store").deliveries()) == 1


STEPS = [(commit, "_make_room"), (DeltaTables, "move_in"), (DeltaTables, "_transact"), (DeltaTables, "seal")]


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """A delivery and the store it should become."""
    place = tmp_path_factory.mktemp("undisturbed")
    source = write(place / "source", world(payments=[*PAYMENTS, payment(kind="x")]))
    ingest(source, place / "store", PARAMS)
    return source, place / "store"


@pytest.mark.parametrize(("owner", "step"), STEPS)
@pytest.mark.parametrize("call", [0, 3])
def test_an_ingest_cut_off_at_any_step_is_ended_by_the_next(tmp_path, monkeypatch, expected, owner, step, call):
    source, undisturbed = expected
    honest, calls = getattr(owner, step), []

    def cut(*given):
        calls.append(given)
        if len(calls) == call + 1:
            raise KeyboardInterrupt("cut off")
        return honest(*given)

    monkeypatch.setattr(owner, step, cut)
    with pytest.raises(KeyboardInterrupt, match="cut off"):
        ingest(source, tmp_path / "store", PARAMS)
    monkeypatch.undo()
    with pytest.raises(InputMissing, match=r"An ingest into store .* was cut off. Run `recoup ingest` again"):
        Store(tmp_path / "store").tables()
    again = ingest(source, tmp_path / "store", PARAMS)
    assert again.already
    assert again.number == 1
    assert content(tmp_path / "store") == content(undisturbed)
    assert examine_store(tmp_path / "store") == examine_store(undisturbed)


def test_a_refused_delivery_leaves_the_store_as_it_was(tmp_path):
    ingest(write(tmp_path / "good", world(payments=PAYMENTS)), tmp_path / "store", PARAMS)
    before = content(tmp_path / "store")
    source = write(
        tmp_path / "bad", world(payments=[payment()]), controls={"payments": {"rows": 1, "sums": {"EUR": "1"}}}
    )
    with pytest.raises(ContractError, match=r"The delivery is refused, nothing was changed"):
        ingest(source, tmp_path / "store", PARAMS)
    assert content(tmp_path / "store") == before


@pytest.mark.parametrize(
    ("owner", "name"), [(FileWriter, "write"), (FileWriter, "close"), (DeltaTables, "move_in"), (commit, "deliver")]
)
def test_a_full_disk_is_said_so_and_nothing_is_lost(tmp_path, monkeypatch, owner, name):
    source = write(tmp_path / "source", world(payments=PAYMENTS))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(owner, name, full)
    with pytest.raises(CannotWrite, match=r"Store .* cannot be written \(No space left on device\)") as refused:
        ingest(source, tmp_path / "store", PARAMS)
    assert refused.value.exit_code == 74
    monkeypatch.undo()
    ingest(source, tmp_path / "store", PARAMS)
    assert len(Store(tmp_path / "store").tables()["payments"]) == 2
    assert not (tmp_path / "store" / ".staging").exists()


def test_a_store_that_cannot_be_created_is_said_so(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CannotWrite, match=r"Store .* cannot be created \(Not a directory\)") as refused:
        ingest(write(tmp_path / "source", world()), tmp_path / "file" / "store", PARAMS)
    assert refused.value.exit_code == 73


def test_a_second_ingest_at_the_same_time_is_turned_away(tmp_path):
    import threading

    source = write(tmp_path / "source", world())
    store = commit.create(tmp_path / "store", PARAMS.store.shards)
    found = []

    def other():
        try:
            ingest(source, tmp_path / "store", PARAMS)
        except LockHeld as error:
            found.append(str(error))

    with only_run(store.path):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        ingest(source, tmp_path / "store", PARAMS)  # the holder itself may
    assert len(found) == 1
    assert "Another run works on" in found[0]


# Params


def test_a_portfolio_keeps_its_zone(tmp_path):
    source = write(tmp_path / "source", world())
    ingest(source, tmp_path / "store", PARAMS)
    book = PARAMS.portfolio("paris")
    moved = PARAMS.model_copy(
        update={"portfolios": {**PARAMS.portfolios, "paris": book.model_copy(update={"time_zone": "Europe/London"})}}
    )
    with pytest.raises(UsageError, match=r"change time_zone of 'paris'"):
        ingest(source, tmp_path / "store", moved)


def test_other_params_look_at_the_same_files_again(tmp_path):
    """A zone declared later lets quarantined rows in; rows that are there stay."""
    source = write(
        tmp_path / "source", world(payments=[*PAYMENTS, payment(account_id="U1", occurred_at="2026-02-03T10:00:00")])
    )
    ingest(source, tmp_path / "store", PARAMS)
    declared = PARAMS.model_copy(update={"portfolios": {**PARAMS.portfolios, "undeclared": PARAMS.portfolio_defaults}})
    report = {table.name: table for table in ingest(source, tmp_path / "store", declared).tables}["payments"]
    assert (report.accepted, report.duplicates, report.quarantined) == (1, 2, 0)


def test_shards_cannot_change(tmp_path):
    source = write(tmp_path / "source", world())
    ingest(source, tmp_path / "store", PARAMS)
    other = PARAMS.model_copy(update={"store": PARAMS.store.model_copy(update={"shards": 5})})
    with pytest.raises(UsageError, match=r"has 4 shards, store.shards of the params says 5"):
        ingest(source, tmp_path / "store", other)


def test_every_table_of_the_contract_comes_in(tmp_path):
    promise = contact(outcome="promise", promise_amount="5", promise_due_on="2026-02-09", cost="1.2")
    rows = {"payments": PAYMENTS, "balances": [statement()], "contacts": [promise], "statuses": [status()]}
    rows |= {"offers": [offer()], "plans": [instalment()], "placements": [placement(account_id="J1")]}
    reports, store = taken(tmp_path, **rows)
    assert list(reports) == list(TABLES) == list(store.tables())
    assert all(report.quarantined == 0 for report in reports.values())


def test_only_files_that_hold_a_delivered_key_are_read_for_their_texts(tmp_path, monkeypatch):
    """Each of two deliveries left a file of contacts in one shard; what comes again came with the second."""
    params = PARAMS.model_copy(update={"store": PARAMS.store.model_copy(update={"shards": 1})})
    called = [contact(contact_id=f"K{number}", outcome="no_answer") for number in range(3)]
    ingest(write(tmp_path / "first", world(contacts=called[:1])), tmp_path / "store", params)
    ingest(write(tmp_path / "second", {"contacts": called[1:2]}), tmp_path / "store", params)
    run, asked = Engine.run, []
    monkeypatch.setattr(Engine, "run", lambda engine, sql: (asked.append(sql), run(engine, sql)))
    report = ingest(write(tmp_path / "third", {"contacts": called[1:]}), tmp_path / "store", params)
    assert [(each.name, each.accepted, each.duplicates) for each in report.tables] == [("contacts", 1, 1)]
    (met,) = [sql for sql in asked if "met_contacts AS" in sql]
    assert met.count(".parquet") == 1
    ingest(write(tmp_path / "fourth", {"contacts": [contact(contact_id="new")]}), tmp_path / "store", params)
    assert [sql.count(".parquet") for sql in asked if "met_contacts AS" in sql] == [1, 0]
    assert len(Store(tmp_path / "store").tables(names=["contacts"])["contacts"]) == 4


def test_a_senders_own_column_that_came_later_is_no_matter_for_files_of_before(tmp_path):
    """The first file lacks what the second brought; what comes again lies in the first alone."""
    params = PARAMS.model_copy(update={"store": PARAMS.store.model_copy(update={"shards": 1})})

    def came(name: str, **own: str) -> tuple[int, int, dict[str, int]]:
        rows = {"accounts": [account(account_id=name) | own]}
        report = ingest(write(tmp_path / f"{name}-{len(own)}", rows), tmp_path / "store", params)
        (found,) = report.tables
        return found.accepted, found.duplicates, dict(found.codes)

    ingest(write(tmp_path / "first", world()), tmp_path / "store", params)
    assert came("B1", x_region="north", x_score="7.5") == (1, 0, {})
    assert came("A1") == (0, 1, {})
    assert came("A1", x_region="south") == (0, 0, {"DUP_CONFLICT": 1})
    assert came("B1", x_region="north", x_score="7.50") == (0, 1, {})

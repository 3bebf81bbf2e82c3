"""Questions in SQL over pinned versions: what the views of views.py and published.py hold, what the engine of
questions.py keeps out of reach, and how answers.py tells an answer.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import json
import shutil
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from features.errors import ContractError
from pipeline.cli import main
from pipeline.insight.answers import answer, frame_of, view_names
from pipeline.insight.questions import CellRefused, QuestionRefused
from pipeline.params import Params, load
from tests.worlds.commands import exit_code
from tests.worlds.deliveries import PARAMS, account, offer, payment, same, statement, status, taken
from tests.worlds.houses import CANARY

NO_NIGHTS = Path("no nights")


def ask(folder: Path, question: str, as_of: dt.date | None = None, params: Params = PARAMS) -> list[dict[str, object]]:
    """The rows as JSON tells them."""
    told = io.StringIO()
    answer(question, folder / "store", NO_NIGHTS, params, as_of, "json", 60.0, None, told)
    return json.loads(told.getvalue())


# ---- what the views hold


def test_money_is_exact_in_the_units_of_its_currency(tmp_path):
    taken(tmp_path)
    rows = ask(tmp_path, "SELECT account_id, principal, currency FROM accounts ORDER BY 1")
    told = {row["account_id"]: (row["principal"], row["currency"]) for row in rows}
    assert told == {
        "A1": ("1000.000", "EUR"),
        "A2": ("250.500", "EUR"),
        "J1": ("80000.000", "JPY"),
        "K1": ("12.345", "KWD"),
        "U1": (None, "USD"),
    }


def test_of_each_key_the_newest_version_known_before_the_night_is_told(tmp_path):
    came = [
        status(status="plan", from_on="2026-02-01", known_at="2026-02-01T09:00:00"),
        status(status="plan", from_on="2026-02-01", until_on="2026-02-20", known_at="2026-02-10T09:00:00"),
    ]
    taken(tmp_path, statuses=came, payments=[payment(payment_id="P1", occurred_at="2026-02-03T10:00:00+01:00")])
    question = "SELECT status, until_on FROM statuses"
    assert ask(tmp_path, question) == [{"status": "plan", "until_on": "2026-02-20"}]
    # known on the tenth: not before it
    assert ask(tmp_path, question, dt.date(2026, 2, 10)) == [{"status": "plan", "until_on": None}]
    # known then, but the day itself had not come
    assert ask(tmp_path, question, dt.date(2026, 2, 20)) == [{"status": "plan", "until_on": None}]
    assert ask(tmp_path, question, dt.date(2026, 2, 21)) == [{"status": "plan", "until_on": "2026-02-20"}]
    assert ask(tmp_path, question, dt.date(2026, 2, 1)) == []
    paid = "SELECT amount, occurred_on FROM payments"
    assert ask(tmp_path, paid, dt.date(2026, 2, 3)) == []
    assert ask(tmp_path, paid, dt.date(2026, 2, 4)) == [{"amount": "40.000", "occurred_on": "2026-02-03"}]


def test_of_a_receipt_only_the_last_set_of_lines_is_told(tmp_path):
    first = payment(payment_id="R", amount="100.00", known_at="2026-02-03T12:00:00")
    later = [
        payment(payment_id="R", amount="60.00", charge_id="C1", known_at="2026-02-08T12:00:00"),
        payment(payment_id="R", amount="40.00", account_id="A2", known_at="2026-02-08T12:00:00"),
    ]
    taken(tmp_path, payments=[first, *later, payment(payment_id="S", amount="7.00")])
    question = "SELECT payment_id, account_id, amount FROM payments ORDER BY 1, 2"
    before = ask(tmp_path, question, dt.date(2026, 2, 8))
    assert [(row["payment_id"], row["account_id"], row["amount"]) for row in before] == [
        ("R", "A1", "100.000"),
        ("S", "A1", "7.000"),
    ]
    now = ask(tmp_path, question)
    assert [(row["payment_id"], row["account_id"], row["amount"]) for row in now] == [
        ("R", "A1", "60.000"),
        ("R", "A2", "40.000"),
        ("S", "A1", "7.000"),
    ]


def test_whose_an_account_is_follows_what_was_known_of_debtors(tmp_path):
    taken(tmp_path, debtors=[same("D2", "D3", "2026-03-01T10:00:00+01:00")], offers=[offer(discount="0.25")])
    of = "SELECT debtor_id FROM accounts WHERE account_id = 'J1'"
    assert ask(tmp_path, of) == [{"debtor_id": "D3"}]
    assert ask(tmp_path, of, dt.date(2026, 3, 1)) == [{"debtor_id": "D2"}]
    (alias,) = ask(tmp_path, "SELECT debtor_id, same_as, known_at FROM debtors")
    assert alias == {"debtor_id": "D2", "same_as": "D3", "known_at": "2026-03-01T09:00:00"}
    assert ask(tmp_path, "SELECT * FROM debtors", dt.date(2026, 3, 1)) == []
    assert ask(tmp_path, "SELECT discount, currency FROM offers") == [{"discount": 0.25, "currency": "EUR"}]


def test_protected_facts_stand_apart(tmp_path):
    taken(tmp_path, accounts=[account(x_channel="web", audit_sex="female", display_name=f"{CANARY} Anna")])
    columns = {row["column_name"] for row in ask(tmp_path, "DESCRIBE accounts")}
    assert "x_channel" in columns
    assert not {name for name in columns if name.startswith(("audit_", "display_"))}
    assert {"account_id": "X1", "audit_sex": "female"} in ask(tmp_path, "SELECT * FROM audits")
    assert CANARY not in json.dumps(ask(tmp_path, "SELECT * FROM accounts"))


def test_sums_of_the_store_are_those_of_the_delivery(two_nights):
    """Plain loops over the delivered files."""
    currency, paid = {}, defaultdict(Decimal)
    with gzip.open(two_nights.folder / "source" / "accounts.csv.gz", "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            currency[row["account_id"]] = (row["portfolio"], row["currency"])
    with gzip.open(two_nights.folder / "source" / "payments.csv.gz", "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            paid[(*currency[row["account_id"]], row["kind"])] += Decimal(row["amount"])
    rows = ask(
        two_nights.folder,
        "SELECT portfolio, a.currency, kind, sum(amount) AS paid FROM payments JOIN accounts a USING (account_id) "
        "GROUP BY ALL",
        params=two_nights.params,
    )
    assert {(row["portfolio"], row["currency"], row["kind"]): Decimal(str(row["paid"])) for row in rows} == paid


def test_published_lists_are_told_of_every_night_with_their_money(two_nights):
    params = two_nights.params
    found = frame_of("SELECT as_of, account_id, net_value, balance, currency FROM worklist", params)
    assert sorted(found["as_of"].dt.date.unique()) == [dt.date(2026, 8, 1), dt.date(2026, 10, 1)]
    for night, rows in found.groupby(found["as_of"].dt.date):
        with (two_nights.out / night.isoformat() / "worklist.csv").open(encoding="utf-8", newline="") as file:
            listed = {row["account_id"]: row for row in csv.DictReader(file)}
        assert set(rows["account_id"]) == set(listed)
        for row in rows.itertuples():
            assert row.net_value == pytest.approx(float(listed[row.account_id]["net_value"]))
            assert row.balance == pytest.approx(float(listed[row.account_id]["balance"]))
    earlier = frame_of("SELECT DISTINCT as_of FROM scores", params, dt.date(2026, 9, 30))
    assert [day.date() for day in earlier["as_of"]] == [dt.date(2026, 8, 1)]
    # money of a list without a currency of its own is the account's
    checked = frame_of(
        "SELECT s.expected_recovery AS score, w.expected_recovery AS list "
        "FROM scores s JOIN worklist w USING (as_of, account_id)",
        params,
    )
    assert len(checked) > 20
    assert (checked["score"] == checked["list"]).all()
    held = frame_of("SELECT count(*) AS rows, min(probability) AS least FROM held_out", params)
    assert held["rows"].iloc[0] > 0
    assert 0 < held["least"].iloc[0] < 1


def test_the_panel_is_that_of_the_dataset(two_nights, tmp_path):
    from pipeline.panel.dataset import write_panel

    write_panel(two_nights.store, tmp_path / "panel.parquet", two_nights.params)
    written = pd.read_parquet(tmp_path / "panel.parquet")
    asked = frame_of("SELECT * FROM panel", two_nights.params)
    assert len(asked) == len(written)
    assert set(written.columns) <= set(asked.columns)
    scale = asked["currency"].map({"JPY": 1.0}).fillna(100.0)
    assert (asked["arrears"] * scale).round().tolist() == written["arrears"].tolist()
    assert (asked["recovered_amount"] * scale).round().dropna().tolist() == written[
        "recovered_amount"
    ].dropna().tolist()
    last = dt.date(2026, 5, 1)
    before = frame_of("SELECT max(as_of) AS last FROM panel", two_nights.params, last)["last"].iloc[0].date()
    assert before + dt.timedelta(days=two_nights.params.label.gap_days) < last


def test_a_list_that_was_altered_is_refused(two_nights, tmp_path):
    shutil.copytree(two_nights.folder, tmp_path / "own", symlinks=True)
    file = tmp_path / "own" / "out" / "2026-10-01" / "excluded.csv"
    file.write_text(file.read_text(encoding="utf-8").replace("stop.", "stop_", 1), encoding="utf-8")
    params = two_nights.params.model_copy(
        update={"paths": two_nights.params.paths.model_copy(update={"out": tmp_path / "own" / "out"})}
    )
    with pytest.raises(ContractError, match=r"'excluded\.csv' of night 2026-10-01 is not what was published"):
        frame_of("SELECT count(*) FROM excluded", params)


# ---- what is out of reach

REFUSED = {
    "COPY accounts TO '{}/x.csv'": "one SELECT at a time",
    "INSERT INTO accounts SELECT * FROM accounts": "one SELECT at a time",
    "CREATE TABLE x AS SELECT 1": "one SELECT at a time",
    "ATTACH '{}/x.db'": "one SELECT at a time",
    "SET memory_limit = '100GB'": "one SELECT at a time",
    "INSTALL httpfs": "one SELECT at a time",
    "EXPLAIN SELECT 1": "one SELECT at a time",
    "SELECT 1; SELECT 2": "one SELECT at a time",
    "": "one SELECT at a time",
    "SELECT * FROM read_csv('/etc/passwd')": "out of reach",
    "SELECT * FROM '/etc/passwd'": "no such view",
    "SELECT * FROM glob('/*')": "out of reach",
    "SELECT * FROM read_text('{}/params.yaml')": "out of reach",
    "SELECT * FROM read_parquet('https://example.org/x.parquet')": "out of reach",
    "SELECT * FROM folder": "no such view",  # no variable of the program is read either
    "SELEC 1": "column 1: this is not SQL",
    "SELECT 1\nFROM accounts\nWHERE": "line 3 column",
    "SELECT principle FROM accounts": r"column 8: there is no such column\. Nearest: principal",
    "SELECT a.principle FROM accounts a": "no such column in that view",
    "SELECT * FROM acounts": r"no such view\. Nearest: accounts",
    "SELECT nosuch(1)": "no such function",
    "SELECT currency FROM payments JOIN accounts USING (account_id)": r"Write view\.column",
    "SELECT account_id, count(*) FROM accounts GROUP BY currency": "must stand in GROUP BY",
    "SELECT sum(account_id) FROM accounts": "does not take these kinds",
    "SELECT getenv('HOME')": "no such function",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("asked")
    taken(folder, payments=[payment()], balances=[statement()])
    return folder


@pytest.mark.parametrize(("question", "why"), REFUSED.items())
def test_a_question_that_asks_for_more_than_it_may_is_refused_in_one_line(question, why, place):
    with pytest.raises(QuestionRefused, match=why) as refused:
        ask(place, question.replace("{}", str(place)))
    assert refused.value.exit_code == 2
    assert "\n" not in str(refused.value)
    assert sorted(entry.name for entry in place.iterdir()) == ["source", "store"]


def test_time_and_memory_are_bounded(place, tmp_path):
    endless = "SELECT count(*) FROM range(1000000000) a, range(1000000) b WHERE a.range % 7 = b.range % 5"
    with pytest.raises(QuestionRefused, match=r"longer than 0\.3 seconds"):
        answer(endless, place / "store", NO_NIGHTS, PARAMS, None, "csv", 0.3, None, io.StringIO())
    long = "SELECT * FROM range(100000000000)"
    with pytest.raises(QuestionRefused, match=r"longer than 0\.3 seconds"):  # while its answer is written
        answer(long, place / "store", NO_NIGHTS, PARAMS, None, "csv", 0.3, tmp_path / "x.csv", io.StringIO())
    assert list(tmp_path.iterdir()) == []
    small = PARAMS.model_copy(
        update={"engine": PARAMS.engine.model_copy(update={"memory_limit": "30MB", "spill_limit": "1MB"})}
    )
    with pytest.raises(QuestionRefused, match="engine.memory_limit '30MB'"):
        ask(place, "SELECT list(range::TEXT ORDER BY -range) FROM range(10000000)", params=small)
    odd = PARAMS.model_copy(update={"engine": PARAMS.engine.model_copy(update={"memory_limit": "much"})})
    with pytest.raises(QuestionRefused, match="must be a number with a unit"):
        ask(place, "SELECT 1", params=odd)


def test_a_cell_that_does_not_fit_is_refused_as_data(place):
    with pytest.raises(CellRefused, match="TRY_CAST"):
        ask(place, "SELECT account_id::INT FROM accounts")
    with pytest.raises(CellRefused, match="CAST it AS DOUBLE"):
        ask(place, "SELECT (principal * 1e15::DECIMAL(18, 2))::DECIMAL(38, 2) * 1e15::DECIMAL(18, 2) FROM accounts")
    assert CellRefused.exit_code == 65


BROKEN = (
    "SELECT debtor_id::INT FROM accounts",
    "SELECT debtor_id::DATE FROM accounts",
    f"SELECT * FROM accounts WHERE opened_on = '{CANARY} Beeblebrox'",
    f'SELECT "{CANARY}" FROM accounts',
    f'SELECT a."{CANARY}" FROM accounts a',
    f"SELECT * FROM {CANARY}",
    f"SELECT {CANARY}(1)",
    f"SELECT error('{CANARY}')",
    "SELECT error(debtor_id) FROM accounts",
    "SELECT strptime(debtor_id, '%Y') FROM accounts",
    "SELECT regexp_matches('x', debtor_id || '(') FROM accounts",
    f"SELECT 1 AS {CANARY} FROM accounts GROUP BY {CANARY} HAVING {CANARY}x > 1",
    f"SELECT x {CANARY} y z",
)


@pytest.mark.parametrize("question", BROKEN)
def test_no_refusal_repeats_a_cell_or_the_question(question, house, capfd):
    assert exit_code("sql", question, "--params", str(house / "params.yaml")) in (2, 65)
    told = capfd.readouterr()
    assert told.out == ""
    assert "ERROR The question" in told.err
    assert CANARY not in told.err


def test_the_canary_is_there_to_be_repeated(house):
    """Without the refusals of ours, DuckDB's own message shows it."""
    import duckdb

    from pipeline.insight.views import Source, delivered
    from pipeline.store.store import Store

    rows = delivered(Source.of(Store(house / "store"), load(house / "params.yaml"), None), "accounts")
    with pytest.raises(duckdb.ConversionException, match=CANARY):
        duckdb.from_arrow(rows).select("debtor_id::INT").fetchall()


# ---- how it is told


def test_the_command_tells_tables_csv_and_json(place, tmp_path, capsys, monkeypatch):
    params = tmp_path / "params.yaml"
    shutil.copy(Path(__file__).parents[2] / "params.yaml", params)

    def told(*given: str) -> str:
        with pytest.raises(SystemExit, match="0"):
            main(["sql", *given, "--params", str(params), "--store", str(place / "store"), "--nights", str(tmp_path)])
        return capsys.readouterr().out

    question = "SELECT account_id, principal FROM accounts WHERE currency = 'EUR' ORDER BY 1"
    assert told(question) == "account_id  principal\nA1           1000.000\nA2            250.500\n(2 rows)\n"
    assert told(question, "--format", "csv") == "account_id,principal\r\nA1,1000.000\r\nA2,250.500\r\n"
    assert json.loads(told(question, "--format", "json"))[1] == {"account_id": "A2", "principal": "250.500"}
    assert told(question, "--out", str(tmp_path / "found.csv")) == ""
    assert (tmp_path / "found.csv").read_bytes() == b"account_id,principal\r\nA1,1000.000\r\nA2,250.500\r\n"
    assert (tmp_path / "found.csv").stat().st_mode & 0o077 == 0
    assert told("SELECT '=1+1' AS x, NULL AS y, 0.5::DOUBLE AS z", "--format", "csv") == "x,y,z\r\n'=1+1,,0.5\r\n"
    many = told("SELECT * FROM range(1234)")
    assert many.endswith("(1,234 rows, 200 of them shown; --format csv or --out FILE has all)\n")
    monkeypatch.setattr("sys.stdin", io.StringIO("SELECT 1 AS one"))
    assert told("-", "--format", "csv") == "one\r\n1\r\n"
    listed = told()
    assert "payments: payment_id, account_id, charge_id, occurred_at, amount, kind" in listed
    assert "rates: currency, rate, reporting_currency, rates_date" in listed


def test_only_what_is_named_is_read(place, caplog):
    caplog.set_level("INFO", logger="recoup")
    ask(place, "SELECT count(*) AS payments FROM Accounts")
    assert caplog.messages == ["Read now: accounts (version 1)."]
    assert view_names(
        PARAMS.model_copy(update={"paths": PARAMS.paths.model_copy(update={"store": place / "store", "out": place})})
    ) == [
        "accounts",
        "balances",
        "charges",
        "panel",
        "payments",
        "rates",
    ]


def test_a_question_changes_nothing(place):
    before = {path: path.stat().st_mtime_ns for path in (place / "store").rglob("*")}
    ask(place, "SELECT count(*) FROM accounts JOIN payments USING (account_id)")
    assert {path: path.stat().st_mtime_ns for path in (place / "store").rglob("*")} == before

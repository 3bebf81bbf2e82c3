"""The made-up market: the same bytes every time, tables of the contract, and a truth that what happens bears out."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import shlex
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from features.days import date_of
from features.errors import CannotWrite, UsageError
from pipeline.cli import cli
from pipeline.intake.ingest import ingest
from pipeline.params import load
from pipeline.simulate import response as simulated_response
from pipeline.simulate.books import RESPONSE_TYPES, accounts_born, calendar, debtors_born
from pipeline.simulate.faults import COPIES, FAULTS
from pipeline.simulate.log import PAYMENTS, PaymentKind
from pipeline.simulate.portfolio import LAST_DAY, lived, simulate
from pipeline.store.store import Store
from tests.judges.naive_books import TABLES, day_of, judged, net_settlements, read

HOUSE = Path(__file__).parents[2]
SAMPLE = HOUSE / "data" / "sample"

# Written down from the contract by hand, so that a slip in the declarations shows.
COLUMNS = {
    "accounts": "account_id debtor_id portfolio product debtor_type currency opened_on placed_on principal placed_amount jurisdiction "
    "time_zone known_at",
    "charges": "charge_id account_id issued_on due_on amount kind known_at",
    "balances": "account_id taken_on balance arrears days_past_due known_at",
    "payments": "payment_id account_id charge_id occurred_at amount kind reverses method known_at",
    "contacts": "contact_id account_id occurred_at channel direction outcome promise_amount promise_due_on cost agent person_id "
    "endpoint_id known_at",
    "statuses": "account_id status from_on until_on known_at detail",
}
WORDS = {
    ("accounts", "debtor_type"): "consumer commercial",
    ("charges", "kind"): "principal instalment invoice fee interest adjustment",
    ("payments", "kind"): "payment reversal credit",
    ("contacts", "channel"): "call autodial voicemail sms email letter visit chat portal social debit legal other",
    ("contacts", "direction"): "outbound inbound",
    (
        "contacts",
        "outcome",
    ): "not_connected no_answer busy voicemail wrong_number third_party right_party promise refusal dispute complaint "
    "delivered bounced opened unsubscribed paid rejected",
    (
        "statuses",
        "status",
    ): "cease_contact attorney bankruptcy moratorium deceased identity_theft dispute wrong_party hardship vulnerable "
    "minor litigation prescribed emergency inconvenient opt_out_call opt_out_sms opt_out_email opt_out_letter opt_out_visit consent_call "
    "consent_sms consent_email notice_sent default charged_off sold agency legal plan callback closed outcome_unknown",
}
MONEY_OF = {"accounts": "principal", "charges": "amount", "balances": "balance", "payments": "amount", "contacts": "promise_amount"}
STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:00[+-]\d\d:\d\d"
SEEDED = {"debtors": 300, "seed": 11}


@pytest.fixture(scope="module")
def sample() -> dict[str, pd.DataFrame]:
    return read(SAMPLE)


@pytest.fixture(scope="module")
def truth() -> pd.DataFrame:
    return pd.read_parquet(SAMPLE / "truth" / "expectations.parquet")


@pytest.fixture(scope="module")
def panel(sample, truth) -> tuple[pd.DataFrame, int]:
    return judged(sample, truth)


def content(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def unpacked(files: dict[str, bytes]) -> dict[str, object]:
    """What the files say, whatever library version packed them."""
    said: dict[str, object] = {}
    for name, raw in files.items():
        if name.endswith(".csv.gz"):
            said[name] = gzip.decompress(raw)
        elif name.endswith(".json"):
            said[name] = json.loads(raw)
    return said


# The same bytes every time


def test_two_runs_give_the_same_bytes_whatever_the_workers(tmp_path):
    for name, workers in (("one", 1), ("two", 2)):
        simulate(**SEEDED, out=tmp_path / name, shards=3, workers=workers)
    assert content(tmp_path / "one") == content(tmp_path / "two")
    assert len(content(tmp_path / "one")) == 6 * (3 + 1) + 3
    simulate(debtors=300, seed=12, out=tmp_path / "other", shards=3)
    assert content(tmp_path / "one")["payments/part-00000.csv.gz"] != content(tmp_path / "other")["payments/part-00000.csv.gz"]


def test_a_debtor_is_the_same_in_every_shard_and_beside_any_number_of_others(tmp_path):
    simulate(**SEEDED, out=tmp_path / "whole")
    simulate(debtors=360, seed=11, out=tmp_path / "parts", shards=4)
    whole, parts = read(tmp_path / "whole"), read(tmp_path / "parts")
    accounts = set(whole["accounts"]["account_id"])
    for name in TABLES:
        shared = parts[name][parts[name]["account_id"].isin(accounts)].reset_index(drop=True)
        pd.testing.assert_frame_equal(whole[name], shared)


def test_the_sample_is_what_its_readme_says(tmp_path, truth):
    """Regenerated by the command in the README: every table equal to the byte, the truth equal in every cell."""
    (command,) = [line for line in (SAMPLE / "README.md").read_text().splitlines() if line.strip().startswith("recoup simulate")]
    words = shlex.split(command)
    options = dict(zip(words[2::2], words[3::2], strict=True))
    assert options.pop("--out") == "data/sample"
    simulate(debtors=int(options.pop("--debtors")), seed=int(options.pop("--seed")), out=tmp_path)
    assert options == {}
    committed, again = content(SAMPLE), content(tmp_path)
    assert set(committed) == {*again, "README.md"}
    assert unpacked(committed) == unpacked(again)
    pd.testing.assert_frame_equal(truth, pd.read_parquet(tmp_path / "truth"))
    assert sum(len(raw) for raw in committed.values()) < 3_000_000


# Tables of the contract


def test_columns_words_stamps_and_keys_are_the_contracts(sample):
    for name, columns in COLUMNS.items():
        names = [column for column in sample[name] if not column.endswith(("_day", "_minor")) and column != "known"]
        own = [column for column in names if column.startswith(("x_", "audit_"))]
        assert names == columns.split() + own
        assert sample[name]["known_at"].dropna().str.fullmatch(STAMP).all()
        assert not sample[name].duplicated().any()
    for (name, column), words in WORDS.items():
        assert set(sample[name][column].dropna()) <= set(words.split())
    for name in ("payments", "contacts"):
        assert sample[name]["occurred_at"].str.fullmatch(STAMP).all()
        assert (sample[name]["known"] >= sample[name]["occurred_at_day"]).all()
    for name, key in {"payments": ["payment_id"], "contacts": ["contact_id", "account_id"], "balances": ["account_id", "taken_on"]}.items():
        assert not sample[name].duplicated(key).any()
    for name, key in {"accounts": "account_id", "charges": "charge_id", "statuses": ["account_id", "status", "from_on"]}.items():
        assert not sample[name].duplicated([*([key] if isinstance(key, str) else key), "known_at"]).any()


def test_money_has_the_decimals_of_its_currency_and_the_right_sign(sample):
    yen = sample["accounts"].set_index("account_id")["currency"].eq("JPY").to_dict()
    for name, column in [*MONEY_OF.items(), ("accounts", "placed_amount"), ("balances", "arrears"), ("contacts", "cost")]:
        rows = sample[name].dropna(subset=[column])
        whole = rows["account_id"].map(yen).astype(bool)
        assert rows[column][whole].str.fullmatch(r"-?\d+").all()
        assert rows[column][~whole].str.fullmatch(r"-?\d+\.\d\d").all()
    assert (sample["payments"]["amount_minor"] > 0).all()
    negative = sample["charges"]["amount_minor"] < 0
    assert set(sample["charges"]["kind"][negative]) == {"adjustment"}


def test_nothing_is_known_after_the_last_day_and_reversals_name_a_payment(sample):
    last = day_of(LAST_DAY)
    assert all((rows["known"] <= last).all() for rows in sample.values())
    assert all(sample[feed]["known"].max() > last - 3 for feed in ("payments", "contacts", "statuses"))
    payments = sample["payments"].set_index("payment_id")
    back = payments[payments["kind"] == "reversal"]
    taken = payments.loc[back["reverses"]]
    assert (taken["kind"] == "payment").all()
    assert (taken["account_id"].to_numpy() == back["account_id"].to_numpy()).all()
    assert (net_settlements(sample["payments"], last + 1)["net"] >= 0).all()


def test_control_files_count_and_add_up_what_was_written(tmp_path, sample):
    currency = sample["accounts"].set_index("account_id")["currency"].to_dict()
    for name in TABLES:
        control = json.loads((SAMPLE / f"{name}.control.json").read_text())
        sums: dict[str, Decimal] = {}
        if name in MONEY_OF:
            for account, amount in zip(sample[name]["account_id"], sample[name][MONEY_OF[name]], strict=True):
                if isinstance(amount, str):
                    sums[currency[account]] = sums.get(currency[account], Decimal(0)) + Decimal(amount)
        assert control["rows"] == len(sample[name])
        assert {code: Decimal(text) for code, text in control["sums"].items() if Decimal(text)} == sums
        assert control["complete_through"] == LAST_DAY.isoformat()


def test_the_trade_is_all_there(sample):
    """What the product must cope with occurs: late and back-dated news, versions, joint calls, promises of every fate, stops, gaps."""
    payments, contacts, statuses = sample["payments"], sample["contacts"], sample["statuses"]
    assert {"reversal", "credit"} <= set(payments["kind"])
    assert (payments["known"] - payments["occurred_at_day"]).max() >= 10
    assert sample["charges"].duplicated("charge_id").any()
    assert sample["accounts"].duplicated("account_id").any()
    assert contacts.duplicated("contact_id").any()
    assert (contacts["promise_due_on_day"] > day_of(LAST_DAY)).any()
    late = statuses["known"] - statuses["from_on_day"]
    assert late[statuses["status"] == "deceased"].max() > 10
    wanted = (
        "plan dispute bankruptcy deceased cease_contact hardship vulnerable opt_out_sms consent_sms notice_sent callback sold agency closed"
    )
    assert set(wanted.split()) <= set(statuses["status"])
    assert statuses[statuses["status"] == "callback"]["detail"].str.fullmatch(r"\d\d:\d\d").all()
    accounts = sample["accounts"]
    assert accounts["currency"].nunique() == 4
    assert accounts["jurisdiction"].isna().any() and accounts["time_zone"].isna().any()
    assert accounts.groupby("debtor_id")["portfolio"].nunique().max() == 2


def test_parquet_says_the_same(tmp_path, sample):
    simulate(debtors=60, seed=7, out=tmp_path, file_format="parquet")
    payments = pq.read_table(tmp_path / "payments.parquet")
    assert str(payments.schema.field("occurred_at").type) == "timestamp[us, tz=UTC]"
    rows = payments.to_pandas()
    same = sample["payments"][sample["payments"]["payment_id"].isin(rows["payment_id"])]
    assert len(rows) == len(same) > 300
    assert (pd.to_datetime(same["occurred_at"].to_numpy(), utc=True) == pd.DatetimeIndex(rows["occurred_at"])).all()
    assert (same["amount"].to_numpy() == rows["amount"].to_numpy()).all()


# The truth


def misses(panel: pd.DataFrame, chance: str, groups: pd.Series) -> pd.Series:
    """Per group: recoveries more than expected, in standard deviations."""
    expected, spread = panel[chance], panel[chance] * (1 - panel[chance])
    return (panel["recovered"] - expected).groupby(groups).sum() / np.sqrt(spread.groupby(groups).sum().clip(lower=0.5))


def deciles(panel: pd.DataFrame) -> pd.Series:
    return pd.qcut(panel["p_recovered"].rank(method="first"), 10, labels=False)


def test_every_scorable_account_has_a_truth_and_every_decile_bears_it_out(panel):
    rows, untold = panel
    assert untold == 0
    assert len(rows) > 20_000
    assert misses(rows, "p_recovered", deciles(rows)).abs().max() < 3.5
    assert misses(rows, "p_recovered", rows["portfolio"]).abs().max() < 3.5
    assert misses(rows, "p_recovered", rows["as_of"]).abs().max() < 4
    assert 0.1 < rows.groupby("portfolio")["recovered"].mean().min() < rows.groupby("portfolio")["recovered"].mean().max() < 0.45


def test_the_deciles_would_show_a_wrong_truth(panel):
    """Canary: the chances with contact forced, and chances a tenth too high, are told from the truth."""
    rows, _ = panel
    assert misses(rows, "p_recovered_if_contacted", deciles(rows)).abs().max() > 3.5
    raised = rows.assign(p_recovered=rows["p_recovered"] * 1.1)
    assert misses(raised, "p_recovered", deciles(rows)).abs().max() > 3.5


def test_expected_amounts_come_in(panel):
    """Per book, money realised differs from money expected by less than four standard errors over debtors."""
    rows, _ = panel
    for _, book in rows.groupby("portfolio"):
        gaps = (book["amount"] - book["expected_amount"]).groupby(book["debtor_id"]).sum()
        assert abs(gaps.sum()) < 4 * np.sqrt((gaps**2).sum())
        assert np.sqrt((gaps**2).sum()) < 0.1 * book["amount"].sum()
    assert (rows["expected_amount"] <= rows["balance"] * 1.006).all()  # three significant figures


def test_means_and_habit_can_be_told_from_history_but_not_from_the_balance(panel):
    rows, _ = panel
    for _, book in rows.groupby("portfolio"):
        ranks = book["balance"].rank()
        paid, not_paid = ranks[book["recovered"] == 1], ranks[book["recovered"] == 0]
        assert (paid.sum() - len(paid) * (len(paid) + 1) / 2) / (len(paid) * len(not_paid)) < 0.56  # AUC of balance first


# Contact


@pytest.fixture(scope="module")
def coins() -> pd.DataFrame:
    """Accounts over whose month a coin was thrown: the truth, the coin, and what came of it."""
    months = calendar(24, dt.date(2026, 10, 31))
    debtors, accounts, log = lived(5, np.arange(16_000), months, 30, 14)
    first = months["first"].astype(int)
    rows = log.rows[log.rows["table"] == PAYMENTS]
    night = np.searchsorted(first, rows["day"], side="right") - 1
    whole = {(a, s) for a, s, amount in zip(rows["account"], rows["link"], rows["amount"], strict=True) if s >= 0}
    inside = (rows["day"] < first[night] + 30) & (rows["code"] == PaymentKind.PAYMENT)
    stays = np.array([(a, s) not in whole for a, s in zip(rows["account"], rows["seq"], strict=True)])
    paid = set(zip(rows["account"][inside & stays].tolist(), night[inside & stays].tolist(), strict=True))
    told = log.truth[~np.isnan(log.truth["coin"])]
    return pd.DataFrame(
        {
            "type": np.array(RESPONSE_TYPES)[debtors["type"][accounts["debtor"][told["account"]]]],
            "heads": told["heads"] == 1,
            "if_contacted": told["p"][:, 1],
            "if_left": told["p"][:, 2],
            "paid": [(a, n) in paid for a, n in zip(told["account"].tolist(), told["night"].tolist(), strict=True)],
        }
    )


def test_the_coin_is_fair_and_decides_who_is_contacted(sample, truth):
    coin = truth.dropna(subset=["random_contact_probability"])
    assert len(coin) > 500
    assert (coin["random_contact_probability"] == 0.5).all()
    share = coin["random_contact"].astype(bool).mean()
    assert abs(share - 0.5) < 3.5 * 0.5 / np.sqrt(len(coin) / 1.4)  # the accounts of a debtor share one coin
    outbound = sample["contacts"][sample["contacts"]["direction"] == "outbound"]
    month = outbound["occurred_at"].str[:7]
    contacted = set(zip(outbound["account_id"], month, strict=True))
    seen = [(account, str(as_of)[:7]) in contacted for account, as_of in zip(coin["account_id"], coin["as_of"], strict=True)]
    nights = coin["as_of"].map(day_of) < day_of(LAST_DAY)
    assert (pd.Series(seen, coin.index)[nights] == coin["random_contact"].astype(bool)[nights]).all()


def test_types_respond_to_contact_as_stated(truth):
    gain = (truth["p_recovered_if_contacted"] - truth["p_recovered_if_left"]).groupby(truth["response_type"], observed=True)
    assert gain.agg(["min", "max"]).loc[["pays_anyway", "never_pays"]].abs().max().max() == 0
    assert gain.min()["pays_if_contacted"] > -0.05 and gain.mean()["pays_if_contacted"] > 0.03
    assert gain.max()["pays_less_if_pressed"] < 0.05 and gain.mean()["pays_less_if_pressed"] < -0.01
    assert truth.groupby("response_type", observed=True)["p_recovered"].mean()["never_pays"] < 0.04
    between = truth["p_recovered"].between(
        truth[["p_recovered_if_contacted", "p_recovered_if_left"]].min(axis=1) - 0.02,
        truth[["p_recovered_if_contacted", "p_recovered_if_left"]].max(axis=1) + 0.02,
    )
    assert between.mean() > 0.95  # the usual contact lies between none and what is forced, unless it is heavier


def test_what_the_coin_decided_bears_out_both_chances(coins):
    """Contact causes what the truth says: heads pays like p_recovered_if_contacted, tails like p_recovered_if_left."""
    for heads, chance in ((True, "if_contacted"), (False, "if_left")):
        for kind, rows in coins[coins["heads"] == heads].groupby("type"):
            spread = np.sqrt((rows[chance] * (1 - rows[chance])).sum())
            assert abs((rows["paid"] - rows[chance]).sum()) < 3.5 * spread, (kind, heads)
    rate = coins.groupby(["type", "heads"])["paid"].mean()
    assert rate["pays_if_contacted", True] > rate["pays_if_contacted", False] + 0.04


def test_comparing_contacted_with_not_contacted_misleads(sample, panel):
    """Confounding: collectors choose accounts that would pay at another rate anyway, so the plain difference is not the effect."""
    rows, _ = panel
    outbound = sample["contacts"][sample["contacts"]["direction"] == "outbound"]
    contacted = set(zip(outbound["account_id"], outbound["occurred_at"].str[:7], strict=True))
    chosen = np.array([(account, str(as_of)[:7]) in contacted for account, as_of in zip(rows.index, rows["as_of"], strict=True)])
    plain = rows["recovered"].to_numpy()[chosen].mean() - rows["recovered"].to_numpy()[~chosen].mean()
    effect = (rows["p_recovered_if_contacted"] - rows["p_recovered_if_left"]).mean()
    assert 0.25 < chosen.mean() < 0.75
    assert plain < 0 < effect
    assert effect - plain > 0.03


# Dirty rows


def test_the_answer_key_names_every_dirty_row_and_its_code(tmp_path):
    simulate(debtors=500, seed=4, out=tmp_path / "dirty", faults=True)
    simulate(debtors=500, seed=4, out=tmp_path / "clean")
    ingest(tmp_path / "dirty", tmp_path / "store", load(HOUSE / "params.yaml"))
    found = Store(tmp_path / "store").frame("quarantine")
    answers = pd.read_csv(tmp_path / "dirty" / "truth" / "faults.csv", keep_default_na=False)
    assert len(answers) == COPIES * (len(FAULTS) + 1)  # a DUP_CONFLICT is a pair of rows
    both = answers.merge(found, on=["table", "file", "line"], how="outer", indicator=True)
    assert set(both["_merge"]) == {"both"}
    assert all(code in codes.split() for code, codes in zip(both["code"], both["codes"], strict=True))
    for name in TABLES:
        dirty = gzip.decompress((tmp_path / "dirty" / f"{name}.csv.gz").read_bytes()).decode().split("\n")
        planted = set(answers["line"][answers["table"] == name])
        kept = [line.replace('"', "") for number, line in enumerate(dirty, start=1) if number not in planted]
        assert kept == gzip.decompress((tmp_path / "clean" / f"{name}.csv.gz").read_bytes()).decode().split("\n")


def test_every_reason_code_of_the_trade_is_planted():
    codes = "AMT_NAN AMT_SCALE AMT_FORMAT CCY_UNKNOWN TS_NAIVE TS_FORMAT TS_FUTURE TS_KNOWN_BEFORE_EVENT KEY_NULL KEY_FORMAT DUP_CONFLICT "
    codes += "REV_ORPHAN ACCT_UNKNOWN ENUM_UNKNOWN TEXT_TOO_LONG"
    assert {fault.code for fault in FAULTS} == set(codes.split())


# The calendar, the births, the refusals


def test_no_payment_is_decided_in_the_days_that_a_february_night_still_reaches():
    months = calendar(40, dt.date(2028, 10, 31))
    starts = [date_of(first) for first in months["first"]]
    barred = {str(start)[:7]: int(days) for start, days in zip(starts, months["barred"], strict=True) if days}
    assert barred == {"2026-03": 2, "2027-03": 2, "2028-03": 1}
    profile = months["profile"]
    assert np.allclose(profile.sum(axis=2), 1)
    assert (profile[starts.index(dt.date(2027, 3, 1)), :, :2] == 0).all()
    assert all((months["next_pay"][m][:, : int(months["length"][m])] >= months["first"][m] + 2).all() for m in range(41))


def test_age_and_sex_shift_the_level_of_means_and_nothing_else():
    debtors = debtors_born(3, np.arange(40_000))
    for name in ("sex", "age_band"):
        groups = pd.Series(debtors["means"] - debtors["level"]).groupby(debtors[name])
        assert (groups.mean().abs() < 5 / np.sqrt(groups.size())).all()
        level = pd.Series(debtors["level"]).groupby(debtors[name]).mean()
        assert 0.01 < level.max() - level.min() < 0.5


def test_instalments_fall_due_on_one_day_of_each_month():
    months = calendar(24, dt.date(2026, 10, 31))
    debtors = debtors_born(1, np.arange(200))
    accounts, items = accounts_born(1, debtors, months)
    loan = int(np.flatnonzero(accounts["items"] == 12)[0])
    due = [date_of(day) for day in items["due_on"][loan, :12]]
    assert {day.day for day in due} == {int(accounts["due_day"][loan])}
    assert [(later.year * 12 + later.month) - (day.year * 12 + day.month) for day, later in zip(due, due[1:], strict=False)] == [1] * 11


def test_the_odds_of_the_model_are_odds():
    for shares in (simulated_response.KEPT_SHARE, simulated_response.CALL_SHARE, *simulated_response.MIX):
        assert abs(sum(shares) - 1) < 1e-9
    assert abs(sum(share for _, _, share in simulated_response.PARTS) - 1) < 1e-9
    assert (np.diff(simulated_response.REVERSAL_KNOWN) >= 0).all() and simulated_response.REVERSAL_KNOWN[-1] == 1


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"debtors": 0}, "debtors must be at least 1"),
        ({"months": 2}, "months at least 3"),
        ({"shards": 301}, "shards must be 1 to the number of debtors"),
        ({"file_format": "xlsx"}, "file_format must be one of csv.gz, parquet"),
        ({"end": dt.date(2026, 10, 30)}, "end must be the last day of a month"),
        ({"horizon_days": 31}, "label.horizon_days must be 1 to 30"),
        ({"maturity_days": 12}, "label.maturity_days must be 13 to 60"),
        ({"faults": True, "debtors": 299}, "faults need at least 300 debtors a shard"),
    ],
)
def test_an_order_that_cannot_be_met_is_refused(tmp_path, changed, sentence):
    with pytest.raises(UsageError, match=sentence):
        simulate(**{**SEEDED, **changed}, out=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_command_tells_the_truth_of_the_labels_in_the_params(tmp_path):
    params = yaml.safe_load((HOUSE / "params.yaml").read_text())
    params["label"] |= {"horizon_days": 20, "maturity_days": 21}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    order = ["simulate", "--debtors", "9", "--seed", "1", "--months", "3", "--out", str(tmp_path / "source")]
    cli.main([*order, "--params", str(tmp_path / "params.yaml")], standalone_mode=False)
    told = pq.read_schema(tmp_path / "source" / "truth" / "expectations.parquet").metadata
    assert (told[b"horizon_days"], told[b"maturity_days"]) == (b"20", b"21")


def test_a_folder_that_holds_a_delivery_or_cannot_be_written_is_left_alone(tmp_path):
    (tmp_path / "payments.csv").write_text("mine")
    with pytest.raises(CannotWrite, match="already holds a delivery"):
        simulate(**SEEDED, out=tmp_path)
    with pytest.raises(CannotWrite, match="cannot be written"):
        simulate(debtors=2, seed=1, out=tmp_path / "payments.csv")

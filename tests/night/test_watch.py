"""A night says which accounts before their due day are at risk, in the same manifest and proof as the list; and what
it offers around due days (due_day.py).
"""

from __future__ import annotations

import datetime as dt
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml

from features.build import build
from features.days import DAY_US, day_number
from features.tables import DELIVERED, NUMBERS
from features.terms import WatchTerms
from models.drift import SCORE, bin_counts
from models.money import MoneyScale
from models.recovery import load_model
from models.watch import WatchHead
from pipeline.columns import WATCHED_COLUMNS
from pipeline.law.rule_file import load_rules
from pipeline.night import due_day, watch
from pipeline.night.former_offers import at_rest
from pipeline.night.score import job_for
from pipeline.night.variants import matured
from pipeline.outcomes.forecast import forecast
from pipeline.outcomes.monitor import look_back
from pipeline.panel.view import view
from pipeline.panel.watch import watch_panel
from pipeline.params import load
from pipeline.store.champion import champion, model_folder, write_record
from pipeline.store.files import write_model
from pipeline.store.form import sort_columns
from pipeline.store.store import Store
from pipeline.training.watch import watch_trial
from pipeline.treatment.policy import SHIPPED, policy_of
from tests.judges import treatment_judge as judge
from tests.worlds.commands import NIGHT, recoup
from tests.worlds.params import HOUSE, written_params

pytestmark = pytest.mark.slow
AS_OF = dt.date.fromisoformat(NIGHT)


@pytest.fixture(scope="module")
def watching(house, tmp_path_factory) -> Path:
    """The house with `watch` in its params, a champion that was taught of it, and the night made again."""
    folder = tmp_path_factory.mktemp("watching") / "house"
    shutil.copytree(house, folder, symlinks=True)
    params = load(written_params(folder / "params.yaml", folder, watch={"days_ahead": 30}, receivables={}))
    store, approved = folder / "store", champion(folder / "store")
    taught = replace(load_model(approved.folder, approved.sha256), watch=watch_trial(Store(store), params).release)
    sha256 = write_model(model_folder(store, taught.version), taught.files())
    named = {"model_version": taught.version, "sha256": sha256, "previous": dict(approved.record)}
    write_record(store, {**approved.record, **named})
    assert recoup(folder, "run", "--as-of", NIGHT) == 0
    return folder


def watch_of(folder) -> pd.DataFrame:
    return pd.read_parquet(folder / "out" / NIGHT / "watch.parquet")


def test_the_list_is_in_order_of_money_at_risk_and_nobody_on_it_is_scorable(watching):
    rows, params = watch_of(watching), load(watching / "params.yaml")
    assert tuple(rows.columns) == WATCHED_COLUMNS
    assert len(rows) > 50
    money = params.money
    scale = MoneyScale.resolve(sorted(set(rows["currency"])), money.rates, {"EUR": 2, "GBP": 2, "USD": 2, "JPY": 0},
                               money.reporting_currency)  # fmt: skip
    risk = rows["money_at_risk"] * scale.per_minor(rows["currency"])
    assert rows["rank"].tolist() == list(range(1, len(rows) + 1))
    assert (np.diff(risk) < 0.02).all()  # rounded to minor units
    assert rows["p_late"].between(0, 1).all()
    assert (rows["money_at_risk"] - rows["p_late"] * rows["due_amount"]).abs().max() <= 0.5
    assert pd.to_datetime(rows["next_due_on"]).between(NIGHT, pd.Timestamp(NIGHT) + pd.Timedelta(days=29)).all()
    scores = pd.read_parquet(watching / "out" / NIGHT / "scores.parquet")
    assert not set(rows["account_id"]) & set(scores["account_id"])


def test_receivables_are_published_in_the_same_manifest(watching):
    manifest = json.loads((watching / "out" / NIGHT / "manifest.json").read_text())
    items = pd.read_parquet(watching / "out" / NIGHT / "open_items.parquet")
    assert manifest["receivables"]["items"] == len(items) > 0
    assert manifest["outputs"]["open_items.csv"]["rows"] == len(items)
    assert "receivables.html" in manifest["outputs"]


def test_the_manifest_counts_it_and_vouches_for_both_files(watching):
    manifest, rows = json.loads((watching / "out" / NIGHT / "manifest.json").read_text()), watch_of(watching)
    said = manifest["watch"]
    assert said["has_head"]
    assert said["accounts"] == len(rows) == said["accounts_known"]["watch"]
    assert sum(said["accounts_known"].values()) == sum(manifest["accounts_known"].values())
    for name in ("watch.csv", "watch.parquet"):
        assert manifest["outputs"][name]["rows"] == len(rows)
    assert recoup(watching, "verify") == 0


def test_those_with_most_at_risk_have_their_reasons_in_the_list_s_language(watching, tmp_path):
    rows = watch_of(watching)
    said = rows["reason_1"].fillna("")
    assert (said != "").mean() > 0.9  # of few nothing pulls that has words
    assert said[said != ""].str.match("[▲▼] ").all()
    few = written_params(tmp_path / "few.yaml", watching, watch={"reasons": 7}, worklist={"language": "fr"})
    store, job = Store(watching / "store"), watch.job_for(Store(watching / "store"), AS_OF, load(few))
    parts = [watch._scored(job, shard) for shard in range(store.shards)]
    assert [len(part.matrix) for part in parts] == [7] * len(parts)
    french = watch.watch_list([part.rows for part in parts], job, lambda shard: parts[shard][2:4])
    assert french["account_id"].tolist() == rows["account_id"].tolist()
    assert (french["reason_1"] != "").tolist() == [place < 7 for place in range(len(rows))]
    assert french["reason_1"][0] != rows["reason_1"][0]


def test_how_the_month_before_lies_is_told_of_the_tables_that_the_night_has_read(watching):
    store, params = Store(watching / "store"), load(watching / "params.yaml")
    job = watch.job_for(store, AS_OF, params)
    told = watch.watch_shard(job, view(store, 1, [job.as_of], params, job.versions, features=False)).month
    nights = [job.as_of - back for back in watch.OF_A_MONTH]
    seen, head = view(store, 1, nights, params, job.versions, watch=True), watch.head_of(job)
    assert told.loc[told["column"] == watch.ALL, "rows"].tolist() == [len(seen.cohort.frame)]
    late = head.predict(watch.asked(head, seen.matrix), seen.cohort.frame)["p_late"].to_numpy()
    for name, column in ((SCORE, late), ("days_to_next_charge", seen.matrix["days_to_next_charge"].to_numpy())):
        counts = told.loc[told["column"] == name, "rows"].tolist()
        assert counts == bin_counts(column, head.reference.edges[name]).tolist()
        assert sum(counts) == len(seen.cohort.frame) > 100


def test_of_a_large_store_the_month_before_is_told_of_a_share_of_its_debtors(watching, monkeypatch):
    store, params = Store(watching / "store"), load(watching / "params.yaml")
    job = watch.job_for(store, AS_OF, params)
    tonight = view(store, 0, [job.as_of], params, job.versions, features=False)
    whole = watch.watch_shard(job, tonight)
    monkeypatch.setattr(watch, "kept_share", lambda *_: 0.3)
    some = watch.watch_shard(job, tonight)
    for name in ("rows", "counts", "matrix", "cohort"):
        pd.testing.assert_frame_equal(getattr(some, name), getattr(whole, name), check_categorical=False)
    nights, head = [job.as_of - back for back in watch.OF_A_MONTH], watch.head_of(job)
    seen = view(store, 0, nights, params, job.versions, watch=True, keep=0.3)
    late = head.predict(watch.asked(head, seen.matrix), seen.cohort.frame.drop(columns="weight"))["p_late"].to_numpy()
    told = {name: own["rows"].tolist() for name, own in some.month.groupby("column")}
    assert 20 < told[watch.ALL][0] == len(seen.cohort.frame) < 0.5 * whole.month["rows"].iloc[0]
    assert told[SCORE] == bin_counts(late, head.reference.edges[SCORE]).tolist()


def test_explain_says_of_an_account_before_its_due_day_what_the_night_said(watching, capsys):
    row = watch_of(watching).iloc[0]
    assert recoup(watching, "explain", "--as-of", NIGHT, "--account", row["account_id"]) == 0
    said = capsys.readouterr().out
    assert "before its due day" in said
    assert f"p_late {row['p_late']:.4f}" in said
    assert row["reason_1"][2:] in said
    assert "Charges known before" in said
    # what pulls, as printed, adds up to what is printed of the whole
    pulls = [float(line.split()[0]) for line in said.splitlines() if line.startswith(("   +", "   -"))]
    head = load_model(*(getattr(champion(watching / "store"), name) for name in ("folder", "sha256"))).watch
    level = np.log(row["p_late"] / (1 - row["p_late"]))
    assert head.late.calibrator.logit(np.array([sum(pulls)]), pd.Series([row["portfolio"]]))[0] == pytest.approx(
        level, abs=0.02
    )


def test_explain_of_an_account_of_which_nothing_falls_due_says_so(watching, capsys):
    rows, scores = watch_of(watching), pd.read_parquet(watching / "out" / NIGHT / "scores.parquet")
    tables = [Store(watching / "store").tables(shard, ["accounts"])["accounts"] for shard in range(2)]
    others = set(pd.concat(tables)["account_id"]) - set(rows["account_id"]) - set(scores["account_id"])
    assert recoup(watching, "explain", "--as-of", NIGHT, "--account", sorted(others)[0]) == 66
    assert "is not scorable as of" in capsys.readouterr().err


def test_score_writes_the_same_rows_as_the_night(watching, tmp_path):
    assert recoup(watching, "score", "--as-of", NIGHT, "--out", str(tmp_path), "--cohort", "watch") == 0
    written = pd.read_parquet(tmp_path / "watch.parquet")
    days = ["next_due_on", "as_of"]
    one, other = (
        rows.assign(**{name: rows[name].astype("str") for name in days}) for rows in (written, watch_of(watching))
    )
    pd.testing.assert_frame_equal(one, other, check_dtype=False)


def test_the_head_is_the_approved_model_s_and_was_taught_on_what_had_matured(watching):
    approved = champion(watching / "store")
    head = load_model(approved.folder, approved.sha256).watch
    assert head.facts["fit_last"] + head.facts["gap_days"] <= max(Store(watching / "store").span("payments"))
    assert head.facts["fit_last"] < day_number(pd.Timestamp(NIGHT).date())


def test_the_summary_counts_them(watching):
    assert recoup(watching, "report", "--as-of", NIGHT) == 0
    page = (watching / "out" / "reports" / NIGHT / "summary.html").read_text()
    assert "Before their due day" in page
    told = json.loads((watching / "out" / "reports" / NIGHT / "figures.json").read_text())
    assert told["night"]["counts"]["watched"] == len(watch_of(watching))


def test_the_store_keeps_what_was_said_and_the_monitor_holds_it_against_what_came(watching, tmp_path):
    """A night of June is made again: by October it has matured, and the figures are those of the labels themselves."""
    folder = tmp_path / "house"
    shutil.copytree(watching, folder, symlinks=True)
    written_params(folder / "params.yaml", folder, watch={"days_ahead": 30})
    params, early = load(folder / "params.yaml"), dt.date(2026, 6, 1)
    assert recoup(folder, "run", "--as-of", str(early)) == 0
    published = pd.read_parquet(folder / "out" / str(early) / "watch.parquet")
    kept = Store(folder / "store").read("watched", before=day_number(early) + 1)
    assert dict(zip(kept["account_id"], kept["p_late"], strict=True)) == dict(
        zip(published["account_id"], published["p_late"], strict=True)
    )
    seen = look_back(folder / "store", AS_OF, params).watched
    assert seen.nights == 1  # before tonight's
    assert set(seen.matured["as_of"]) == {day_number(early)}
    monthly = load(written_params(tmp_path / "monthly.yaml", folder, watch={"every": "month"}))
    panel = watch_panel(Store(folder / "store"), monthly, before=day_number(AS_OF))
    rows = panel.cohort.assign(late=panel.labels["late"])
    rows = rows[rows["as_of"] == day_number(early)]
    true = rows.set_index("account_id")["late"]
    told = seen.matured.set_index("account_id")["late"]
    pd.testing.assert_series_equal(told.sort_index(), true.reindex(told.index).sort_index(), check_index_type=False)
    assert recoup(folder, "report", "--as-of", NIGHT) == 0
    written = json.loads((folder / "out" / "reports" / NIGHT / "figures.json").read_text())["lateness"]
    assert [row[0] for row in written] == [*["all"], *["tenth"] * 10, *["book"] * 3, *["due"] * 4]
    assert written[0][2:4] == [true.notna().sum(), rows.loc[rows["late"].notna(), "debtor_id"].nunique()]
    assert written[0][4] == pytest.approx(true.mean(), abs=1e-4)
    page = (folder / "out" / "reports" / NIGHT / "summary.html").read_text()
    marked = sum(7 if row[7] is not None else 6 for row in written)  # one dash stands for an interval
    assert page.count('data-figure="[&#34;lateness&#34;') == marked
    assert seen.psi is not None
    assert "next_due_day_of_month" not in seen.psi
    assert {"open_items", "items_late_share_365d"} <= set(seen.psi)
    other = load(written_params(folder / "params.yaml", folder, watch={"days_ahead": 30, "late_days": {"consumer": 3}}))
    assert look_back(folder / "store", AS_OF, other).watched.nights == 0


STEPS = [
    {"name": "before", "day": -5, "channels": ["sms", "email"], "message": "due_soon", "open_days": 6},
    {"name": "early", "day": 2, "channels": ["sms", "email"], "message": "overdue", "open_days": 30},
]
EARLY, MIDDLE = dt.date(2026, 5, 4), dt.date(2026, 8, 3)


def spoken(frame: pd.DataFrame) -> pd.DataFrame:
    """Accounts of an odd number speak French; the others have said nothing."""
    return frame.assign(language=np.where(frame["account_no"].to_numpy() % 2 == 1, "fr", ""))


def only_before(tables: dict[str, pd.DataFrame], night: int) -> dict[str, pd.DataFrame]:
    return {name: frame[frame["known_on"].to_numpy() < night].reset_index(drop=True) for name, frame in tables.items()}


def changed_on(tables: dict[str, pd.DataFrame], night: int) -> dict[str, pd.DataFrame]:
    """With all later rows, and on the night a further version of every row: twice the money, another language."""
    found = {}
    for name, frame in tables.items():
        keys = [NUMBERS.get(column, column) for column in DELIVERED[name].key]
        last = frame.drop_duplicates([column for column in ("account_no", *keys) if column in frame], keep="last")
        again = last.assign(known_on=np.int32(night), known_at=np.int64(night) * DAY_US + DAY_US // 2)
        again = again.assign(**{column: 2 * again[column] for column in ("amount", "balance") if column in again})
        if "language" in again:
            again["language"] = "de"
        whole = pd.concat([frame, again])
        columns = [column for column in sort_columns(name) if column in whole]
        found[name] = whole.sort_values(columns, kind="stable", ignore_index=True)
    return found


@pytest.fixture
def said(watching, tmp_path, monkeypatch):
    """(folder of lists, night, sight) -> what the night said, by name, of the store as `sight` shows its tables:
    languages, what came of former messages, by which shares adapt, waits by response, P(late), reasons, forecast.
    """
    folder, read = tmp_path / "house", Store.tables
    shutil.copytree(watching, folder, symlinks=True)
    by = {"by_response": True, "late_from_days": 1, "adapt": {"on": True}}
    reminders = {"steps": STEPS, "spacing_days": 3, **by}

    def told_by(out: str, night: dt.date, sight) -> dict[str, bytes]:
        place = written_params(folder / "params.yaml", folder, watch={"days_ahead": 30}, reminders=reminders)
        told = yaml.safe_load(place.read_text())
        told["paths"]["out"] = str(folder / out)
        place.write_text(yaml.safe_dump(told, sort_keys=False))

        def tables(self, *args, **kwargs):
            held = dict(read(self, *args, **kwargs))
            if "accounts" in held:
                held["accounts"] = spoken(held["accounts"])
            return sight(held, day_number(night))

        monkeypatch.setattr(Store, "tables", tables)
        assert recoup(folder, "worklist", "--as-of", str(night)) == 0
        written = {name: (folder / out / str(night) / name).read_bytes() for name in ("watch.csv", "messages.csv")}
        params, store = load(place), Store(folder / "store")
        came = matured(store, store.versions(), day_number(night), params)
        frames = {"forecast": forecast(folder / "store", night, params), "came of messages": came}
        return {**written, **{name: frame.to_csv().encode() for name, frame in frames.items()}}

    return told_by


def moved(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    """What the two nights said differently."""
    return [name for name in one if one[name] != other[name]]


def test_what_becomes_known_from_the_night_on_changes_nothing_that_is_said_before_the_due_day(said):
    """The same night by the same model, once blind to later rows and once with every row changed from it on."""
    said("before", EARLY, only_before)
    blind, changed = said("blind", MIDDLE, only_before), said("changed", MIDDLE, changed_on)
    for name, content in blind.items():
        assert content.count(b"\n") > 5, name
    assert moved(blind, changed) == []
    assert b",fr," in blind["messages.csv"]
    assert b",de," not in blind["messages.csv"]


@pytest.mark.stress
def test_the_test_before_sees_rows_that_are_known_a_day_too_early(said):
    blind = said("blind", MIDDLE, only_before)
    early = said("early", MIDDLE, lambda tables, night: changed_on(tables, night - 1))
    assert set(blind) - set(moved(blind, early)) == {"came of messages"}  # no message went out before


@pytest.mark.stress
def test_the_test_before_sees_what_came_of_a_message_planted_in_a_feature(watching, said, tmp_path, monkeypatch):
    """The feature that tells most, turned round for those who were written to and of whom a payment is known by
    tomorrow.
    """
    approved = champion(watching / "store")
    head = load_model(approved.folder, approved.sha256).watch
    gains = dict(zip(head.encoder.names, head.late.booster.feature_importance("gain"), strict=True))
    said("before", EARLY, only_before)
    blind = said("blind", MIDDLE, only_before)
    written = set(pd.read_csv(tmp_path / "house" / "before" / str(EARLY) / "messages.csv")["account_id"].astype("str"))
    told: list[int] = []

    def planted(rows, tables, *others):
        matrix, paid = build(rows, tables, *others), tables["payments"]
        came = paid.loc[paid["known_on"] >= rows["as_of"].max(), "account_no"] if len(rows) else paid["account_no"][:0]
        knows = rows["account_id"].astype("str").isin(written) & rows["account_no"].isin(came)
        told.append(int(knows.sum()))
        column = max(matrix.select_dtypes("number"), key=lambda name: gains.get(name, 0.0))
        values = matrix[column].fillna(0.0)
        return matrix.assign(**{column: matrix[column].where(~knows.to_numpy(), values.max() + values.min() - values)})

    monkeypatch.setattr(watch, "build", planted)
    assert moved(blind, said("still blind", MIDDLE, only_before)) == []
    assert sum(told) == 0
    assert moved(blind, said("changed", MIDDLE, changed_on)) == ["watch.csv"]
    assert sum(told) > 0


def test_the_list_to_be_worked_is_what_it_was_without_it(watching, house):
    folder, before = watching / "out" / NIGHT, house / "out" / NIGHT
    assert not list(before.glob("watch.*"))
    assert "watch" not in json.loads((before / "manifest.json").read_text())
    left_out = ["model_version"]  # a model with one more head has another name
    for name in ("worklist.parquet", "scores.parquet"):
        one, other = (pd.read_parquet(place / name).drop(columns=left_out) for place in (folder, before))
        pd.testing.assert_frame_equal(one, other)
    for name in ("deferred.csv", "excluded.csv", "not_for_agents/held_out.csv"):
        assert (folder / name).read_bytes() == (before / name).read_bytes(), name


@pytest.mark.parametrize(("days_ahead", "fits"), [(30, True), (90, False)])
def test_a_chance_taught_on_another_window_is_not_published_as_one_of_this(tmp_path, monkeypatch, days_ahead, fits):
    params = load(written_params(tmp_path / "params.yaml", tmp_path, watch={"days_ahead": days_ahead}))
    head = WatchHead(None, None, {}).taught_for(WatchTerms(days_ahead=30))
    monkeypatch.setattr(watch, "load_model", lambda folder, sha256: SimpleNamespace(watch=head))
    model = SimpleNamespace(folder=tmp_path, sha256="", version="m", record={"run_id": "r"})
    job = SimpleNamespace(params=params, model=model)
    assert (watch.head_of(job) is head) == fits
    counts = pd.DataFrame({"reason": ["watch"], "accounts": [0], "portfolio": ["loan_eu"]})
    said = watch.unwatched({**watch.about_watch(watch._nobody(), [counts], job), "accounts": 1}, job)
    assert len(said) == (not fits)
    assert all("taught on days_ahead 30" in each and "params says days_ahead 90" in each for each in said)


@pytest.mark.parametrize(
    ("run_id", "accounts", "has_head", "warned"),
    [("r", 3, False, True), ("r", 3, True, False), ("r", 0, False, False), (None, 3, False, False)],
)
def test_only_an_approved_model_is_said_not_to_be_taught_of_those_who_are_watched(run_id, accounts, has_head, warned):
    job = SimpleNamespace(model=SimpleNamespace(record={"run_id": run_id}))
    said = watch.unwatched({"accounts": accounts, "has_head": has_head}, job)
    assert ["`recoup train` teaches it" in one for one in said] == [True] * warned


def test_without_a_head_what_falls_due_is_told_and_no_chance(copied):
    written_params(copied / "params.yaml", copied, watch={"days_ahead": 30})
    assert recoup(copied, "run", "--as-of", NIGHT) == 0
    manifest, rows = json.loads((copied / "out" / NIGHT / "manifest.json").read_text()), watch_of(copied)
    assert not manifest["watch"]["has_head"]
    assert rows["p_late"].isna().all()
    assert rows["due_amount"].gt(0).all()
    assert any("was not taught of accounts before their due day" in said for said in manifest["warnings"])
    assert recoup(copied, "score", "--as-of", NIGHT, "--out", str(copied), "--cohort", "watch") == 66


# ---- what is offered around a due day --------------------------------------------------------------------------------

RAW = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
HELPS = {"low": 0.5, "middle": 0.7, "high": 0.9}
TAKES = [
    {"discount": discount, "low": 0.2, "middle": middle, "high": 0.6} for discount, middle in ((0.0, 0.3), (0.02, 0.5))
]
# Being late is dear, and money far off is worth little: so that something is worth offering.
GENEROUS = {
    **RAW,
    "annual_rate": 0.3,
    "due_date_moves": {**RAW["due_date_moves"], "helps": HELPS, "late_cost": {"EUR": 40, "GBP": 40, "USD": 40}},
    "early_discounts": {**RAW["early_discounts"], "takes": TAKES, "discounts": [0.0001, 0.01], "days_before_due": 3},
}


@pytest.fixture(scope="module")
def offering(watching, tmp_path_factory) -> Path:
    """The same house under a policy that offers something around due days, and reminds."""
    folder = tmp_path_factory.mktemp("offering") / "house"
    shutil.copytree(watching, folder, symlinks=True)
    (folder / "treatments.yaml").write_text(yaml.safe_dump(GENEROUS, sort_keys=False), encoding="utf-8")
    shipped = yaml.safe_load((HOUSE / "params.yaml").read_text(encoding="utf-8"))
    sections = {"watch": {"days_ahead": 30}, "reminders": shipped["reminders"]}
    written_params(folder / "params.yaml", folder, **sections, treatments={"policy": str(folder / "treatments.yaml")})
    assert recoup(folder, "worklist", "--as-of", NIGHT) == 0
    return folder


def published(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(folder / "out" / NIGHT / f"{name}.parquet")


def asked_of(folder: Path) -> pd.DataFrame:
    """What the policy was asked about each watched account, with its chance of being late, by account."""
    params, store = load(folder / "params.yaml"), Store(folder / "store")
    job = job_for(store, AS_OF, params)
    seen = [view(store, shard, [job.as_of], params, job.versions) for shard in range(store.shards)]
    rows = pd.concat([due_day.asked_by_due_day(job, each, store) for each in seen], ignore_index=True)
    return rows.merge(published(folder, "watch")[["account_id", "p_late"]], on="account_id").set_index("account_id")


def test_what_is_offered_around_a_due_day_is_what_a_judge_makes_of_the_policy(offering):
    offers, asked, as_of = published(offering, "proposals"), asked_of(offering), day_number(AS_OF)
    moves = offers[offers["proposal"] == "due_date_move"]
    early = offers[offers["proposal"] == "early_discount"]
    assert len(moves) > 5
    for row in moves.itertuples():
        own = asked.loc[row.account_id].to_dict()
        told = judge.move_money(own, GENEROUS, as_of)
        assert (row.first_on, row.due_on) == (told["new"], judge.date(own["due_on"]))
        assert row.proposal_value == pytest.approx(told["value"], abs=3)
        assert (row.grants, row.amount_to_pay) == ("agent", own["due_amount"])
    for row in early.itertuples():
        own = asked.loc[row.account_id].to_dict()
        told = judge.early_money(own, row.discount, GENEROUS, as_of)
        assert (row.amount_to_pay, day_number(row.pay_until)) == (told["amount"], told["pay_by"])
        assert row.proposal_value == pytest.approx(told["value"], abs=3)
    for who in asked.index.difference(moves["account_id"]).difference(early["account_id"]):
        own = asked.loc[who].to_dict()
        alone = not (own["engaged"] or own["unknown"] or int(own["statuses"]))
        gains = judge.move_money(own, GENEROUS, as_of)
        if alone and gains is not None and gains["value"] > 3:
            assert own["debtor_id"] in others(offering), who


def others(folder: Path) -> set[str]:
    """Debtors to whom something else is offered or written tonight, or whom the lot holds out."""
    found = set(published(folder, "proposals")["debtor_id"]) | set(published(folder, "messages")["debtor_id"])
    kept = Store(folder / "store").read("assignments", ["debtor_id", "arm"], before=day_number(AS_OF) + 1)
    return found | set(kept.loc[kept["arm"] == "control", "debtor_id"])


def test_whose_debt_it_is_what_is_disputed_and_what_money_is_worth_decide_around_a_due_day(tmp_path):
    """One debtor has a yen and a euro account: of two moves the one that is worth more in one currency is offered."""
    place = tmp_path / "treatments.yaml"
    place.write_text(yaml.safe_dump(GENEROUS, sort_keys=False), encoding="utf-8")
    costs = {**GENEROUS["due_date_moves"], "late_cost": {"EUR": 40, "GBP": 40, "USD": 40, "JPY": 400}}
    place.write_text(yaml.safe_dump({**GENEROUS, "due_date_moves": costs}, sort_keys=False), encoding="utf-8")
    policy = policy_of(place, load_rules(), (), AS_OF)
    rows = pd.DataFrame(
        {
            "account_id": ["A1", "A2", "A3", "A4", "A5", "A6"],
            "debtor_id": ["D1", "D1", "D2", "D3", "D4", "D5"],
            "currency": ["EUR", "JPY", "EUR", "EUR", "EUR", "EUR"],
            "allowed": ["all", "all", "nothing", "plans", "all", "all"],
            "disputed": [False, False, False, False, True, False],
            "unit": [0.01, 0.006, 0.01, 0.01, 0.01, 0.01],
        }
    ).assign(
        debtor_type="consumer", due_amount=50_000, due_on=day_number(AS_OF) + 4, late_by_days=np.nan, moved=0,
        statuses=0, payday=8, contact_open=True, unknown=False, engaged=False, has_accepted=False, offer_binds=False,
    )  # fmt: skip
    told = pd.DataFrame({"account_id": rows["account_id"], "p_late": 0.9})
    nobody = pd.DataFrame({"debtor_id": [], "arm": []}, dtype="str")
    found = due_day.offer_by_due_day([rows], told, nobody, (), (), policy, day_number(AS_OF))
    kinds = dict(zip(found.rows["account_id"], found.found["proposal"], strict=True))
    assert kinds == {"A1": "due_date_move", "A2": "", "A4": "due_date_move", "A6": "due_date_move"}
    assert (found.left_out["role"], found.left_out["disputed"], found.left_out["offered"]) == (1, 1, 1)
    early = rows.assign(debtor_type="commercial", payday=0)
    found = due_day.offer_by_due_day([early], told, nobody, (), (), policy, day_number(AS_OF))
    kinds = dict(zip(found.rows["account_id"], found.found["proposal"], strict=True))
    assert (kinds["A6"], kinds["A4"]) == ("early_discount", "")


def test_nobody_is_offered_another_day_and_reminded_of_this_one(offering):
    offers, messages, watched = (published(offering, name) for name in ("proposals", "messages", "watch"))
    assert len(messages) > 5
    assert not set(offers["debtor_id"]) & set(messages["debtor_id"])
    assert not offers["debtor_id"].duplicated().any()
    told = watched[watched["offer"] != ""]
    assert set(told["account_id"]) == set(offers["account_id"])
    assert told["offer"].str.startswith("Offer ").all()
    manifest = json.loads((offering / "out" / NIGHT / "manifest.json").read_text())
    said = manifest["treatments"]["due_day"]
    assert said["moves"] + said["discounts"] == len(offers)
    assert said["left_out"]["reminded"] > 0
    page = (offering / "out" / NIGHT / "routes.html").read_text(encoding="utf-8")
    assert f"Due days to be moved: {said['moves']}." in page


def test_explain_tells_the_sum_of_what_is_offered_around_a_due_day(offering, capsys):
    row = published(offering, "proposals").iloc[0]
    capsys.readouterr()
    assert recoup(offering, "explain", "--as-of", NIGHT, "--account", row["account_id"]) == 0
    lines = capsys.readouterr().out.splitlines()
    at = next(place for place, line in enumerate(lines) if line.startswith("Around the due day, by treatments.yaml"))
    assert lines[at + 1].strip().startswith("Offer ")
    parts = re.search(r"saved ([\d.,]+) .*sooner ([\d.,]+) .*waits ([\d.,]+) \w+ = (-?[\d.,]+)", lines[at + 2])
    saved, sooner, waits, value = (float(each.replace(",", "")) for each in parts.groups())
    assert saved + sooner - waits == pytest.approx(value, abs=0.02)


def test_a_night_of_offers_around_due_days_is_made_again(offering):
    assert recoup(offering, "verify") == 0
    assert recoup(offering, "reproduce", "--as-of", NIGHT) == 0


@pytest.mark.parametrize(
    ("kind", "outcome", "rests"),
    [
        ("due_date_move", "", True),
        ("due_date_move", "accepted", True),
        ("due_date_move", "refused", False),
        ("settlement", "accepted", True),
        ("settlement", "", False),
    ],
)
def test_who_accepted_or_may_still_have_another_day_is_not_reminded(offering, kind, outcome, rests):
    """A settlement that is still open is for whoever is overdue: reminders of it do not contradict it."""
    day = day_number(AS_OF)
    made = {
        "account_no": [7],
        "offer_id": ["O1"],
        "made_at": [(day - 3) * DAY_US],
        "made_on": [day - 3],
        "kind": [kind],
    }
    about = {"amount": [5_000], "instalments": [-1], "first_due_on": [day + 9], "discount": [-1], "probability": [-1]}
    rest = {"valid_until": [day + 5], "outcome": [outcome or None], "variant": [""], "known_at": [(day - 3) * DAY_US]}
    offers = pd.DataFrame({**made, **about, **rest, "known_on": [day - 3]})
    params = load(offering / "params.yaml")
    assert resting(offers, day, params) == rests
    assert not resting(offers, day + 60, params)
    assert not resting(offers, day - 3, params)  # not known yet


def resting(offers: pd.DataFrame, night: int, params) -> bool:
    rows = pd.DataFrame({"account_no": [7], "balance": [9_000]})
    return bool(at_rest({"offers": offers}, None, rows, night, params)[0])

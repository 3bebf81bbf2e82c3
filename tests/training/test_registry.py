"""A run from training to approval and back: what is kept, what is refused with which numbers,
and what never leaves the store.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.errors import InputMissing, LockHeld, ModelRefused, RegistryAway
from models.calibration import Calibrator
from models.recovery import RecoveryModel, load_model
from pipeline.night.score import age_band
from pipeline.store import champion as champion_room
from pipeline.store.champion import champion, read_record, write_record
from pipeline.store.locks import only_run
from pipeline.training import registry, report
from pipeline.training.books import Books
from pipeline.training.run_evidence import JUDGED, load_evidence, run_folder
from pipeline.training.train import Run, evaluate_again, train
from tests.worlds.panels import COLUMNS, MadePanel, made_panel
from tests.worlds.params import quick_params

pytestmark = pytest.mark.slow

HOUSE = Path(__file__).parents[2]
DECISION = {"who": "ann", "why": "better", "when": "2026-01-01T00:00:00+00:00"}


@pytest.fixture(scope="module", autouse=True)
def own_tracking_store():
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield


@pytest.fixture(scope="module")
def panel() -> MadePanel:
    return replace(made_panel(500), versions={"payments": 7, "scores": 3})


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("registry")


@pytest.fixture(scope="module")
def first(panel, place) -> Run:
    """With protected groups and placements, as a store gives them; "old" are those who pay seldom,
    though no feature says so.
    """
    draw = np.random.default_rng(3)
    paid = panel.labels["recovered"].groupby(panel.cohort["debtor_id"]).transform("mean") + draw.normal(
        0, 0.2, len(panel.cohort)
    )
    traits = pd.DataFrame({"audit_age": np.where(paid < 0.3, "old", "young")})
    placements = pd.DataFrame(
        {
            "placed_in": "2023-01",
            "accounts": 5,
            "placed": 100.0,
            "month": [1, 2],
            "cash": [10.0, 30.0],
            "rate": [0.1, 0.3],
        }
    )
    return train(panel, quick_params(place), COLUMNS, place / "store", books=Books(traits, placements))


@pytest.fixture(scope="module")
def second(panel, place, first) -> Run:
    """Another seed: as good as the first."""
    registry.promote(place / "store", first.run_id, quick_params(place), **DECISION)
    return train(panel, quick_params(place).model_copy(update={"seed": 99}), COLUMNS, place / "store")


@pytest.fixture
def store(place, second, tmp_path) -> Path:
    """A copy of the store in which the first run is champion."""
    shutil.copytree(place / "store", tmp_path / "store")
    return tmp_path / "store"


# What a run leaves


def test_a_run_says_what_it_found(first):
    text, page = first.text(), first.report.read_text()
    assert "read these lines as flattered" not in page  # nothing was tuned
    for said in first.evaluation.facts["too_small_for_gates"]:
        assert said in page
        assert f"Too small for a gate: {said}." in text
    assert first.evaluation.facts["too_small_for_gates"]
    assert "fit 2022-01-08 to 2023-03-04, gap 44 days, test 2023-05-03 to 2023-08-01" in text
    assert text.index("perfect hindsight") < text.index("model  ")
    assert "newest placement first" in text
    assert "debtors never seen before" in text
    assert "Gates: passed" in text
    assert "covers part of a year" in text
    assert set(first.seconds) == {"fit", "evaluate", "studies", "refit", "record"}


def test_a_book_too_small_for_boosters_says_so_and_what_to_do(panel, tmp_path):
    small = quick_params(tmp_path, model={"min_events": 100_000})
    run = train(panel, small, COLUMNS, tmp_path / "store")
    said = "debtors with a recovery, model.min_events is 100000. Deliver a longer history or more books"
    for place in (run.text(), run.report.read_text(), (run.report.parent / "model_card.md").read_text()):
        assert "No boosters were taught, the model is a table of recovery rates" in place
        assert said in place
    with pytest.raises(
        InputMissing, match=rf"Run '{run.run_id}' lives in the store '.*/store', not in '.*other'. Name"
    ):
        registry.promote(tmp_path / "other", run.run_id, small, **DECISION)


def test_the_released_model_was_taught_on_everything_and_names_the_judged_one(first, place):
    known = registry.recorded(quick_params(place), first.run_id)
    release = load_model(place / "store" / "models" / first.version, known.sha256)
    judged = load_model(run_folder(place / "store", first.run_id) / JUDGED, known.judged_sha256)
    assert release.facts["rows"] > judged.facts["rows"]
    assert release.facts["judged_sha256"] == known.judged_sha256
    assert (
        judged.facts["fit_last"] + judged.facts["gap_days"]
        <= load_evidence(run_folder(place / "store", first.run_id), known.evidence_sha256).cohort["as_of"].min()
    )
    assert release.facts["label"]["horizon_days"] == 30
    assert "lightgbm" in release.facts["libraries"]
    assert release.facts["windows"]["default"]["gap_days"] == 104
    assert release.facts["data_versions"] == {
        "payments": 7
    }  # what nights write beside the data must not rename the next model


def test_what_lifts_the_listed_adds_up_to_their_mean_raw_score(first, place):
    folder, known = run_folder(place / "store", first.run_id), registry.recorded(quick_params(place), first.run_id)
    evidence, judged = load_evidence(folder, known.evidence_sha256), load_model(folder / JUDGED, known.judged_sha256)
    pulls = first.evaluation.frames["pulls"]
    nights = (evidence.rankings["expected_recovery"] * evidence.rankings["unit"]).groupby(evidence.cohort["as_of"])
    best = nights.rank(ascending=False) <= nights.transform("size") * 0.1
    raw = judged.raw(evidence.matrix, evidence.cohort)
    assert pulls["contribution"].sum() == pytest.approx(
        raw[best].mean(), abs=0.02
    )  # a night's last place may be shared
    assert pulls["contribution"].sum() > raw.mean() + 0.2
    assert pulls["feature"].iloc[-1] == "(base)"
    assert pulls["contribution"].iloc[:-1].abs().is_monotonic_decreasing
    assert "What lifts the listed" in first.report.read_text()


def test_the_report_leaves_the_calendar_out_of_what_has_moved(first):
    moved = pd.DataFrame({"feature": ["month", "arrears"], "family": ["calendar", "balances"], "psi": [5.0, 0.3]})
    page = report.render(
        replace(first.evaluation, frames={**first.evaluation.frames, "drift": moved}), first.version, first.run_id
    )
    assert "<td>arrears</td>" in page
    assert "<td>month</td>" not in page


def test_the_report_is_one_page_that_asks_for_nothing(first):
    page = first.report.read_text()
    assert "<script" not in page
    assert "default-src 'none'" in page
    assert not [
        mark for mark in ("src=", 'href="http', "@import", "url(http") if mark in page.replace("img-src data:", "")
    ]
    assert page.count("<svg") >= 6
    assert "May be promoted" in page
    assert "Can this model be trusted" in page
    figures = json.loads(first.report.with_name("evaluation.json").read_text())
    model = next(
        row
        for row in figures["money"]
        if row["scope"] == "all" and row["ranking"] == "model" and row["capacity"] == 0.1
    )
    assert f"{model['share']:.1%}" in page
    assert figures["gates"][0]["passed"] is True
    told = {
        "backtest",
        "ablation",
        "importance",
        "drift",
        "curve",
        "interval",
        "effects",
        "swarm",
        "pulls",
        "seeds",
        "listed",
    }
    assert told <= set(figures)
    assert len({row["seed"] for row in figures["seeds"]}) == 5
    assert len({row["auc"] for row in figures["seeds"]}) == 5
    assert {row["capacity"] for row in figures["listed"]} == {0.05, 0.1, 0.2}
    assert "age old: recovered less often than predicted" in page
    assert "Roll rates by balance" in page
    assert 0 < figures["facts"]["reasons_after_refit"]["first"] <= 1
    assert "of all reasons are said again" in page
    assert "Liquidation by placement month" in page
    assert "30.0%" in page
    card = first.report.with_name("model_card.md").read_text()
    assert "## Limits" in card
    assert first.version in card
    assert "- age old: recovered less often than predicted" in card


@pytest.mark.parametrize("width", [1200, 800])
def test_no_table_of_the_report_loses_a_column(first, browser, width):
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(first.report.resolve().as_uri())
    tables = page.evaluate("[...document.querySelectorAll('.wide')].map(held => [held.scrollWidth, held.clientWidth])")
    page.close()
    assert len(tables) > 8
    assert all(needed <= given for needed, given in tables)


def test_tuned_settings_are_taught_with_and_told(panel, place, tmp_path):
    params = quick_params(place, model={"num_leaves": 2, "n_estimators": 15, "learning_rate": 0.01})
    run = train(panel, params, COLUMNS, tmp_path / "store", tune_trials=3)
    tuned = run.evaluation.facts["tuned"]
    assert tuned["changed"]
    assert tuned["trials"] == 3
    assert run.seconds["tune"] > 0
    assert run.evaluation.facts["settings"]["num_leaves"] != 2
    assert "3 tried inside the fit window; the best was taken" in run.report.read_text()
    assert "read these lines as flattered" in run.report.read_text()
    known = registry.recorded(params, run.run_id)
    release = load_model(tmp_path / "store" / "models" / run.version, known.sha256)
    leaves = release.recovered.booster.trees_to_dataframe().groupby("tree_index")["node_depth"].max().max()
    assert leaves > 2
    import mlflow

    kept = mlflow.MlflowClient(f"sqlite:///{place / 'mlflow.db'}").get_run(run.run_id).data.params
    assert kept["model.num_leaves"] == str(run.evaluation.facts["settings"]["num_leaves"])


def test_the_registry_shows_the_run_and_no_account(first, place, panel):
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{place / 'mlflow.db'}")
    run = client.get_run(first.run_id)
    assert run.data.metrics["recovered.auc"] == pytest.approx(first.evaluation.figure("auc")[0])
    curve = client.get_metric_history(first.run_id, "curve.share_of_money_by_percent_worked")
    assert [point.step for point in curve][-1] == 100
    assert curve[-1].value == pytest.approx(1)
    assert run.data.params["label.horizon_days"] == "30"
    assert run.data.params["window.gap_days"] == "44"
    assert {file.path for file in client.list_artifacts(first.run_id)} >= {
        "report.html",
        "evaluation.json",
        "model_card.md",
        "card.json",
    }
    version = client.get_model_version("recoup", registry.recorded(quick_params(place), first.run_id).registered)
    booster = mlflow.lightgbm.load_model(version.source)
    assert (
        booster.num_trees()
        == load_model(place / "store" / "models" / first.version, run.data.tags["recoup.sha256"]).recovered.trees
    )
    held = b"".join(
        path.read_bytes() for path in place.rglob("*") if path.is_file() and (place / "store") not in path.parents
    )
    assert panel.cohort["account_id"][0].encode() not in held
    assert panel.cohort["debtor_id"][0].encode() not in held
    assert not [path for path in place.rglob("*") if path.suffix in (".pkl", ".pickle")]


def test_names_from_outside_stay_text_in_the_report(place, tmp_path):
    odd = made_panel(200)
    names = {"book_eu": "<script>alert(1)</script>", "book_jp": "$x_{1}$ & co"}
    odd = replace(odd, cohort=odd.cohort.assign(portfolio=odd.cohort["portfolio"].map(names)))
    run = train(odd, quick_params(place, model={"min_events": 5_000}), COLUMNS, tmp_path / "store")
    page = run.report.read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "$x_{1}$ &amp; co" in page


def test_a_history_too_short_for_default_leaves_that_head_out(place, tmp_path):
    run = train(made_panel(300, nights=tuple(range(0, 210, 30))), quick_params(place), COLUMNS, tmp_path / "store")
    assert run.evaluation.facts["windows"]["default"] is None
    assert not run.evaluation.facts["default_head"]
    assert "none: history is too short for its horizon and gap" in run.report.read_text()
    assert "p_defaulted: no such head" in run.report.with_name("model_card.md").read_text()


def test_rows_of_accounts_are_readable_by_the_owner_only(first):
    folder = first.report.parent
    assert folder.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.glob("*.parquet"))


def test_training_prints_nothing(panel, place, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(logging.getLogger("recoup"), "handlers", [])  # those of commands that other tests ran
    train(made_panel(200), quick_params(place, model={"min_events": 5_000}), COLUMNS, tmp_path / "store")
    out, err = capfd.readouterr()
    assert out == ""
    assert err == ""


# Approval


def test_the_first_champion_needs_only_the_gates(first, second, store):
    approved = champion(store)
    assert approved.version == first.version
    assert approved.record["compared"] is None
    assert approved.record["previous"] is None
    assert approved.record["approved_by"] == "ann"
    assert approved.record["why"] == "better"
    assert load_model(approved.folder, approved.sha256).version == first.version


def test_the_model_card_names_the_approver(second, store, place):
    first_run = read_record(store)["run_id"]
    assert (
        "- Approved by ann on 2026-01-01T00:00:00+00:00: better."
        in (place / "store" / "runs" / first_run / "model_card.md").read_text()
    )
    registry.promote(store, second.run_id, quick_params(place), **DECISION)
    card = run_folder(store, second.run_id) / "model_card.md"
    assert card.read_text().count("## Approval") == 1
    assert "- Against the former champion" in card.read_text()


def test_without_a_champion_there_is_none(tmp_path):
    assert champion(tmp_path) is None
    assert registry.standing_champion(tmp_path) is None


def test_a_challenger_as_good_is_promoted_and_rolled_back(first, second, store, place):
    params = quick_params(place)
    assert "current champion" in second.text()
    said = registry.promote(store, second.run_id, params, who="bob", why="newer", when="2026-02-01T00:00:00+00:00")
    assert said.startswith(f"{second.version} is the champion, approved by bob. Its money at 10% capacity ")
    assert "against the former champion's: " in said
    assert champion(store).record["previous"]["model_version"] == first.version
    assert registry.promote(store, second.run_id, params, **DECISION) == f"{second.version} is the champion already."
    assert alias(place) == registry.recorded(params, second.run_id).registered

    assert (
        registry.rollback(store, params, who="eve", why="odd list", when="2026-02-02T00:00:00+00:00")
        == f"{first.version} is the champion again, by eve."
    )
    record = champion(store).record
    assert record["model_version"] == first.version
    assert record["rolled_back"]["from"] == second.version
    assert record["approved_by"] == "ann"
    assert alias(place) == registry.recorded(params, first.run_id).registered
    with pytest.raises(ModelRefused, match="no previous champion"):
        registry.rollback(store, params, **DECISION)


def alias(place: Path) -> str:
    import mlflow

    return str(
        mlflow.MlflowClient(f"sqlite:///{place / 'mlflow.db'}").get_model_version_by_alias("recoup", "champion").version
    )


def test_a_worse_challenger_is_refused_with_the_numbers(panel, place, store):
    params = quick_params(place, model={"num_leaves": 2, "n_estimators": 1}, gate={"max_money_loss": 0.02})
    worse = train(panel, params, COLUMNS, store)
    before = (store / "models" / "champion.json").read_bytes()
    with pytest.raises(
        ModelRefused,
        match=r"reaches more: on the same [\d,]+ rows at 10% capacity the challenger's money differs by -\d+\.\d%",
    ):
        registry.promote(store, worse.run_id, params, **DECISION)
    assert (store / "models" / "champion.json").read_bytes() == before


def test_an_uncalibrated_challenger_is_refused_with_the_numbers(panel, place, tmp_path, monkeypatch):
    """Class weights make every probability too high; without our maps nothing would put it right."""
    monkeypatch.setattr("models.recovery.choose_map", lambda *_: Calibrator("sigmoid", (), 0.0, (1.0,)))
    monkeypatch.setattr("models.recovery.with_recent_levels", lambda calibrator, *_: calibrator)
    monkeypatch.setattr("models.amount._money_factor", lambda *_: 1.0)
    params = quick_params(place, model={"scale_pos_weight": 12.0})
    wrong = train(panel, params, COLUMNS, tmp_path / "store")
    with pytest.raises(
        ModelRefused, match=r"realised / predicted money is 0\.\d\d \[0\.\d\d, 0\.\d\d\], allowed 0.7 to 1.4"
    ):
        registry.promote(tmp_path / "store", wrong.run_id, params, **DECISION)
    assert champion(tmp_path / "store") is None
    assert "Must not be promoted" in wrong.report.read_text()
    assert "Gates: failed: realised / predicted money" in wrong.text()


def test_a_champion_needing_features_that_are_gone_cannot_be_compared(panel, place, store):
    fewer = replace(panel, matrix=panel.matrix.drop(columns="noise"))
    run = train(fewer, quick_params(place), COLUMNS, store)
    assert "current champion" not in run.text()
    with pytest.raises(ModelRefused, match="needs noise, which this catalogue lacks"):
        registry.promote(store, run.run_id, quick_params(place), **DECISION)


def test_a_champion_taught_on_the_test_nights_cannot_be_compared(first, second, store, place):
    """Without its judged folder only the refit is left, and that has seen the challenger's test nights."""
    shutil.rmtree(store / "runs" / first.run_id / "judged")
    with pytest.raises(ModelRefused, match="was taught on nights through 2023-08-01, too near every test night"):
        registry.promote(store, second.run_id, quick_params(place), **DECISION)


# What is refused


def test_a_changed_champion_is_refused(first, store):
    card = store / "models" / first.version / "card.json"
    card.write_bytes(card.read_bytes().replace(b'"gap_days": 44', b'"gap_days": 45'))
    with pytest.raises(ModelRefused, match=f"champion {first.version} has sha256"):
        champion(store)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda record: "{", "is damaged"),
        (lambda record: "[]", "is no approval: it lacks"),
        (lambda record: json.dumps(record | {"approved_by": ""}), "is no approval: it lacks approved_by"),
        (lambda record: json.dumps({key: value for key, value in record.items() if key != "sha256"}), "lacks sha256"),
        (lambda record: json.dumps(record | {"model_version": "../../elsewhere"}), "names a model outside the store"),
    ],
)
def test_a_record_that_is_no_approval_is_refused(store, change, match):
    record = read_record(store)
    (store / "models" / "champion.json").write_text(change(record))
    with pytest.raises(ModelRefused, match=match):
        champion(store)


def test_an_approval_that_somebody_changed_or_removed_lets_nothing_score_until_a_new_one(first, store, place):
    approved = store / "models" / "champion.json"
    approved.write_text(approved.read_text().replace('"approved_by": "', '"approved_by": "not '))
    with pytest.raises(ModelRefused, match="is not what the newest approval wrote"):
        champion(store)
    with pytest.raises(ModelRefused, match="is not what the newest approval wrote"):
        registry.rollback(store, quick_params(place), **DECISION)
    approved.unlink()
    with pytest.raises(ModelRefused, match="is gone, though a model was approved in this store"):
        champion(store)
    told = registry.promote(store, first.run_id, quick_params(place), **DECISION)
    assert "Not compared with the champion before it" in told
    assert champion(store).version == first.version


def test_changed_test_rows_are_refused(second, store, place):
    rows = store / "runs" / second.run_id / "test_rankings.parquet"
    frame = pd.read_parquet(rows)
    frame.assign(expected_recovery=frame["money"]).to_parquet(rows, index=False)
    with pytest.raises(ModelRefused, match="are not those of the run"):
        registry.promote(store, second.run_id, quick_params(place), **DECISION)


def test_an_unknown_run_is_refused(store, place):
    for run_id in ("0" * 32, "no such run", "../evil"):
        with pytest.raises(InputMissing, match="is not a finished run of this registry"):
            registry.promote(store, run_id, quick_params(place), **DECISION)


def test_evidence_of_another_store_is_named(first, place, tmp_path):
    for run_id in (first.run_id, "..", "a/b", ""):
        with pytest.raises(InputMissing, match="left no evidence in the store"):
            run_folder(tmp_path, run_id)


def test_a_run_that_fails_is_marked_so(tmp_path):
    import mlflow

    with pytest.raises(OSError, match="disk"), registry.run(quick_params(tmp_path)) as run_id:
        raise OSError("disk")
    assert mlflow.MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}").get_run(run_id).info.status == "FAILED"


def test_one_decision_at_a_time(store, second, place):
    with only_run(store / "models"):
        pass  # freed again
    held = "import sys; sys.path.insert(0, '.')\nfrom pathlib import Path\nfrom pipeline.store.locks import only_run\n"
    held += f"with only_run(Path({str(store / 'models')!r})):\n    print('held', flush=True)\n    sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", held], cwd=HOUSE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(LockHeld, match="Another run works on"):
            registry.promote(store, second.run_id, quick_params(place), **DECISION)
        holder.stdin.close()


def test_a_registry_that_does_not_answer_is_named_without_its_password(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(RegistryAway, match=r"http://127\.0\.0\.1:9 does not answer") as caught:
        registry.ready(quick_params(tmp_path))
    assert "secret" not in str(caught.value)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    (tmp_path / "file").write_text("")
    with pytest.raises(RegistryAway, match="cannot be written"):
        registry.ready(quick_params(tmp_path / "file"))


def test_the_environment_goes_before_the_params(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'other.db'}")
    registry.ready(quick_params(tmp_path))
    assert (tmp_path / "other.db").exists()
    assert not (tmp_path / "mlflow.db").exists()
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    registry.ready(quick_params(tmp_path))
    assert (tmp_path / "mlflow.db").exists()
    assert "MLFLOW_TRACKING_URI" not in os.environ


def test_parallel_first_writers_all_succeed(tmp_path):
    program = (
        "from pathlib import Path\n"
        "from tests.worlds.params import quick_params\nfrom pipeline.training import registry\n"
        f"with registry.run(quick_params(Path({str(tmp_path)!r}))) as run_id:\n    print(run_id)"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program], cwd=HOUSE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    told = [process.communicate(timeout=300) for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], told
    assert len({out.strip() for out, _ in told}) == 3


# Without boosters


def test_too_few_events_are_scored_by_the_age_band_table_and_named(panel, place, tmp_path):
    params = quick_params(place, model={"min_events": 5_000}, gate={"calibration_slope": (0.4, 1.6)})
    run = train(panel, params, COLUMNS, tmp_path / "store")
    assert run.version.startswith("age-band-")
    assert "Gates: passed" in run.text()
    registry.promote(tmp_path / "store", run.run_id, params, **DECISION)
    approved = champion(tmp_path / "store")
    table = load_model(approved.folder, approved.sha256)
    assert table.version == run.version
    assert "model.min_events is 5000" in table.facts["why"]
    assert "age-band-" in run.report.read_text()


def test_without_a_champion_the_matured_panel_gives_the_table(panel, tmp_path):
    approved = age_band(tmp_path, lambda: panel, quick_params(tmp_path))
    assert approved.version == f"age-band-{approved.sha256[:8]}"
    assert approved.record["run_id"] is None
    assert age_band(tmp_path, lambda: panel, quick_params(tmp_path)).sha256 == approved.sha256
    assert not isinstance(load_model(approved.folder, approved.sha256), RecoveryModel)


def test_without_any_matured_label_the_prior_scores(panel, tmp_path):
    def nothing():
        raise InputMissing("no payments")

    assert age_band(tmp_path, nothing, quick_params(tmp_path)).version == "age-band-prior"
    blank = replace(panel, labels=panel.labels.assign(recovered=np.nan))
    assert age_band(tmp_path, lambda: blank, quick_params(tmp_path)).version == "age-band-prior"


def test_a_history_too_short_is_refused_before_anything_is_kept(place, tmp_path):
    short = made_panel(300, nights=tuple(range(0, 120, 30)))
    with pytest.raises(InputMissing, match="History is too short"):
        train(short, quick_params(place), COLUMNS, tmp_path / "store")
    assert not (tmp_path / "store").exists()


# The report again


def test_the_report_again_with_the_truth_adds_the_best_possible(first, store, place, panel, tmp_path):
    truth = pd.DataFrame(
        {
            "account_id": panel.cohort["account_id"],
            "as_of": pd.to_datetime(panel.cohort["as_of"].to_numpy(), unit="D").date,
            "expected_amount": panel.truth["expected"],
            "p_recovered": panel.truth["p_recovered"],
        }
    )
    for name in ("expected_amount", "p_recovered"):  # contact adds a tenth
        truth[f"{name}_if_contacted"], truth[f"{name}_if_left"] = 1.05 * truth[name], 0.95 * truth[name]
    (tmp_path / "truth").mkdir()
    truth.to_parquet(tmp_path / "truth" / "expectations.parquet", index=False)
    out = tmp_path / "again" / "report.html"
    text = evaluate_again(store, first.run_id, quick_params(place), truth=tmp_path / "truth", out=out)
    tenths = json.loads(out.with_suffix(".json").read_text())["tenths"]
    assert all(abs(row["true_p"] - row["mean_p"]) < 0.08 for row in tenths)
    assert "True chance" in out.read_text()
    assert "best possible (true expectation)" in text
    assert "best possible (true expectation)" in out.read_text()
    plain = evaluate_again(store, first.run_id, quick_params(place))
    assert plain.splitlines()[:3] == first.text().splitlines()[:3]
    assert (store / "runs" / first.run_id / "report.html").read_text() == first.report.read_text()
    with pytest.raises(InputMissing, match="No truth in"):
        evaluate_again(store, first.run_id, quick_params(place), truth=store)
    truth[truth["account_id"] != panel.cohort["account_id"].iloc[-1]].to_parquet(
        tmp_path / "truth" / "expectations.parquet", index=False
    )
    with pytest.raises(InputMissing, match="rows of the test nights have no truth"):
        evaluate_again(store, first.run_id, quick_params(place), truth=tmp_path / "truth")


def test_a_record_is_replaced_whole(tmp_path):
    held = dict.fromkeys(champion_room.REQUIRED, "x")
    write_record(tmp_path, held)
    write_record(tmp_path, held | {"why": "again"})
    assert read_record(tmp_path)["why"] == "again"
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == ["approvals.jsonl", "champion.json"]

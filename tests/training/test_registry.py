"""A run from training to approval and back: what is kept, what is refused with which numbers,
and what never leaves the store.

Also of refusals.py and registered.py.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from features.errors import ContractError, InputMissing, LockHeld, ModelRefused, RegistryAway
from models.calibration import Calibrator
from models.recovery import load_model
from pipeline.store.champion import champion, read_record
from pipeline.store.locks import only_run
from pipeline.training import registry
from pipeline.training.run_evidence import run_folder
from pipeline.training.train import train
from tests.worlds.panels import COLUMNS
from tests.worlds.params import DECISION, quick_params

pytestmark = pytest.mark.slow

HOUSE = Path(__file__).parents[2]


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
    assert version.source
    held = b"".join(
        path.read_bytes() for path in place.rglob("*") if path.is_file() and (place / "store") not in path.parents
    )
    assert panel.cohort["account_id"][0].encode() not in held
    assert panel.cohort["debtor_id"][0].encode() not in held
    assert not [path for path in place.rglob("*") if path.suffix in (".pkl", ".pickle")]


def test_the_registered_model_scores_a_feature_frame_as_the_night_does_to_the_bit(first, place, panel, monkeypatch):
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")  # the library writes the address there
    mlflow.set_tracking_uri(f"sqlite:///{place / 'mlflow.db'}")
    known = registry.recorded(quick_params(place), first.run_id)
    loaded = mlflow.pyfunc.load_model(f"models:/recoup/{known.registered}")
    released = load_model(place / "store" / "models" / first.version, known.sha256)
    expected = released.predict(panel.matrix[list(released.columns)], panel.cohort)
    frame = panel.matrix.assign(**panel.cohort[["currency", "portfolio"]], account_id="a")
    found = loaded.predict(frame[sorted(frame.columns)])
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    assert found["p_recovered"].nunique() > 100
    assert list(loaded.metadata.get_output_schema().input_names()) == list(expected.columns)
    with pytest.raises(mlflow.exceptions.MlflowException, match="currency"):
        loaded.predict(frame.drop(columns="currency"))


def test_a_registered_model_with_work_s_effect_says_theta_and_one_that_was_altered_is_refused(first, place, tmp_path):
    from pipeline.training.registered import Registered, _load_pyfunc, columns_of

    sha256 = registry.recorded(quick_params(place), first.run_id).sha256
    folder = shutil.copytree(place / "store" / "models" / first.version, tmp_path / "released")
    released = _load_pyfunc(str(folder), {"sha256": sha256}).model

    class Effect:
        def theta(self, numbers, chance):
            return chance / 2

    taught = replace(released, effect=Effect())
    asked, answered = columns_of(taught)
    frame = pd.DataFrame([{name: "EUR" if kind == "any" else 1.0 for name, kind in asked.items()}])
    found = Registered(taught).predict(frame)
    assert list(found.columns) == answered
    assert found["theta"][0] == found["p_recovered"][0] / 2
    with pytest.raises(ContractError, match=r"(?s)features.*balance"):
        Registered(taught).predict(frame.drop(columns="balance"))
    (folder / "card.json").write_text("{}")
    with pytest.raises(ModelRefused, match="has sha256"):
        _load_pyfunc(str(folder), {"sha256": sha256})


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
    monkeypatch.setattr("models.probability.choose_map", lambda *_: Calibrator("sigmoid", (), 0.0, (1.0,)))
    monkeypatch.setattr("models.probability.with_recent_levels", lambda calibrator, *_: calibrator)
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


def test_an_unknown_run_is_refused(store, place):
    for run_id in ("0" * 32, "no such run", "../evil"):
        with pytest.raises(InputMissing, match="is not a finished run of this registry"):
            registry.promote(store, run_id, quick_params(place), **DECISION)


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

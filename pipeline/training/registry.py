"""All of MLflow: runs recorded, versions registered, and the acts of promotion and rollback.

The embedded SQLite store and a server's address (MLFLOW_TRACKING_URI) are the same to it. Only the acts here need it:
scoring reads champion.json and the model folder (pipeline.store.champion).
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import logging
import math
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import numpy as np
import pandas as pd

from features.days import day_text
from features.errors import RegistryAway
from models.evaluate import MODEL, POOLED, Evaluation, evaluate, paired_money
from models.folder import read_folder
from models.recovery import AnyModel, RecoveryModel, load_model
from models.verdict import gates
from pipeline.params import Params
from pipeline.store.address import called
from pipeline.store.champion import MODELS, Approved, champion, model_folder, read_record, write_record
from pipeline.store.files import only_owner_reads, write_model, write_whole
from pipeline.store.locks import only_run
from pipeline.store.refusals import NotApproved
from pipeline.training import registered
from pipeline.training.refusals import NotPromoted, RunMissing, TrackingAway
from pipeline.training.report import approval
from pipeline.training.run_evidence import CARD, JUDGED_FOLDER, RUNS, RunEvidence, comparable, load_evidence, run_folder

NAME = "recoup"  # experiment and registered model
CHALLENGER, CHAMPION_ALIAS = "challenger", "champion"
TAG = "recoup."
CURVE = "curve.share_of_money_by_percent_worked"  # a line on the registry's page
REQUIREMENTS = ("recoup", "lightgbm", "numpy", "pandas", "scipy")
ADDRESSES = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "GIT_PYTHON_REFRESH": "quiet",
}


@dataclass(frozen=True)
class Recorded:
    """What the registry knows of a run."""

    run_id: str
    version: str
    sha256: str
    judged_sha256: str
    evidence_sha256: str
    registered: str
    store: str = ""  # where it was trained; of older runs not known


def tracking_uri(params: Params) -> str:
    """The environment's MLFLOW_TRACKING_URI, else the params'."""
    return os.environ.get("MLFLOW_TRACKING_URI") or params.paths.tracking_uri


def ready(params: Params) -> None:
    """Open (or create) the store before hours are spent on training. RegistryAway when it does not answer."""
    with _opened(params):
        pass


@contextlib.contextmanager
def run(params: Params) -> Iterator[str]:
    """A new run's id; the run is marked failed when what happens inside it fails."""
    with _opened(params) as (client, experiment):
        run_id = client.create_run(experiment, tags={"mlflow.source.name": "recoup train"}).info.run_id
    try:
        yield run_id
    except BaseException:
        with contextlib.suppress(RegistryAway), _opened(params) as (client, _):
            client.set_terminated(run_id, "FAILED")
        raise


def record(
    params: Params,
    run_id: str,
    model: AnyModel,
    evaluation: Evaluation,
    sums: Mapping[str, str],
    files: Mapping[str, str],
) -> Recorded:
    """Fill and end the run: params, metrics, report, card, the released model,
    and a registered version with the alias `challenger`.

    sums: sha256, judged_sha256 and evidence_sha256 of what lies beside the store, and that store; files: name -> text.
    """
    tags = {"model_version": model.version, **sums}
    with _opened(params) as (client, _):
        import mlflow
        from mlflow.entities import Metric, Param, RunTag

        metrics = [
            Metric(key, float(value), 0, 0) for key, value in _figures(evaluation).items() if math.isfinite(value)
        ]
        metrics += [Metric(CURVE, share, 0, percent) for percent, share in _curve(evaluation).items()]
        texts = [Param(key, str(value)[:6000]) for key, value in _plain_params(params, evaluation).items()]
        for at in range(0, max(len(metrics), len(texts)), 100):
            client.log_batch(run_id, metrics[at : at + 100], texts[at : at + 100])
        client.log_batch(run_id, tags=[RunTag(TAG + key, value) for key, value in tags.items()])
        for name, text in files.items():
            client.log_text(run_id, text, name)
        source = None
        with mlflow.start_run(run_id=run_id):
            if isinstance(model, RecoveryModel):
                source = _log_released(model, sums["sha256"]).model_uri
        with contextlib.suppress(mlflow.exceptions.MlflowException):  # it exists from the second run on
            client.create_registered_model(NAME)
        if source:
            found = mlflow.register_model(source, NAME)
        else:  # the age-band table is no such model: its card is registered as it is
            found = client.create_model_version(NAME, client.get_run(run_id).info.artifact_uri, run_id)
        client.set_registered_model_alias(NAME, CHALLENGER, found.version)
        client.set_tag(run_id, TAG + "registered", str(found.version))
    return Recorded(
        run_id,
        tags["model_version"],
        tags["sha256"],
        tags["judged_sha256"],
        tags["evidence_sha256"],
        str(found.version),
    )


def recorded(params: Params, run_id: str) -> Recorded:
    """What was recorded of a run; InputMissing for a run the registry does not hold or that did not end."""
    with _opened(params) as (client, _):
        from mlflow.exceptions import MlflowException

        try:
            tags = client.get_run(run_id).data.tags
        except MlflowException as error:
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise
            tags = {}
    names = ("model_version", "sha256", "judged_sha256", "evidence_sha256", "registered")
    if not all(TAG + name in tags for name in names):
        raise RunMissing.unfinished(run_id)
    known = Recorded(run_id, *(tags[TAG + name] for name in names))
    return replace(known, store=tags.get(TAG + "store", ""))


def promote(store_path: Path, run_id: str, params: Params, *, who: str, why: str, when: str) -> str:
    """Challenger -> champion, if the gates allow and it is not worse than the champion on the same rows.
    Returns what was done.

    Raises ModelRefused with the numbers otherwise. The first champion needs only the absolute gates.
    """
    known = recorded(params, run_id)
    if known.store and known.store != called(store_path) and not (store_path / RUNS / run_id).is_dir():
        raise RunMissing.elsewhere(run_id, known.store, store_path)
    read_folder(model_folder(store_path, known.version), known.sha256)
    with only_run(store_path / MODELS):
        return _promoted(store_path, known, params, {"approved_by": who, "approved_at": when, "why": why})


def _promoted(store_path: Path, known: Recorded, params: Params, decision: Mapping[str, str]) -> str:
    standing, damage = _standing(store_path)
    if standing is not None and standing.version == known.version:
        return f"{known.version} is the champion already."
    evidence = load_evidence(run_folder(store_path, known.run_id), known.evidence_sha256)
    _pass_gates(evidence, params, known.version)
    compared = None
    if standing is not None:
        compared = _not_worse(evidence, standing, store_path, params, known.version)
    previous = dict(standing.record) if standing is not None else None
    held = {
        "run_id": known.run_id,
        "model_version": known.version,
        "sha256": known.sha256,
        "judged_sha256": known.judged_sha256,
    }
    write_record(
        store_path, {**held, **decision, "registered": known.registered, "compared": compared, "previous": previous}
    )
    _set_champion(params, known.registered, {**decision, "decision": "promoted"}, known.run_id)
    _sign_card(store_path, known.run_id, params, approval(decision, compared))
    gain = (
        ""
        if compared is None
        else (
            f" Its money at {params.gate.capacity:.0%} capacity against the former champion's: {compared['gain']:+.1%}."
        )
    )
    if damage is not None:
        gain = f" Not compared with the champion before it: {damage}"
    return f"{known.version} is the champion, approved by {decision['approved_by']}.{gain}"


def _standing(store_path: Path) -> tuple[Approved | None, NotApproved | None]:
    """The champion, or why what stands there is none that somebody approved: then a new approval mends it."""
    try:
        return champion(store_path), None
    except NotApproved as damage:
        return None, damage


def standing_version(store_path: Path) -> str | None:
    """Name of the champion; None without one, or where what stands there is none that somebody approved."""
    standing, _ = _standing(store_path)
    return None if standing is None else standing.version


def taken_back(store_path: Path) -> dict[str, dict[str, str]]:
    """Model -> who took it back, when and why, of the champion and those before it; empty where none stands."""
    try:
        record = read_record(store_path)
    except NotApproved:
        return {}
    found: dict[str, dict[str, str]] = {}
    while record:
        if act := record.get("rolled_back"):
            found.setdefault(str(act["from"]), act)
        record = record["previous"]
    return found


def rollback(store_path: Path, params: Params, *, who: str, why: str, when: str) -> str:
    """Put the previous champion back, once its folder is still the approved one. ModelRefused when there is none."""
    (store_path / MODELS).mkdir(parents=True, exist_ok=True)
    with only_run(store_path / MODELS):
        return _rolled_back(store_path, params, who, why, when)


def _rolled_back(store_path: Path, params: Params, who: str, why: str, when: str) -> str:
    record = read_record(store_path)
    if record is None or not record["previous"]:
        raise NotPromoted.nothing_before()
    previous = record["previous"]
    read_folder(model_folder(store_path, previous["model_version"]), previous["sha256"])
    act = {"by": who, "at": when, "why": why, "from": record["model_version"]}
    write_record(store_path, {**previous, "rolled_back": act})
    tags = {"approved_by": who, "approved_at": when, "why": why, "decision": "rolled back to"}
    _set_champion(params, previous.get("registered"), tags, previous["run_id"])
    return f"{previous['model_version']} is the champion again, by {who}."


def standing_champion(store_path: Path) -> AnyModel | None:
    """The champion as it was judged (before its refit on everything), to be compared with; None without one.

    A champion whose judged folder is gone is compared as it scores.
    """
    standing = champion(store_path)
    if standing is None:
        return None
    judged = store_path / RUNS / str(standing.record["run_id"]) / JUDGED_FOLDER
    if judged.is_dir() and standing.record.get("judged_sha256"):
        return load_model(judged, standing.record["judged_sha256"])
    return load_model(standing.folder, standing.sha256)


def _pass_gates(evidence: RunEvidence, params: Params, version: str) -> None:
    judged = evaluate(evidence.judged(), {}, (params.gate.capacity,), params.evaluate.bootstrap_draws, params.seed)
    failed = [gate for gate in gates(judged, params.gate) if not gate["passed"]]
    if failed:
        told = [f"{gate['gate']} is {_figure(gate)}, allowed {gate['from']:g} to {gate['to']:g}" for gate in failed]
        raise NotPromoted.beyond_gates(version, told)


def _not_worse(
    evidence: RunEvidence, standing: Approved, store_path: Path, params: Params, version: str
) -> dict[str, Any]:
    """The paired comparison on the challenger's test rows, of nights after the champion's own fit window;
    ModelRefused when it loses.
    """
    model = standing_champion(store_path)
    # pyrefly: ignore[bad-argument-type]
    fair = comparable(model, evidence.cohort)
    if not fair.any():
        # pyrefly: ignore[missing-attribute]
        through = day_text(int(model.facts["fit_last"]))
        raise NotPromoted.champion_taught_on_all(version, standing.version, through)
    # pyrefly: ignore[missing-attribute]
    lacking = sorted(set(model.columns) - set(evidence.matrix.columns))
    if lacking:
        raise NotPromoted.champion_needs(version, standing.version, lacking)
    cohort, rankings = evidence.cohort[fair].reset_index(drop=True), evidence.rankings[fair].reset_index(drop=True)
    unit = rankings["unit"].to_numpy()
    theirs = (
        # pyrefly: ignore[missing-attribute]
        model.predict(evidence.matrix.loc[fair, list(model.columns)].reset_index(drop=True), cohort)[
            "expected_recovery"
        ].to_numpy()
        * unit
    )
    ours = rankings["expected_recovery"].to_numpy() * unit
    draws, capacity = params.evaluate.bootstrap_draws, params.gate.capacity
    found = paired_money(cohort, ours, theirs, rankings["money"].to_numpy(), capacity, draws, params.seed)
    allowed = -params.gate.max_money_loss
    if not found["gain"] >= allowed or found["gain_high"] < 0:
        raise NotPromoted.champion_reaches_more(version, standing.version, len(cohort), capacity, found, allowed)
    return {key: float(value) if np.isfinite(value) else None for key, value in found.items()} | {
        "champion": standing.version
    }


def _figure(gate: Mapping[str, Any]) -> str:
    if not math.isfinite(gate["value"]):
        return "not measurable (too few outcomes)"
    return f"{gate['value']:.2f} [{gate['low']:.2f}, {gate['high']:.2f}]"


def _set_champion(params: Params, registered: str | None, decision: Mapping[str, str], run_id: str) -> None:
    if registered is None:
        return
    with _opened(params) as (client, _):
        client.set_registered_model_alias(NAME, CHAMPION_ALIAS, registered)
        for key, value in decision.items():
            client.set_model_version_tag(NAME, registered, TAG + key, value)
            client.set_tag(run_id, TAG + key, value)


def _sign_card(store_path: Path, run_id: str, params: Params, signature: str) -> None:
    """Put the approval under the run's model card, beside the store and in the registry."""
    place = run_folder(store_path, run_id) / CARD
    if not place.is_file():
        return
    text = place.read_text(encoding="utf-8").split("\n## Approval\n")[0].rstrip("\n") + "\n" + signature
    with only_owner_reads():
        write_whole(place, text)
    with _opened(params) as (client, _):
        client.log_text(run_id, text, CARD)


def _figures(evaluation: Evaluation) -> dict[str, float]:
    """The metrics of a run: pooled quality, money at each capacity of each order, whether the gates were passed."""
    table = evaluation.quality
    found = {}
    for head in ("recovered", "defaulted"):
        rows = (
            table[(table["scope"] == POOLED) & (table["head"] == head) & (table["ranking"] == MODEL)]
            if len(table)
            else table
        )
        found.update({f"{head}.{row.metric}": row.value for row in rows.itertuples()})
    for row in evaluation.money[evaluation.money["scope"] == POOLED].itertuples():
        name = "".join(letter if letter.isalnum() else "_" for letter in row.ranking)
        found[f"share_of_money.{name}.at_{row.capacity:g}"] = row.share
    found["gates_passed"] = float(all(gate["passed"] for gate in evaluation.gates))
    return found


def _curve(evaluation: Evaluation) -> dict[int, float]:
    """Percent of the accounts worked -> the share of the money the model's order reaches."""
    points = evaluation.frames["curve"]
    own = points[points["ranking"] == MODEL]
    return {round(capacity * 100): float(share) for capacity, share in zip(own["capacity"], own["share"], strict=True)}


def _plain_params(params: Params, evaluation: Evaluation) -> dict[str, Any]:
    sections = {name: getattr(params, name).model_dump() for name in ("label", "split", "model", "gate")}
    plain = {f"{name}.{key}": value for name, section in sections.items() for key, value in section.items()}
    plain |= {f"model.{key}": value for key, value in evaluation.facts["settings"].items()}  # as taught, tuned or not
    versions = {f"data.{table}": version for table, version in evaluation.facts["data_versions"].items()}
    dates = evaluation.facts["windows"]["recovery"]
    return {**plain, **{f"window.{key}": value for key, value in dates.items()}, **versions, "seed": params.seed}


def _log_released(model: RecoveryModel, sha256: str) -> Any:
    """The released model, whole (pipeline.training.registered), with a signature and a made-up input: the medians of
    the fit window, no account's row.
    """
    import importlib.metadata

    from mlflow.models import ModelSignature
    from mlflow.pyfunc import log_model
    from mlflow.types import ColSpec, Schema
    from mlflow.types.schema import AnyType

    asked, answered = registered.columns_of(model)
    kinds: list[Any] = [ColSpec(AnyType() if kind == "any" else kind, name) for name, kind in asked.items()]
    signature = ModelSignature(Schema(kinds), Schema([ColSpec("double", name) for name in answered]))
    wanted = [f"{name}=={importlib.metadata.version(name)}" for name in REQUIREMENTS]
    medians = pd.DataFrame([{name: model.encoder.medians.get(name) for name in asked}])
    with tempfile.TemporaryDirectory(prefix="recoup-released-") as folder:
        write_model(Path(folder) / "released", model.files())
        return log_model(
            name="model",
            loader_module=registered.__name__,
            data_path=str(Path(folder) / "released"),
            model_config={"sha256": sha256},
            signature=signature,
            input_example=medians,
            pip_requirements=wanted,
        )


@contextlib.contextmanager
def _opened(params: Params) -> Iterator[tuple[Any, str]]:
    """(client, experiment id), quiet on stdout, one writer at a time on SQLite.
    RegistryAway when the store does not answer.
    """
    for key, value in QUIET.items():
        os.environ.setdefault(key, value)
    uri, asked = tracking_uri(params), {name: os.environ.get(name) for name in ADDRESSES}
    silence = io.StringIO()  # the library's own notices are no result of ours
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(silence),
        contextlib.redirect_stderr(silence),
        _alone(uri),
    ):
        warnings.simplefilter("ignore")
        import_module("sklearn")  # once mlflow is there its hook loads it in a way that Python gives up
        import mlflow
        import sqlalchemy

        for chatter in ("mlflow", "alembic", "git"):
            logging.getLogger(chatter).setLevel(logging.CRITICAL)
        try:
            mlflow.autolog(disable=True)
            mlflow.set_tracking_uri(uri)
            mlflow.set_registry_uri(uri)
            client = mlflow.MlflowClient(uri, uri)
            yield client, _experiment(client, uri)
        # pyrefly: ignore[implicit-import]
        except (mlflow.exceptions.MlflowException, sqlalchemy.exc.SQLAlchemyError, ConnectionError) as error:
            raise TrackingAway.silent(_without_secret(uri), error) from None
        # the library writes the address into the environment, where the next params would find it as the user's own
        finally:
            for name, value in asked.items():
                os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)


def _experiment(client: Any, uri: str) -> str:
    found = client.get_experiment_by_name(NAME)
    if found is not None:
        return found.experiment_id
    place = sqlite_file(uri)
    return client.create_experiment(
        NAME, artifact_location=(place.parent / "mlartifacts").resolve().as_uri() if place else None
    )


@contextlib.contextmanager
def _alone(uri: str) -> Iterator[None]:
    """On SQLite, writers wait for each other: parallel first writers would each create the tables,
    and all but one fail.
    """
    place = sqlite_file(uri)
    if place is None:
        yield
        return
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(f"{place}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise TrackingAway.cannot_be_written(place, error) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def sqlite_file(uri: str) -> Path | None:
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None


def _without_secret(uri: str) -> str:
    parts = urlsplit(uri)
    return uri if not parts.netloc else urlunsplit((parts.scheme, parts.netloc.rsplit("@", 1)[-1], parts.path, "", ""))

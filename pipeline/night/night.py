"""One night: ingest, score, rank, publish, monitor. It appears whole or not at all, and says of itself what it was made from."""

from __future__ import annotations

import datetime as dt
import hashlib
import importlib.metadata
import logging
import platform
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.currencies import DECIMALS
from features.errors import CannotWrite, InputMissing, RecoupError
from models.recovery import load_model
from pipeline.intake.ingest import ingest
from pipeline.law.rule_file import load_rules
from pipeline.night.score import Job, check_feeds, job_for
from pipeline.night.shards import RULES, Worked, clear_stages, code_sha256, opened_rows, stage_of, work_shards
from pipeline.night.whatif import draw, table_of, text_of, with_truth
from pipeline.night.worklist import assignments, night_of, rank_night
from pipeline.outcomes.monitor import monitor
from pipeline.pages.publication import Night
from pipeline.pages.publish import mark_expired, publish
from pipeline.pages.rule_words import in_words, sentence
from pipeline.panel.dataset import date_of
from pipeline.params import Params
from pipeline.store.files import check_folder
from pipeline.store.locks import only_run
from pipeline.store.store import Store

log = logging.getLogger("recoup")
SHOWN_ROWS, SHOWN_RULES = 10, 3
LIBRARIES = ("lightgbm", "numpy", "numba", "pandas", "pyarrow", "deltalake", "duckdb", "scikit-learn", "shap")


@dataclass
class Stages:
    """Seconds and peak memory (MiB, of this process within the stage, or of its largest worker so far); goes into the manifest's `run`."""

    done: list[dict[str, Any]] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[], list[dict[str, Any]]]]:
        """Times what happens inside; hands out a look at all stages so far, this one included."""
        began = time.perf_counter()
        with suppress(OSError):  # Linux forgets the earlier peak; elsewhere it is the peak so far
            Path("/proc/self/clear_refs").write_text("5")

        def so_far() -> list[dict[str, Any]]:
            peak = max(_peak_kib(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024
            return [*self.done, {"stage": name, "seconds": round(time.perf_counter() - began, 3), "peak_mib": round(peak, 1)}]

        yield so_far
        self.done = so_far()
        log.info("%s: %.1f s", name, self.done[-1]["seconds"])


@dataclass(frozen=True)
class Published:
    """A published night, and its first rows for the terminal."""

    folder: Path
    night: Night

    def text(self) -> str:
        listed, counts = self.night.worklist, self.night.counts
        groups = ", ".join(f"{counts[name]:,} {name.replace('_', ' ')}" for name in counts if name != "scorable")
        lines = [f"{counts['scorable']:,} scorable accounts as of {self.night.as_of}: {groups}"]
        lines += [f"Warning: {warning}" for warning in self.night.manifest["warnings"]]
        shown = [_first_rows(listed, self.night.reporting_currency)] if len(listed) else ["The list is empty.", *_why_empty(self.night)]
        return "\n".join([*lines, *shown, f"List: {self.folder / 'worklist.html'}"])


def run(source: Path, store_path: Path, as_of: dt.date, out: Path, params: Params, *, accept_volume: str | None = None) -> Published:
    """The whole night. After a failure the last list stays as it was, and a notice beside it says that it has expired."""
    stages = Stages()
    check_folder(out)
    try:
        with stages.stage("ingest"):
            report = ingest(source, store_path, params, accept_volume=accept_volume)
        log.info(report.text())
        published = publish_night(store_path, as_of, out, params, stages=stages)
    except (RecoupError, OSError) as error:
        if out.exists():
            with suppress(CannotWrite):  # the night's own failure is what must be told
                mark_expired(out, as_of, str(error), params.worklist.language)
        raise
    log.info(monitor(store_path, as_of, params).text())
    return published


def publish_night(store_path: Path, as_of: dt.date, out: Path, params: Params, *, stages: Stages | None = None) -> Published:
    """Score, judge, rank and publish from the store as it is. Raises InputMissing when a feed is late or nobody is known yet."""
    stages = stages or Stages()
    check_folder(out)
    out.mkdir(parents=True, exist_ok=True)
    with only_run(out):
        store = Store(store_path)
        warnings = check_feeds(store, as_of, params)
        job = job_for(store, as_of, params)
        warnings += [*unapproved(job), *hindsight(job)]
        stage = stage_of(job, out)
        clear_stages(out, keep=stage)
        with stages.stage("score and judge"):
            worked = work_shards(job, stage)
        if not sum(one.counts["accounts"].sum() for one in worked):
            raise InputMissing(f"No account is known before {as_of}. Choose a later --as-of, or load the history with `ingest --backfill`.")
        with stages.stage("rank"):
            ranked = rank_night(store, job, worked)
        with stages.stage("explain"):
            said, details = opened_rows(job, ranked.listed, params.worklist.language)
        with stages.stage("publish") as so_far:
            language = params.worklist.language
            night = in_words(night_of(store, job, worked, ranked, said, details), load_rules(RULES), language)
            told = [sentence(warning, language) for warning in (*warnings, *untaught(worked), *ranked.warnings)]
            about = manifest_of(store, job, worked, told)
            # Stored before anybody can see the list: a control group that nobody remembers would be drawn anew.
            store.replace_where("scores", _stored_scores(night.scores, job), job.as_of)
            store.replace_where("assignments", assignments(ranked, job), job.as_of)
            night = replace(night, manifest=about, dialler=params.worklist.dialler_columns)
            folder = publish(night, out, lambda: _run_block(so_far(), worked))
        shutil.rmtree(stage)
    return Published(folder, night)


def hindsight(job: Job) -> list[str]:
    """A warning where the model was taught on outcomes that were not known on the night: its scores of such a night are no forecast."""
    facts = load_model(job.model.folder, job.model.sha256).facts
    known_on = facts.get("fit_last", -1) + facts.get("gap_days", 0)
    if known_on <= job.as_of:
        return []
    return [f"Model {job.model.version} was taught on outcomes known by {date_of(known_on)}: its scores of this night are hindsight."]


def unapproved(job: Job) -> list[str]:
    """A warning where no champion was promoted, so that the age-band table ranked the night."""
    if job.model.record["run_id"] is not None:
        return []
    return ["No approved model: ranked by a table of recovery rates by days past due."]


def untaught(worked: Sequence[Worked]) -> list[str]:
    """A warning where accounts are of classes that the model was never taught, so that it knows nothing of them there."""
    counts = pd.concat([one.unseen for one in worked]).groupby("column")["accounts"].sum()
    if counts.empty:
        return []
    return [f"Classes the model was never taught, read as missing: {', '.join(f'{name} ({count})' for name, count in counts.items())}."]


def what_if(
    store_path: Path,
    as_of: dt.date,
    capacities: Sequence[int],
    params: Params,
    picture: Path | None = None,
    truth: Path | None = None,
) -> str:
    """The night ranked, nothing published: money, contacts and burden at each capacity (debtors per queue), and the curve as a picture.

    truth: of a made-up portfolio; adds what the debtors taken really bring, and the best possible order.
    """
    store = Store(store_path)
    check_feeds(store, as_of, params)
    job = job_for(store, as_of, params)
    with tempfile.TemporaryDirectory(prefix="recoup-") as folder:
        ranked = rank_night(store, job, work_shards(job, Path(folder)))
    reporting = params.money.reporting_currency
    rows = ranked.rows if truth is None else with_truth(ranked.rows, job.as_of, truth)
    table = table_of(rows, capacities, reporting)
    if picture is not None:
        draw(table, reporting, picture)
    return text_of(table, reporting)


def manifest_of(store: Store, job: Job, worked: list[Worked], warnings: list[str]) -> dict[str, Any]:
    """What the night was made from; equal for equal inputs, whether they were taken in just now or before."""
    params = job.params
    counts = pd.concat([one.counts for one in worked]).groupby("reason", observed=True)["accounts"].sum()
    delivered = store.deliveries()[-1]
    return {
        "inputs": delivered["files"],
        "delivery": delivered["ingest_id"],
        "tables": [_with_date(table) for table in delivered["tables"]],
        "store_versions": dict(sorted(job.versions.items())),
        "params_sha256": params.digest(),
        "rules_sha256": hashlib.sha256(RULES.read_bytes()).hexdigest(),
        "model_sha256": job.model.sha256,
        "code": {"version": importlib.metadata.version("recoup"), "sha256": code_sha256()},
        "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
        "python": platform.python_version(),
        "rates": dict(params.money.rates),
        "rates_date": params.money.rates_date,
        "commission": {name: params.portfolio(name).share for name in store.portfolios(job.versions)},
        "accounts_known": {str(reason): int(number) for reason, number in counts.items()},
        "accepted_volume": delivered["accepted_volume"],
        "label": params.label.model_dump(),
        "warnings": warnings,
    }


def _with_date(table: Mapping[str, Any]) -> dict[str, Any]:
    """A table's record as the store keeps it, its last day as a date like every other of the manifest."""
    day = table["complete_through"]
    return {**table, "complete_through": None if day is None else date_of(day).isoformat()}


def _peak_kib() -> int:
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))


def _run_block(stages: list[dict[str, Any]], worked: list[Worked]) -> dict[str, Any]:
    return {"stages": stages, "shards": len(worked), "shards_reused": sum(one.reused for one in worked)}


def _stored_scores(scores: pd.DataFrame, job: Job) -> pd.DataFrame:
    return scores.assign(as_of=np.int32(job.as_of))


def _why_empty(night: Night) -> list[str]:
    """The rules that keep most accounts off an empty list, a line for each group that has any."""
    told = []
    for group, frame in (("Excluded", night.excluded), ("Deferred", night.deferred)):
        found = frame["rule"].astype(object).value_counts().rename_axis("rule").reset_index(name="accounts")
        most = found.sort_values(["accounts", "rule"], ascending=[False, True]).head(SHOWN_RULES)
        if len(most):
            told.append(f"{group} most often by: " + ", ".join(f"{row.rule} ({row.accounts:,})" for row in most.itertuples()))
    return told


def _first_rows(listed: pd.DataFrame, reporting: str) -> str:
    """The first rows of the list over all queues, as a person reads them."""
    first = listed.sort_values(["net_value", "account_id"], ascending=[False, True]).head(SHOWN_ROWS)
    money = 10 ** DECIMALS[reporting]
    shown = pd.DataFrame(
        {
            "queue": first["queue"],
            "rank": first["rank"],
            "account": first["account_id"],
            "balance": [_money(row.balance, row.currency) for row in first.itertuples()],
            "p": first["p_recovered"].map("{:.0%}".format),
            f"net value, {reporting}": (first["net_value"] / money).map("{:,.2f}".format),
            "by": first["channel"],
            "between": first["contact_from"] + "-" + first["contact_until"],
            "first reason": first["reason_1"].fillna(""),
        }
    )
    return shown.to_string(index=False)


def _money(minor: int, currency: str) -> str:
    return f"{minor / 10 ** DECIMALS[currency]:,.{DECIMALS[currency]}f} {currency}"

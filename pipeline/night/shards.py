"""A night shard by shard: score and judge every account; then, for the listed ones only, say why and show what happened."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from features.catalogue import CATALOGUE
from features.cohort import scorable
from features.errors import ModelRefused, some
from features.settlements import net_known
from features.tables import NO_DAY
from features.versions import arranged
from models.explain import reasons
from models.recovery import load_model
from models.response import COUNT_COLUMNS, answer_counts, worked_rows
from pipeline.law.eligibility import verdicts
from pipeline.law.limits import limits_of
from pipeline.law.rule_file import load_rules
from pipeline.night.details import details_of
from pipeline.night.score import Job, asked, score_shard
from pipeline.pages.publication import Details
from pipeline.panel.dataset import View, quiet_through, terms_of, view
from pipeline.panel.engines import map_shards
from pipeline.params import Params
from pipeline.store.files import whole_folder
from pipeline.store.store import Store

ROOMS = ("features", "models", "pipeline")
REFERENCE_NIGHTS, REFERENCE_EVERY = 6, 30  # matured nights, and days between them, on which the days to pay are measured
SHOWN_REASONS = ("reason_1", "reason_2", "reason_3")
FROM_COHORT = (
    "account_no", "account_id", "debtor_id", "portfolio", "product", "currency", "debtor_type", "jurisdiction", "time_zone", "placed_on",
    "balance", "arrears", "days_past_due",
)  # fmt: skip
# Facts a row shows, read from the features so that list and model never disagree.
FACTS = {
    "last_right_party": "contacts_days_since_last_right_party",
    "last_payment": "payments_days_since_last",
    "broken_promises": "promises_broken_365d",
}


@dataclass(frozen=True)
class Worked:
    """What one shard gives to a night.

    rows      one per scorable account: FROM_COHORT, scores, facts, the account's verdict
    channels  one per account and channel: pipeline.law.eligibility.Verdicts.channels
    counts    all known accounts by reason
    waits     portfolio, money, money_days: money recovered after the last matured nights, and the same times the days it took
    answers   models.response.answer_counts of all known accounts
    unseen    column, accounts: scorable accounts of a class that the model was never taught; it reads them as missing
    reused    whether an earlier, cut-off run had made it
    """

    rows: pd.DataFrame
    channels: pd.DataFrame
    counts: pd.DataFrame
    waits: pd.DataFrame
    answers: pd.DataFrame
    unseen: pd.DataFrame
    reused: bool = False


PARTS = ("rows", "channels", "counts", "waits", "answers", "unseen")


def stage_of(job: Job, out: Path) -> Path:
    """Where finished shards of this very night wait: named after all that decides their content."""
    told = [sorted(job.versions.items()), job.as_of, job.params.digest(), job.model.sha256, code_sha256()]
    return out / f".shards-{hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]}"


def code_sha256() -> str:
    """Of the three packages as they run here, rules and templates included: the same inputs and this give the same bytes."""
    house = Path(__file__).parents[2]
    files = sorted(path for room in ROOMS for path in (house / room).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    told = {path.relative_to(house).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def clear_stages(out: Path, keep: Path | None = None) -> None:
    """Remove what cut-off runs of other nights left."""
    for folder in sorted(out.glob(".shards-*")):
        if folder != keep:
            shutil.rmtree(folder)


def work_shards(job: Job, stage: Path) -> list[Worked]:
    """Every shard scored and judged, in shard order; shards a cut-off run had finished are read, not made again."""
    stage.mkdir(parents=True, exist_ok=True, mode=0o700)
    shards = range(Store(job.store_path).shards)
    return list(map_shards(partial(_work_shard, job, stage), shards, job.params.engine))


def _work_shard(job: Job, stage: Path, shard: int) -> Worked:
    place = stage / f"{shard:05d}"
    if place.exists():
        return _read(place, reused=True)
    seen, scores = score_shard(job, shard)
    store = Store(job.store_path)
    found = verdicts(
        seen.cohort.frame, seen.tables, load_rules(), job.params, job.as_of, complete_on(store, job.versions, job.as_of, job.params)
    )
    rows = _rows(job, seen, scores, found.accounts)
    worked = Worked(rows, found.channels, seen.cohort.counts, _waits(job, seen, store), _answers(job, seen), _unseen(job, seen))
    with whole_folder(place) as draft:
        for name in PARTS:
            getattr(worked, name).to_parquet(draft / f"{name}.parquet", index=False)
    return _read(place)


def _read(place: Path, reused: bool = False) -> Worked:
    return Worked(*(pd.read_parquet(place / f"{name}.parquet") for name in PARTS), reused=reused)


def complete_on(store: Store, versions: Mapping[str, int], night: int, params: Params) -> dict[str, int]:
    """Table -> last complete day; one that nobody vouched for and that was quiet for a few days is complete through the day before."""
    days = {name: max(found.values()) for name, found in quiet_through(store, versions, params).items()}
    return {name: min(day, max(night - 1, store.complete_through(versions)[name])) for name, day in days.items()}


def _rows(job: Job, seen: View, scores: pd.DataFrame, judged: pd.DataFrame) -> pd.DataFrame:
    rows = seen.cohort.frame[list(FROM_COHORT)].reset_index(drop=True)
    facts = {name: seen.matrix[source].to_numpy() for name, source in FACTS.items()}
    for name in ("last_right_party", "last_payment"):
        days = facts[name]
        facts[name] = np.where(np.isnan(days), NO_DAY, job.as_of - np.nan_to_num(days)).astype(np.int32)
    facts["broken_promises"] = np.nan_to_num(facts["broken_promises"]).astype(np.int32)
    facts["last_worked"] = _last_worked(job, seen)
    parts = [rows, scores.reset_index(drop=True), pd.DataFrame(facts), judged.drop(columns="account_no").reset_index(drop=True)]
    whole = pd.concat(parts, axis=1)
    classes = [name for name in whole if isinstance(whole[name].dtype, pd.CategoricalDtype)]
    return whole.astype(dict.fromkeys(classes, "str"))  # shards name different classes; text adds up


def _unseen(job: Job, seen: View) -> pd.DataFrame:
    model = load_model(job.model.folder, job.model.sha256)
    found = model.encoder.unseen(asked(model, seen.matrix)) if model.columns else {}  # the age-band table is taught no columns
    return pd.DataFrame({"column": pd.Series(list(found), dtype="str"), "accounts": pd.Series(list(found.values()), dtype="int64")})


def _answers(job: Job, seen: View) -> pd.DataFrame:
    """How our attempts were answered; of no attempt where no contacts are delivered."""
    known = seen.tables["accounts"]
    known = known[known["known_on"].to_numpy() < job.as_of].drop_duplicates("account_no", keep="last")
    if "contacts" not in seen.tables:
        return pd.DataFrame(columns=COUNT_COLUMNS).astype({"account_no": "int64", "attempts": "int64", "answers": "int64"})
    return answer_counts(arranged(seen.tables["contacts"], "contacts"), known[["account_no", "portfolio", "time_zone"]], job.as_of)


def _last_worked(job: Job, seen: View) -> np.ndarray:
    """Day of our newest contact of each scorable account, known before the night; NO_DAY without one."""
    numbers = seen.cohort.frame["account_no"].to_numpy()
    latest = np.full(numbers.size, NO_DAY, np.int64)
    if "contacts" in seen.tables:
        contacts = seen.tables["contacts"]
        ours = worked_rows(contacts) & (contacts["known_on"].to_numpy() < job.as_of)
        owner = contacts["account_no"].to_numpy()[ours]
        place = np.searchsorted(numbers, owner).clip(max=max(numbers.size - 1, 0))  # the cohort is sorted by account_no
        known = numbers[place] == owner if numbers.size else np.zeros(owner.size, bool)
        np.maximum.at(latest, place[known], contacts["occurred_on"].to_numpy()[ours][known])
    return latest.astype(np.int32)


def _waits(job: Job, seen: View, store: Store) -> pd.DataFrame:
    """Money that scorable accounts paid within the horizon after the last matured nights, a month apart, and how long it took."""
    label, paid = job.params.label, seen.ledger.settlements
    nights = [job.as_of - label.gap_days - REFERENCE_EVERY * step for step in range(REFERENCE_NIGHTS)]
    cohort = scorable(seen.tables, seen.ledger, nights, terms_of(store, job.params, job.versions)).frame
    parts = []
    for night in nights:
        rows = cohort[cohort["as_of"] == night]
        inside = (paid.occurred_on >= night) & (paid.occurred_on < night + label.horizon_days) & ~paid.is_credit
        events = np.flatnonzero(inside & (paid.known_on < night + label.gap_days))
        net = net_known(paid, night + label.gap_days)[events]
        portfolio = rows.set_index("account_no")["portfolio"].astype("str").reindex(paid.accounts[paid.position[events]]).to_numpy()
        parts.append(pd.DataFrame({"portfolio": portfolio, "money": net, "money_days": net * (paid.occurred_on[events] - night)}))
    found = pd.concat(parts, ignore_index=True).dropna(subset=["portfolio"])
    return found.groupby("portfolio", as_index=False, sort=True)[["money", "money_days"]].sum()


def opened_rows(job: Job, listed: pd.DataFrame, language: str) -> tuple[pd.DataFrame, Details]:
    """Reasons and details of the listed accounts. listed: account_no, account_id, debtor_id, p_recovered, channel, shard.

    Features of the listed debtors are made again from the same pinned versions; a probability that then differs by a bit is refused.
    """
    by_shard = [(shard, part) for shard, part in listed.groupby("shard", sort=True)]
    parts = list(map_shards(partial(_open_shard, job, language), by_shard, job.params.engine))
    said = pd.concat([part[0] for part in parts], ignore_index=True) if parts else pd.DataFrame(columns=["account_no", *SHOWN_REASONS])
    frames: dict[str, list[pd.DataFrame]] = {}
    for _, details in parts:
        for name, frame in details.items():
            frames.setdefault(name, []).append(frame)
    return said, Details(**{name: pd.concat(found, ignore_index=True) for name, found in frames.items()})


def _open_shard(job: Job, language: str, item: tuple[int, pd.DataFrame]) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    shard, listed = item
    store = Store(job.store_path)
    whole = view(store, shard, [job.as_of], job.params, job.versions, debtors=listed["debtor_id"])
    seen = _of_debtors(whole, listed["account_no"])
    complete = complete_on(store, job.versions, job.as_of, job.params)
    model = load_model(job.model.folder, job.model.sha256)
    cohort = seen.cohort.frame
    matrix = asked(model, seen.matrix)
    again = model.predict(matrix, cohort)["p_recovered"].to_numpy()
    once = listed.set_index("account_no")["p_recovered"].reindex(cohort["account_no"]).to_numpy()
    differ = again != once
    if differ.any():
        raise ModelRefused(
            f"{int(differ.sum())} listed accounts score differently when scored again ({some(list(cohort['account_id'][differ]))}). "
            "Nothing is published. Report it with the manifest of the last good night."
        )
    planned = dict(zip(listed["account_no"].tolist(), listed["channel"].astype("str"), strict=True))
    narrowed = limits_of(whole.cohort, whole.tables, planned, load_rules(), job.params, job.as_of, complete)
    said = reasons(model, matrix, cohort, CATALOGUE, language)
    named = {place: {f"reason_{place}": "reason", f"strength_{place}": "contribution"} for place in (1, 2, 3)}
    long = [said[list(names)].rename(columns=names).assign(account_id=cohort["account_id"], place=place) for place, names in named.items()]
    shown = pd.concat(long, ignore_index=True)[["account_id", "place", "reason", "contribution"]]
    shown = shown[shown["reason"] != ""].sort_values(["account_id", "place"], ignore_index=True).drop(columns="place")
    details = details_of(seen, cohort["account_no"].to_numpy(), terms_of(store, job.params, job.versions))
    return said[list(SHOWN_REASONS)].assign(account_no=cohort["account_no"].to_numpy()), {"reasons": shown, "limits": narrowed, **details}


def _of_debtors(seen: View, accounts: Sequence[int]) -> View:
    keep = seen.cohort.frame["account_no"].isin(accounts).to_numpy()
    frame = seen.cohort.frame[keep].reset_index(drop=True)
    return replace(seen, cohort=replace(seen.cohort, frame=frame), matrix=seen.matrix[keep].reset_index(drop=True))

"""A night shard by shard: every account scored, and judged by the law;
a finished shard waits on the disk for a run that was cut off.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pyarrow import feather

from features.cohort import scorable_on
from features.days import date_of
from features.identity import to_verify
from features.settlements import CASH, net_known
from features.tables import NO_DAY, NO_MONEY
from features.unusual import Readings
from features.versions import arranged
from models.drift import SCORE, bin_counts
from models.recovery import load_model
from models.response import COUNT_COLUMNS, answer_counts, worked_rows
from pipeline.law.disputes import disputed_arrears
from pipeline.law.eligibility import rulings
from pipeline.law.holds import BIT
from pipeline.law.overlay import law_of
from pipeline.law.question import Sight
from pipeline.law.sign_off import signed_sha256
from pipeline.messages.texts import messages_of
from pipeline.night.arms import settled
from pipeline.night.due_day import asked_by_due_day
from pipeline.night.feeds import case_of
from pipeline.night.held_back import asked_for
from pipeline.night.pins import frames_sha256
from pipeline.night.reach import reach_of
from pipeline.night.receivables import receivables_shard
from pipeline.night.score import Job, asked, score_shard
from pipeline.night.treatment import asked_about
from pipeline.night.unusual import unusual_shard
from pipeline.night.watch import watch_shard
from pipeline.panel.engines import map_shards
from pipeline.panel.fatigue import days_of_view, no_days
from pipeline.panel.placements import with_agencies
from pipeline.panel.view import View, terms_of
from pipeline.store.files import first_folder, sealed, sha256_of, unsealed
from pipeline.store.origin import code_sha256
from pipeline.store.refusals import StoreDamaged
from pipeline.store.store import Store
from pipeline.treatment.policy import policy_in

log = logging.getLogger("recoup")

REFERENCE_NIGHTS, REFERENCE_EVERY = (
    6,
    30,
)  # matured nights, and days between them, on which the days to pay are measured
FROM_COHORT = (
    "account_no",
    "account_id",
    "debtor_id",
    "portfolio",
    "product",
    "currency",
    "debtor_type",
    "jurisdiction",
    "time_zone",
    "placed_on",
    "balance",
    "arrears",
    "days_past_due",
)
# Facts a row shows, read from the features so that list and model never disagree.
FACTS = {
    "last_right_party": "contacts_days_since_last_right_party",
    "last_payment": "payments_days_since_last",
    "broken_promises": "promises_broken_365d",
}


@dataclass(frozen=True)
class Worked:
    """What one shard gives to a night.

    rows      one per scorable account: FROM_COHORT, scores, facts, the law's ruling on the account, SAID as classes
    channels  one per account and channel: pipeline.law.eligibility.Rulings.channels
    counts    all known accounts by reason
    waits     portfolio, money, money_days: money recovered after the last matured nights, and the same times the days
              it took
    answers   models.response.answer_counts of all known accounts
    unseen    unseen_of
    settled   pipeline.night.arms.settled
    reach     pipeline.night.reach.reach_of
    watch, watch_counts   rows and counts of pipeline.night.watch.Watched
    items, owing          pipeline.night.receivables.receivables_shard
    asked     pipeline.night.treatment.asked_about
    spread    spread_of
    due       pipeline.night.due_day.asked_by_due_day
    placed    pipeline.panel.placements.with_agencies
    odd, links, judged    pipeline.night.unusual.unusual_shard
    month     of pipeline.night.watch.Watched
    late      pipeline.panel.fatigue.days_of_view; no row of a night without reminders
    """

    rows: pd.DataFrame
    channels: pd.DataFrame
    counts: pd.DataFrame
    waits: pd.DataFrame
    answers: pd.DataFrame
    unseen: pd.DataFrame
    settled: pd.DataFrame
    reach: pd.DataFrame
    watch: pd.DataFrame
    watch_counts: pd.DataFrame
    items: pd.DataFrame
    owing: pd.DataFrame
    asked: pd.DataFrame
    spread: pd.DataFrame
    due: pd.DataFrame
    placed: pd.DataFrame
    odd: pd.DataFrame
    links: pd.DataFrame
    judged: pd.DataFrame
    month: pd.DataFrame
    late: pd.DataFrame


SAID = ("rule", "citation", "reason")  # long texts of few kinds: classes, of which shards name different ones
SEAL, TOLD = "seal.json", 4  # how often a night says how many of its shards are done
FRAMES = (
    *("rows", "channels", "counts", "waits", "answers", "unseen", "settled", "reach", "watch", "watch_counts"),
    *("items", "owing", "asked", "spread"),
    *("due", "placed", "odd", "links", "judged", "month", "late"),
)


@dataclass(frozen=True)
class Finished:
    """A shard that waits on the shelf: each frame of Worked under its name, read from the disk when it is asked for, so
    that a night holds those of one shard at a time. StoreDamaged where a file is not what was written.

    sizes     rows of each frame
    reused    whether an earlier, cut-off run had made it
    remade    whether one had, and what it left was not what it wrote
    """

    place: Path
    sizes: Mapping[str, int]
    reused: bool = False
    remade: bool = False

    def __getattr__(self, name: str) -> pd.DataFrame:
        if name not in FRAMES:
            raise AttributeError(name)
        return self.read(name)

    def read(self, name: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """The frame, or these columns of it."""
        _check_sound(self.place, (name,))
        return _read(self.place, name, columns)


# What few rows of a night are told by, read from the shelf when they are: matrix and cohort of
# pipeline.night.watch.Watched.
LAID = ("watch_matrix", "watch_cohort")


def shelf_of(job: Job, out: Path) -> Path:
    """Where finished shards of this very night wait: named after all that decides their content."""
    return out / f".shards-{hashlib.sha256(json.dumps(decides(job)).encode()).hexdigest()[:16]}"


def decides(job: Job) -> list[Any]:
    """All that decides what the shards of a night hold."""
    law = [sorted(law_of(job.params).overlays.items()), signed_sha256(job.params)]
    effect = [job.rung.card(), job.unsettled.astype("str").to_numpy().tolist()]
    said = []
    if job.params.reminders is not None:
        said = [messages_of(job.params).digest, frames_sha256({"said": job.said})]
    policy = job.params.treatments  # over how long, and at which rate, waiting is valued
    if policy is not None:
        said.append(sha256_of(job.params.file(policy.policy)))
    return [
        *said,
        sorted(job.versions.items()),
        job.as_of,
        job.params.digest(),
        job.model.sha256,
        code_sha256(),
        law,
        effect,
    ]


def seals(shelf: Path) -> dict[str, str]:
    """Finished shard -> sha256 of its seal."""
    return {place.name: sha256_of(place / SEAL) for place in sorted(shelf.glob("[0-9]*")) if (place / SEAL).is_file()}


def work_shards(job: Job, shelf: Path) -> list[Finished]:
    """Every shard scored and judged, in shard order; shards a cut-off run had finished are not made again. The shelf
    stays for as long as their frames are asked for.
    """
    shelf.mkdir(parents=True, exist_ok=True, mode=0o700)
    shards = range(Store(job.store_path).shards)
    worked = []
    for done, one in enumerate(map_shards(partial(_work_shard, job, shelf), shards, job.params.engine), 1):
        worked.append(one)
        if done * TOLD // len(shards) > (done - 1) * TOLD // len(shards) and len(shards) >= TOLD:
            progress = {"stage": "score and judge", "event": "progress", "done": done, "of": len(shards)}
            log.info("score and judge: %d of %d shards", done, len(shards), extra={"fields": progress})
    if reused := sum(one.reused for one in worked):
        log.info("Finished by a run that was cut off, and not made again: %d of %d shards.", reused, len(worked))
    return worked


def _work_shard(job: Job, shelf: Path, shard: int) -> Finished:
    place = shelf / f"{shard:05d}"
    remade = False
    if place.exists():
        try:
            return replace(finished(place), reused=True)
        except StoreDamaged:
            remade = True
            log.warning("Shard %d of a run that was cut off is not what that run wrote: it is made again.", shard)
            shutil.rmtree(place)
    seen, scores, numbers = score_shard(job, shard)
    store = Store(job.store_path)
    found = rulings(case_of(seen, store, job.versions, job.as_of, job.params), job.as_of)
    rows = _rows(job, seen, scores, found.accounts, found.recorded["statuses"].to_numpy(np.int64))
    told = _waits(job, seen, store), _answers(job, seen), unseen_of(job, seen), settled(job, seen, store)
    before_due = watch_shard(job, seen)
    more = reach_of(job, seen, store), before_due.rows, before_due.counts, *receivables_shard(job, seen)
    more += asked_about(job, seen, found), spread_of(job, scores, numbers)
    policy = policy_in(job.params, date_of(job.as_of))
    parties = () if policy is None else policy.parties
    more += (asked_by_due_day(job, seen, store),)
    delivering = [name for name, book in job.params.portfolios.items() if "placements" in book.delivers]
    more += (with_agencies(seen, parties, job.as_of, job.params.label.maturity_days, delivering),)
    more += unusual_shard(job, seen)
    more += before_due.month, late_days_of(job, seen, store)
    worked = Worked(rows, found.channels, seen.cohort.counts, *told, *more)
    keep(worked, place, dict(zip(LAID, (before_due.matrix, before_due.cohort), strict=True)))
    return replace(finished(place), remade=remade)


def late_days_of(job: Job, seen: View, store: Store) -> pd.DataFrame:
    """What the monitor, and reminders that wait by response, ask of the days on which accounts were late."""
    if job.params.reminders is None:
        return no_days()
    return days_of_view(seen, store, job.versions, job.as_of, job.params)


def late_by_day(worked: Sequence[Finished]) -> pd.DataFrame:
    """`late` of all shards."""
    return pd.concat([one.late for one in worked], ignore_index=True)


def readings_of(one: Finished) -> Readings:
    """What unusual cases are told by."""
    return Readings(one.odd, one.links, one.judged)


def keep(worked: Worked, place: Path, laid: Mapping[str, pd.DataFrame] | None = None) -> None:
    """The shard's frames, and those laid beside them, in a folder that appears whole, with a seal over each. A cluster
    may have two machines at it, where it took one for lost that was not: both write the same.
    """
    with first_folder(place) as draft:
        seals = {}
        for name, frame in {**{name: getattr(worked, name) for name in FRAMES}, **(laid or {})}.items():
            file = draft / f"{name}.arrow"
            feather.write_feather(frame, file, compression="lz4")
            seals[name] = {"sha256": sha256_of(file), "rows": len(frame)}
        (draft / SEAL).write_text(sealed(seals))


def finished(place: Path) -> Finished:
    """A finished shard. StoreDamaged, before anything parses it, where a file is not what the seal says."""
    try:
        seals = unsealed(place / SEAL)
        _check_sound(place, {**dict.fromkeys(FRAMES), **seals})  # what is laid beside them too
        return Finished(place, {name: int(seals[name]["rows"]) for name in FRAMES})
    except (OSError, KeyError, StoreDamaged):
        raise StoreDamaged.stage(place.name) from None


def kept_to_tell(shelf: Path, shard: int) -> tuple[pd.DataFrame, ...]:
    """LAID of a finished shard. StoreDamaged, before anything parses it, where a file is not what the seal says."""
    place = shelf / f"{shard:05d}"
    _check_sound(place, LAID)
    return tuple(_read(place, name) for name in LAID)


def _check_sound(place: Path, names: Iterable[str]) -> None:
    """StoreDamaged where one of these files of a finished shard is gone, or is not what its seal says."""
    try:
        seals = unsealed(place / SEAL)
        for name in names:
            if sha256_of(place / f"{name}.arrow") != seals[name]["sha256"]:
                raise StoreDamaged.stage(place.name)
    except (OSError, KeyError):
        raise StoreDamaged.stage(place.name) from None


def _read(place: Path, name: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """A frame of a finished shard whose file is known to be sound. In memory of its own: the file is taken away."""
    wanted = None if columns is None else list(columns)
    return feather.read_feather(place / f"{name}.arrow", wanted, use_threads=False, memory_map=False)


def _rows(job: Job, seen: View, scores: pd.DataFrame, judged: pd.DataFrame, statuses: np.ndarray) -> pd.DataFrame:
    """statuses: of pipeline.law.holds.BIT, those in force on the account."""
    rows = seen.cohort.frame[list(FROM_COHORT)].reset_index(drop=True)
    facts = {name: seen.matrix[source].to_numpy() for name, source in FACTS.items()}
    for name in ("last_right_party", "last_payment"):
        days = facts[name]
        facts[name] = np.where(np.isnan(days), NO_DAY, job.as_of - np.nan_to_num(days)).astype(np.int32)
    facts["broken_promises"] = np.nan_to_num(facts["broken_promises"]).astype(np.int32)
    facts["last_worked"] = _last_worked(job, seen)
    facts |= _identity(job, seen, rows)
    facts["charged_off"] = statuses & BIT["charged_off"] != 0
    facts["disputed"] = disputed_arrears(seen.tables, seen.cohort.frame, Sight(job.as_of))
    facts["asked"] = asked_for(rows, facts["disputed"])
    credit = seen.matrix["debtor_credit"].to_numpy()
    facts["debtor_credit"] = np.where(np.isnan(credit), NO_MONEY, np.nan_to_num(credit)).astype(np.int64)
    parts = [
        rows,
        scores.reset_index(drop=True),
        pd.DataFrame(facts),
        judged.drop(columns="account_no").reset_index(drop=True),
    ]
    whole = pd.concat(parts, axis=1)
    classes = [name for name in whole if isinstance(whole[name].dtype, pd.CategoricalDtype) and name not in SAID]
    return whole.astype(dict.fromkeys(classes, "str"))  # shards name different classes; text adds up


def _identity(job: Job, seen: View, rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """verify: why the debtor's identity is to be verified first, "" where not; verify_on: the day of it, NO_DAY."""
    own = job.params.unusual
    found = to_verify(seen.tables, job.as_of, own.verify_days) if own is not None else to_verify({}, job.as_of, 0)
    told = found.set_index("debtor_id").reindex(rows["debtor_id"].astype("str"))
    return {
        "verify": told["why"].fillna("").to_numpy(dtype=object),
        "verify_on": told["on"].fillna(NO_DAY).to_numpy(np.int64).astype(np.int32),
    }


def spread_of(job: Job, scores: pd.DataFrame, numbers: np.ndarray | None) -> pd.DataFrame:
    """column, bin, rows: how the shard's rows lie in the bins of the model's picture of those that taught it; no row of
    a model that keeps none. numbers: the encoded rows.
    """
    model = load_model(job.model.folder, job.model.sha256)
    reference = getattr(model, "reference", None)
    counts: dict[str, np.ndarray] = {}
    if reference is not None and numbers is not None and len(numbers):
        names = model.encoder.names  # pyrefly: ignore[missing-attribute]
        columns = {**dict(zip(names, numbers.T, strict=True)), SCORE: scores["p_recovered"].to_numpy()}
        counts = {name: bin_counts(column, reference.edges[name]) for name, column in columns.items()}
    rows = [(name, place, int(number)) for name, own in counts.items() for place, number in enumerate(own)]
    kinds = {"column": "str", "bin": "int64", "rows": "int64"}
    return pd.DataFrame(rows, columns=list(kinds)).astype(kinds)


def unseen_of(job: Job, seen: View) -> pd.DataFrame:
    """column, accounts: scorable accounts of a class that the model does not know by name."""
    model = load_model(job.model.folder, job.model.sha256)
    found = (
        # pyrefly: ignore[missing-attribute]
        model.encoder.unseen(asked(model, seen.matrix)) if model.columns else {}
    )  # the age-band table is taught no columns
    return pd.DataFrame(
        {"column": pd.Series(list(found), dtype="str"), "accounts": pd.Series(list(found.values()), dtype="int64")}
    )


def _answers(job: Job, seen: View) -> pd.DataFrame:
    """How our attempts were answered; of no attempt where no contacts are delivered."""
    known = seen.tables["accounts"]
    known = known[known["known_on"].to_numpy() < job.as_of].drop_duplicates("account_no", keep="last")
    if "contacts" not in seen.tables:
        return pd.DataFrame(columns=COUNT_COLUMNS).astype(
            {"account_no": "int64", "attempts": "int64", "answers": "int64"}
        )
    return answer_counts(
        arranged(seen.tables["contacts"], "contacts"), known[["account_no", "portfolio", "time_zone"]], job.as_of
    )


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
    """Money that scorable accounts paid within the horizon after the last matured nights, a month apart,
    and how long it took.
    """
    label, paid = job.params.label, seen.ledger.settlements
    nights = [job.as_of - label.gap_days - REFERENCE_EVERY * step for step in range(REFERENCE_NIGHTS)]
    rows = scorable_on(seen.tables, seen.ledger, nights, terms_of(store, job.params, job.versions))
    codes, books = pd.factorize(rows["portfolio"].astype("str"), sort=True)
    at, as_of = seen.ledger.positions(rows["account_no"].to_numpy()), rows["as_of"].to_numpy()
    money, money_days = np.zeros(len(books), np.int64), np.zeros(len(books), np.int64)
    for night in nights:
        book = np.full(paid.accounts.size, -1, np.int64)
        own = as_of == night
        book[at[own]] = codes[own]
        inside = (paid.occurred_on >= night) & (paid.occurred_on < night + label.horizon_days) & (paid.kind == CASH)
        inside &= (paid.known_on < night + label.gap_days) & (book[paid.position] >= 0)
        events = np.flatnonzero(inside)
        net, whose = net_known(paid, night + label.gap_days)[events], book[paid.position[events]]
        np.add.at(money, whose, net)
        np.add.at(money_days, whose, net * (paid.occurred_on[events] - night))
    return pd.DataFrame({"portfolio": pd.Series(books, dtype="str"), "money": money, "money_days": money_days})

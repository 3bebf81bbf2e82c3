"""One night from the store as it is: score, judge, rank, publish. It appears whole or not at all,
and says what it was made from.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.days import date_of, day_text
from models.effect import ADDED_COLUMNS
from models.encoding import LEAST_DEBTORS
from models.fatigue import odds, waits
from models.ladder import DISPROVEN, NO_LOG, PROVEN, UNPROVEN, Rung, tells_apart
from models.lot import CONTROL, DRAWN
from models.recovery import load_model
from pipeline.columns import WATCHED_OFFER
from pipeline.law.overlay import law_of
from pipeline.law.sign_off import signed_by, stale_places
from pipeline.law.upcoming import ahead
from pipeline.messages.texts import Messages, messages_of
from pipeline.night.agencies import agencies_compared
from pipeline.night.alarm import MARKED, REFUSE, STOP, Alarm, Judge, Stopped, keep_back, kept_back, let_go
from pipeline.night.arms import draws_frame, tonights_rung
from pipeline.night.details import opened_rows
from pipeline.night.due_day import DueDay, about_due_day, due_day_proposals, offer_by_due_day
from pipeline.night.feeds import check_feeds, check_late_money
from pipeline.night.offered import due_day_sentences
from pipeline.night.pins import (
    SAID,
    Marks,
    Stamps,
    clear_shelves,
    frames_sha256,
    keep_place,
    keep_terms,
    pins,
    remembered,
    verified,
)
from pipeline.night.ranking import OF_ARM, Ranked, rank_night
from pipeline.night.receivables import receivables_of
from pipeline.night.refusals import NightMissing
from pipeline.night.reminders import Reminded, chosen, nothing_kept, published_before, said_of, with_step
from pipeline.night.score import Job, age_band, job_for
from pipeline.night.shards import (
    Finished,
    decides,
    kept_to_tell,
    late_by_day,
    readings_of,
    seals,
    shelf_of,
    work_shards,
)
from pipeline.night.stages import Stages, give_back
from pipeline.night.terminal import Published
from pipeline.night.treatment import Treated, about_treatment, frames_of, treat, untreated
from pipeline.night.treatment import kept_of as treated_kept
from pipeline.night.treatment import nothing_kept as nothing_treated
from pipeline.night.unusual import unusual_of
from pipeline.night.variants import with_shares
from pipeline.night.watch import about_watch, kept_of, unwatched, watch_list
from pipeline.night.worklist import assignments, first_in_line, night_of, of_assignments
from pipeline.pages.parts import parts_of
from pipeline.pages.publication import Night
from pipeline.pages.publish import check_ready, lead_nowhere, mark_expired, publish
from pipeline.pages.record import MANIFEST, newest
from pipeline.pages.rule_words import in_words, sentence
from pipeline.panel.draws import rung_frame, unsettled
from pipeline.panel.panel import panel
from pipeline.params import Params
from pipeline.store.champion import Approved
from pipeline.store.commit import replace_night
from pipeline.store.files import check_folder, sha256_of
from pipeline.store.form import ASSIGNMENTS, DRAWS, MESSAGES, OUTCOMES, RUNGS, TREATED, WATCHED
from pipeline.store.locks import only_run
from pipeline.store.store import Store
from pipeline.treatment.policy import Policy, policy_in

FALLEN_BACK = "Draws disprove the learnt effect: the list is in the order of amount x p(1 - p)."
CHANGED = {
    NO_LOG: "What working adds is no longer taught to the model in use: the order is that of amount x p(1 - p).",
    UNPROVEN: "What working adds is now learnt from the contact log and not yet proven by draws.",
    PROVEN: "Draws have proven what working adds: its level and slope now come from them.",
    DISPROVEN: FALLEN_BACK,
}
STRANGERS = (
    "Tonight's accounts are others than those that model {model} was taught on: ranked by a table of recovery rates by "
    "days past due."
)
AHEAD_DAYS = 30  # a night warns of law that changes within so many


def publish_night(
    store_path: Path,
    as_of: dt.date,
    out: Path,
    params: Params,
    *,
    stages: Stages | None = None,
    judge: Judge | None = None,
) -> Published:
    """Score, judge, rank and publish from the store as it is. judge: what the monitor says of the night before anybody
    can see it. Raises InputMissing when a feed is late or nobody is known yet; Stopped (78), with nothing published,
    where the verdict is stop and the params do not have such a list published.
    """
    stages = stages or Stages()
    check_folder(out)
    out.mkdir(parents=True, exist_ok=True)
    with only_run(out):
        check_ready(out)
        store = Store(store_path)
        made = judged_night(Store(store_path, store.versions()), as_of, out, params, stages, judge)
        alarm = made.alarm
        if alarm is not None and alarm.verdict == STOP and params.monitor.on_stop != MARKED:
            clear_shelves(out)
            refusal = Stopped.unpublished(as_of, alarm.stops, params.monitor.on_stop, newest(out))
            mark = lead_nowhere if params.monitor.on_stop == REFUSE else mark_expired
            mark(out, as_of, str(refusal), params.worklist.language)
            counts = {group: int(count) for group, count in made.night.counts.items()}
            keep_back(out, as_of, {**made.night.manifest, "model": made.night.model, "counts": counts})
            raise refusal
        remember = partial(_remember, store, made, out)
        with stages.stage("publish") as so_far:
            folder = publish(made.night, out, lambda: _run_block(so_far(), made), remember, kept_back(out))
        pinned, night = (
            {name: made.night.manifest[name] for name in SAID if name in made.night.manifest},
            made.job.as_of,
        )
        outputs = {"manifest": sha256_of(folder / MANIFEST), "remembered": remembered(Store(store_path), night)}
        Stamps(out, night).mark({**made.marks, "publish": (pinned, outputs)})
        published = Published(folder, made.night)
        let_go(out, as_of)
        clear_shelves(out)
    return published


@dataclass(frozen=True)
class Made:
    """A night that is made and not yet published."""

    night: Night
    job: Job
    ranked: Ranked
    worked: Sequence[Finished]
    shelf: Path
    pinned: Mapping[str, int]  # versions of every table that it read
    marks: Marks
    said_to: Reminded | None = None
    treated: Treated | None = None
    alarm: Alarm | None = None


def judged_night(
    store: Store,
    as_of: dt.date,
    out: Path,
    params: Params,
    stages: Stages,
    judge: Judge | None,
    approved: Approved | None = None,
    table: Approved | None = None,
) -> Made:
    """make_night, and what the monitor says of it in its manifest. Where the score has left the population that it was
    taught on and the list is published all the same, the age-band table ranks it: the one given, else taught anew.
    """
    made = make_night(store, as_of, out, params, stages, approved)
    if judge is None:
        return made
    with stages.stage("monitor"):
        alarm = judge(store, made.job, of_assignments(made.ranked, made.job), made.worked)
    told = alarm.told()
    if alarm.strangers and params.monitor.on_stop == MARKED:
        table = table or age_band(
            store.path, partial(panel, store, params, before=made.job.as_of, features=False), params
        )
        told["instead_of"] = {**made.night.model, "sha256": made.job.model.sha256}
        made = make_night(store, as_of, out, params, stages, table, left=made)
    manifest = {**made.night.manifest, "monitor": told}
    said = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    marks = {**made.marks, "monitor": (made.marks["rank"][0], said)}
    return replace(made, night=replace(made.night, manifest=manifest), marks=marks, alarm=alarm)


def make_night(
    store: Store,
    as_of: dt.date,
    out: Path,
    params: Params,
    stages: Stages,
    approved: Approved | None = None,
    left: Made | None = None,
) -> Made:
    """Everything that a night publishes, from a pinned store; nothing is written but finished shards in OUT. left: the
    same night by a model that the monitor says must not rank it.
    """
    known = messages_of(params) if params.reminders is not None else None  # refused before anything is worked
    policy = policy_in(params, as_of)
    warnings = check_feeds(store, as_of, params)
    job = job_for(store, as_of, params, approved)
    job = replace(job, rung=tonights_rung(store, job), unsettled=unsettled(store, job.as_of, params.label.gap_days))
    if params.reminders is not None:
        job = replace(job, said=published_before(store, job.as_of))
    warnings += unapproved(job) if left is None else [STRANGERS.format(model=left.job.model.version)]
    warnings += [*taught_later(job), *of_the_effect(job)]
    warnings += [*changed_law(params), *law_ahead(as_of, params)]
    shelf = shelf_of(job, out)
    clear_shelves(out, keep=(shelf,) if left is None else (shelf, left.shelf))
    with stages.stage("verify inputs"):
        inputs = verified(store, job.versions)
    with stages.stage("score and judge"):
        worked = work_shards(job, shelf)
    many = int(sum(one.counts["accounts"].sum() for one in worked))
    give_back(many)
    if not many:
        raise NightMissing.nobody(as_of)
    books, money = ["portfolio", "currency"], []
    for one in worked:
        money.append(one.read("rows", [*books, "balance"]).groupby(books, as_index=False)["balance"].sum())
    check_late_money(store, job.versions, job.as_of, params, pd.concat(money, ignore_index=True))
    with stages.stage("rank"):
        ranked = rank_night(store, job, worked)
    give_back(many)
    treated = None
    if policy is not None:
        with stages.stage("treat"):
            treated = treat(ranked.rows, ranked.arms, [one.asked for one in worked], job, policy)
    with stages.stage("explain"):
        waiting = first_in_line(ranked)
        said, details = opened_rows(job, ranked.listed, params.worklist.language, waiting)
    language = params.worklist.language
    night = in_words(night_of(store, job, worked, ranked, said, details, treated), law_of(params), language)
    give_back(many)
    said_more, watch, about_it = [*untaught(worked), *ranked.warnings, *untreated(treated)], None, {}
    if params.watch is not None:
        watch = watch_list([one.watch for one in worked], job, partial(kept_to_tell, shelf))
        about_it = {"watch": about_watch(watch, [one.watch_counts for one in worked], job)}
        said_more += unwatched(about_it["watch"], job)
    debtors, invoices = None, None
    if params.receivables is not None:
        parts = [one.items for one in worked], [one.owing for one in worked]
        debtors, invoices, about_it["receivables"] = receivables_of(*parts, ranked.parts(["debtor_id", "group"]), job)
    odd = None
    if params.unusual is not None:
        with stages.stage("unusual"):
            odd, about_it["unusual"] = unusual_of([partial(readings_of, one) for one in worked], job)
    told = [sentence(warning, language) for warning in (*warnings, *said_more)]
    about = {**manifest_of(store, job, worked, told, ranked.orders), **about_it}
    said_to = None
    if known is not None and params.reminders is not None:
        with stages.stage("remind"):
            known = with_shares(known, store, job.versions, job.as_of, params)
            said_to = _reminded(job, worked, ranked, known)
        about["messages"] = said_to.told(known, params.reminders)
        night = replace(night, messages=said_to.rows, texts=said_of(known, params.reminders))
    if treated is not None and policy is not None:
        night = replace(night, **frames_of(treated, store, job.as_of))
        about["treatments"] = about_treatment(treated, night.routes, night.specialist)
        about["treatments"]["agencies"] = agencies_compared([one.placed for one in worked], policy.parties, params)
        if watch is not None and (policy.moves or policy.early):
            by_day = _around_due_days(worked, ranked, night, watch, job, policy)
            watch = watch.assign(**{WATCHED_OFFER: due_day_sentences(watch, by_day, language)})
            offers = [night.proposals, due_day_proposals(by_day, job.as_of)]
            offers = [each for each in offers if each is not None and len(each)]
            night = replace(night, proposals=pd.concat(offers, ignore_index=True) if offers else night.proposals)
            about["treatments"]["due_day"] = about_due_day(by_day)
    night = replace(night, manifest=about, dialler=params.worklist.dialler_columns, watch=watch)
    night = replace(
        night,
        receivables=debtors,
        open_items=invoices,
        unusual=odd,
        demonstration=params.worklist.demonstration == as_of,
    )
    delivered, sealed_as = store.newest(job.versions), seals(shelf)
    decided = {"found": ranked.found, "moved": ranked.moved, "listed": ranked.of_listed, "arms": ranked.arms}
    ranks = [frames_sha256(decided), *map(sha256_of, ranked.files)]
    reasons = {"said": said, **details.by_name()}
    marks = {
        "ingest": (dict(delivered.files), [delivered.ingest_id, dict(delivered.versions)]),
        "inputs": (dict(job.versions), inputs),
        "shards": (decides(job), sealed_as),
        "rank": ([sealed_as, about["earlier_nights_sha256"]], ranks),
        "explain": (ranks, frames_sha256(reasons)),
    }
    return Made(night, job, ranked, worked, shelf, store.versions(), marks, said_to, treated)


def _around_due_days(
    worked: Sequence[Finished], ranked: Ranked, night: Night, watch: pd.DataFrame, job: Job, policy: Policy
) -> DueDay:
    """To whom nothing else is offered tonight, and who is not reminded."""
    offered = [] if night.proposals is None else night.proposals["debtor_id"].tolist()
    written = [] if night.messages is None else night.messages["debtor_id"].tolist()
    return offer_by_due_day([one.due for one in worked], watch, ranked.arms, offered, written, policy, job.as_of)


def _reminded(job: Job, worked: Sequence[Finished], ranked: Ranked, known: Messages) -> Reminded:
    by_response = job.params.reminders is not None and job.params.reminders.by_response
    wait = waits(odds(late_by_day(worked), "pays", "spacing")) if by_response else 0
    shown = ranked.parts(["account_id", "debtor_id", "group", "net_value"])
    left = ranked.arms[ranked.arms["arm"] == CONTROL]
    steps = (
        with_step(one.reach, groups, left, job.as_of, job.params, known, wait)
        for one, groups in zip(worked, shown, strict=True)
    )
    return chosen(steps, ranked.arms, job.as_of, job.params)


def told_rung(rung: Rung) -> dict[str, Any]:
    """The rung as the manifest says it: its night as a date, figures that are numbers."""
    figures = {name: value for name, value in rung.figures.items() if np.isfinite(value)}
    return {**rung.card(), "since": day_text(rung.since), "figures": figures}


def of_the_effect(job: Job) -> list[str]:
    """A warning where the state of the effect changed tonight, and every night on which it is disproven."""
    rung, said = job.rung, []
    if rung.changed_on(job.as_of):
        said.append(CHANGED[rung.state])
    elif rung.state == DISPROVEN:
        said.append(FALLEN_BACK)
    return said


def taught_later(job: Job) -> list[str]:
    """A warning where the model was taught on outcomes that were not known on the night:
    its scores of such a night are no forecast.
    """
    facts = load_model(job.model.folder, job.model.sha256).facts
    known_on = facts.get("fit_last", -1) + facts.get("gap_days", 0)
    if known_on <= job.as_of:
        return []
    return [
        (
            f"Model {job.model.version} was taught on outcomes known by {date_of(known_on)}: "
            "its scores of this night are hindsight."
        )
    ]


def changed_law(params: Params) -> list[str]:
    """A warning where places are blocked because their rules changed since somebody signed them."""
    places = ", ".join(stale_places(law_of(params), params))
    return [f"Blocked until signed again, for rules changed since: the contact law of {places}."] if places else []


def law_ahead(as_of: dt.date, params: Params) -> list[str]:
    """A warning where the law of places that are signed off changes soon."""
    last = as_of + dt.timedelta(days=AHEAD_DAYS)
    signed = {*params.eligibility.signed_off, *signed_by(params)}
    found = sorted((day, place) for day, place, _ in ahead(law_of(params), as_of, last) if place in signed)
    if not found:
        return []
    places = ", ".join(dict.fromkeys(place for _, place in found))
    return [f"Contact law changes within {AHEAD_DAYS} days, first on {found[0][0]}: {places}."]


def unapproved(job: Job) -> list[str]:
    """A warning where no champion was promoted, so that the age-band table ranked the night."""
    if job.model.record["run_id"] is not None:
        return []
    return ["No approved model: ranked by a table of recovery rates by days past due."]


def untaught(worked: Sequence[Finished]) -> list[str]:
    """A warning where so many accounts are of classes the model does not know that it could have been taught them."""
    counts = pd.concat([one.unseen for one in worked]).groupby("column")["accounts"].sum()
    counts = counts[counts >= LEAST_DEBTORS]
    if counts.empty:
        return []
    return [
        (
            "Classes the model does not know by name, new or of too few debtors when it was taught: "
            f"{', '.join(f'{name} ({count})' for name, count in counts.items())}."
        )
    ]


def manifest_of(
    store: Store, job: Job, worked: list[Finished], warnings: list[str], orders: Mapping[str, Mapping[str, int]]
) -> dict[str, Any]:
    """What the night was made from; equal for equal inputs, whether they were taken in just now or before."""
    params = job.params
    counts = pd.concat([one.counts for one in worked]).groupby("reason", observed=True)["accounts"].sum()
    delivered = store.newest(job.versions)  # whatever has come in meanwhile
    return {
        "inputs": delivered.files,
        "delivery": delivered.ingest_id,
        "tables": [_with_date(table) for table in delivered.tables],
        **pins(store, job.versions, job.as_of, params, job.model.sha256),
        "rates": dict(params.money.rates),
        "rates_date": params.money.rates_date,
        "commission": {name: params.portfolio(name).share for name in store.portfolios(job.versions)},
        "accounts_known": {str(reason): int(number) for reason, number in counts.items()},
        "accepted_volume": delivered.accepted_volume,
        **({} if delivered.accepted_gap is None else {"accepted_gap": dict(delivered.accepted_gap)}),
        "label": params.label.model_dump(),
        "value": {
            "mode": params.value.mode,
            "self_cure_from": params.value.self_cure_from,
            "rung": told_rung(job.rung),
            "bands": tells_apart(job.rung),
            "orders": orders,
        },
        "warnings": warnings,
    }


def _with_date(table: Mapping[str, Any]) -> dict[str, Any]:
    """A table's record as the store keeps it, its last day as a date like every other of the manifest."""
    day = table["complete_through"]
    return {**table, "complete_through": None if day is None else day_text(day)}


def _run_block(stages: list[dict[str, Any]], made: Made) -> dict[str, Any]:
    worked = made.worked
    return {
        "pinned": dict(sorted(made.pinned.items())),
        "stages": stages,
        "shards": len(worked),
        "shards_reused": sum(one.reused for one in worked),
        "shards_remade": sum(one.remade for one in worked),
        "shelf_bytes": sum(file.stat().st_size for file in made.shelf.rglob("*") if file.is_file()),
    }


def _remember(store: Store, made: Made, out: Path) -> None:
    """Stored before anybody can see the list: a control group that nobody remembers would be drawn anew."""
    job, ranked, worked = made.job, made.ranked, made.worked
    keep_terms(store.path, job.params)
    keep_place(store.path, out)
    replace_night(store, "scores", map(partial(_kept_scores, job), parts_of(made.night.scores)), job.as_of)
    replace_night(store, ASSIGNMENTS, parts_of(assignments(ranked, job)), job.as_of)
    replace_night(store, RUNGS, rung_frame(job.rung, job.as_of), job.as_of)
    said = nothing_kept() if made.said_to is None else made.said_to.kept
    if len(said) or MESSAGES in store.delta.names():  # a night made again without reminders has said nothing
        replace_night(store, MESSAGES, said, job.as_of)
    if made.night.watch is not None:
        told = kept_of(made.night.watch, job)
        if len(told) or WATCHED in store.delta.names():
            replace_night(store, WATCHED, told, job.as_of)
    kept = nothing_treated() if made.treated is None else treated_kept(made.treated, job.as_of)
    if len(kept) or TREATED in store.delta.names():
        replace_night(store, TREATED, kept, job.as_of)
    outcomes = pd.concat([one.settled for one in worked], ignore_index=True).assign(as_of=np.int32(job.as_of))
    outcomes = outcomes.sort_values(["drawn_on", "account_id"], ignore_index=True)
    for name, frame in ((DRAWS, _drawn(ranked, job)), (OUTCOMES, outcomes)):
        if len(frame) or name in store.delta.names():
            replace_night(store, name, frame, job.as_of)


def _kept_scores(job: Job, scores: pd.DataFrame) -> pd.DataFrame:
    """A store of an earlier version has no column for what working adds."""
    return scores.drop(columns=list(ADDED_COLUMNS)).assign(as_of=np.int32(job.as_of))


def _drawn(ranked: Ranked, job: Job) -> pd.DataFrame:
    """draws_frame, from the rows that it asks for: those on the list, and of debtors over whom the lot decides."""
    arms = ranked.of_debtor["arm"].isin(DRAWN).to_numpy()[ranked.found["debtor"].to_numpy()]
    rows = ranked.of(np.flatnonzero(arms | (ranked.groups == "worklist").to_numpy()))
    drawn = ranked.arms[ranked.arms["arm"].isin(DRAWN)]
    return draws_frame(rows.drop(columns=list(OF_ARM)), drawn, job.params, job.as_of)

"""One account in full: its scores, every reason, whether it may be contacted, what to offer it, its events."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from features.build import build
from features.catalogue import TREATED, WATCH
from features.cohort import watched
from features.currencies import DECIMALS
from features.days import date_of, day_number, day_text
from features.tables import NO_DAY, NO_MONEY, NO_SHARE, TABLES, WHOLE_SHARE, Kind
from features.versions import is_last_known, key_of, superseded_on
from models.baseline import AgeBandTable
from models.effect import added_scores
from models.explain import every_change, every_reason
from models.ladder import PROVEN
from models.recovery import load_model
from pipeline.law.disputes import disputed_arrears
from pipeline.law.question import Sight
from pipeline.law.reasoning import reasoning
from pipeline.night.due_day import asked_by_due_day, offer_by_due_day
from pipeline.night.feeds import case_of, check_feeds
from pipeline.night.held_back import asked_for
from pipeline.night.offered import due_day_lines, plain_saying
from pipeline.night.ranking import held_out_on
from pipeline.night.refusals import NightMissing
from pipeline.night.score import Job, asked, job_for
from pipeline.night.treatment import UNTAUGHT, treat_debtors, undisputed
from pipeline.night.watch import head_of
from pipeline.pages.language import voice, words
from pipeline.panel.view import View, quiet_through, terms_of, view
from pipeline.params import Params
from pipeline.store.store import Store
from pipeline.treatment.policy import policy_in
from pipeline.treatment.telling import told

MOST_REASONS, MOST_EVENTS = 8, 4  # of a short answer; events: lines of each table, its heading among them
LEAST_PULL = 0.00005  # log-odds that print as nothing: such reasons are counted in one line
SHOWN_EVENTS = {
    "charges": ("due_on", ("charge_id", "kind", "amount")),
    "balances": ("taken_on", ("balance", "arrears", "days_past_due")),
    "payments": ("occurred_on", ("kind", "amount", "method")),
    "contacts": ("occurred_on", ("channel", "direction", "outcome", "promise_amount", "promise_due_on")),
    "statuses": ("from_on", ("status", "until_on")),
    "offers": ("made_on", ("kind", "amount", "discount", "valid_until", "outcome")),
    "plans": ("agreed_on", ("plan_id", "due_on", "amount", "ended_on", "how")),
    "placements": ("placed_on", ("route", "party", "recalled_on")),
}


@dataclass(frozen=True)
class Explained:
    """An account in words, and models.explain.every_reason and every_change of it (None: no such head), with each
    value as the words show it."""

    text: str
    reasons: pd.DataFrame
    changes: pd.DataFrame | None


def explain_account(
    store_path: Path, as_of: dt.date, account_id: str, params: Params, everything: bool = True
) -> Explained:
    """For `recoup explain`. everything: every reason, rule and event, not only those that weigh most.

    Raises InputMissing where the account is unknown, or neither scorable nor watched on the
    night.
    """
    check_feeds(Store(store_path), as_of, params)
    store, versions, seen = _of_debtor(store_path, as_of, account_id, params)
    job = job_for(store, as_of, params)
    if not (seen.cohort.frame["account_id"] == account_id).any():
        early = _before_due(store, job, seen, account_id)
        if early is None:
            raise _not_scorable(seen, as_of, account_id)
        return early
    cohort = seen.cohort.frame
    place = cohort.index[cohort["account_id"] == account_id]
    model = load_model(job.model.folder, job.model.sha256)
    row, matrix = cohort.loc[place].reset_index(drop=True), asked(model, seen.matrix.loc[place].reset_index(drop=True))
    scores, theta = (
        (model.predict(matrix, row), None) if isinstance(model, AgeBandTable) else model.predict_with_theta(matrix, row)
    )
    added = added_scores(
        scores["p_recovered"].to_numpy(), scores["amount_if_recovered"].to_numpy(), theta, job.rung.guard
    ).iloc[0]
    scores = scores.iloc[0]
    currency = str(row["currency"].iloc[0])
    money = 10 ** DECIMALS[currency]
    spoken = voice(params.worklist.language)
    table = _shown(every_reason(model, matrix, row, TREATED, spoken))
    changes = every_change(model, matrix, row, TREATED, spoken)
    guard, proof = job.rung.guard, "" if job.rung.state == PROVEN else ", not proven"
    learnt = "not taught" if theta is None else f"{theta[0]:+.4f}"
    lines = [
        f"Account {account_id} of {row['portfolio'].iloc[0]} as of {as_of}, scored by {job.model.version}",
        f"  balance {row['balance'].iloc[0] / money:,.2f} {currency}, arrears {row['arrears'].iloc[0] / money:,.2f}, "
        f"{row['days_past_due'].iloc[0]} days past due",
        *_asked_of(seen, account_id, job.as_of, money, currency),
        f"  p_recovered {scores['p_recovered']:.4f}, amount_if_recovered "
        f"{scores['amount_if_recovered'] / money:,.2f} {currency}, "
        f"expected_recovery {scores['expected_recovery'] / money:,.2f} {currency}, p_defaulted "
        f"{scores['p_defaulted']:.4f}",
        f"  theta {learnt} (log-odds), believed on rung {job.rung.state} as "
        f"{guard.level:.2f} + {guard.slope:.2f} x theta",
        f"  p_if_left {added['p_if_left']:.4f}, p_if_worked {added['p_if_worked']:.4f}, "
        f"added_recovery {added['added_recovery'] / money:,.2f} {currency}{proof}",
        "",
        "Reasons (log-odds; with the base they add up to the raw score)",
        _reasons(table, "the average account", None if everything else MOST_REASONS),
        "",
        reasoning(case_of(seen, store, versions, job.as_of, params), account_id, job.as_of, with_rules=everything),
    ]
    if changes is not None:
        changes = _shown(changes)
        head = "What a call changes (log-odds; with the base they add up to theta)"
        told_of = _reasons(changes, "the average of what a call changes", None if everything else MOST_REASONS)
        lines[-2:-2] = ["", head, told_of]
    lines += _offered(store, job, seen, account_id)
    most = None if everything else MOST_EVENTS
    lines += _known_events(seen, int(row["account_no"].iloc[0]), job.as_of, money, most)
    if not everything:
        lines += ["", "Every reason, rule and event: recoup explain --all."]
    return Explained("\n".join(lines), table, changes)


def _offered(store: Store, job: Job, seen: View, account_id: str) -> list[str]:
    """The proposal and every route, with how each comes to its figure; nothing where the params name no policy."""
    policy = policy_in(job.params, date_of(job.as_of))
    if policy is None:
        return []
    treated = treat_debtors(job, seen, store, policy, held_out_on(store, job.as_of, seen))
    head = ["", f"Offer and routes, by {policy.path.name} (sha256 {policy.digest[:16]})"]
    if treated.found is None:
        return [*head, f"  {UNTAUGHT}"]
    place = np.flatnonzero(treated.rows["account_id"] == account_id)
    if not place.size:
        said = words("en")["treatment"]
        return [
            *head,
            *(f"  {said['left']} {said['left_out'][why]}." for why, many in treated.left_out.items() if many),
        ]
    rows = undisputed(treated.rows)
    return [*head, *(f"  {line}" for line in told(rows, treated.found, int(place[0]), plain_saying()))]


def _before_due(store: Store, job: Job, seen: View, account_id: str) -> Explained | None:
    """The same of an account that is not overdue and has something falling due; None where it is not watched."""
    params = job.params
    if params.watch is None:
        return None
    terms = terms_of(store, params, job.versions)
    rows = watched(seen.tables, seen.ledger, [job.as_of], terms, params.watch_terms()).frame.reset_index(drop=True)
    own = rows.index[rows["account_id"] == account_id]
    if not len(own):
        return None
    currency, as_of = str(rows.loc[own[0], "currency"]), day_text(job.as_of)
    money, head, row = 10 ** DECIMALS[currency], head_of(job), rows.loc[own].reset_index(drop=True)
    lines = [
        f"Account {account_id} of {row['portfolio'].iloc[0]} as of {as_of}, before its due day",
        f"  {row['due_amount'].iloc[0] / money:,.2f} {currency} fall due by "
        f"{day_text(job.as_of + params.watch_terms().days_ahead - 1)}, first on "
        f"{day_text(int(row['next_due_on'].iloc[0]))}",
    ]
    table = pd.DataFrame(columns=["feature", "group", "value", "contribution", "says"])
    if head is None:
        lines.append("  How likely it is to be late is not known: the model in use was not taught of such accounts.")
    else:
        complete = quiet_through(store, job.versions, params)
        whole = asked(head, build(rows, seen.tables, WATCH, terms, seen.ledger, complete))
        matrix = whole.loc[own].reset_index(drop=True)
        found = head.predict(matrix, row).iloc[0]
        table = _shown(every_reason(head, matrix, row, WATCH, voice(params.worklist.language)))
        lines += [
            f"  p_late {found['p_late']:.4f}, money at risk {found['money_at_risk'] / money:,.2f} {currency}, by "
            f"{job.model.version}",
            "",
            "Reasons (log-odds of being late; with the base they add up to the raw score)",
            _reasons(table, "the average account before its due day"),
            *_by_due_day(store, job, seen, account_id, rows.assign(p_late=head.predict(whole, rows)["p_late"])),
        ]
    lines += _known_events(seen, int(row["account_no"].iloc[0]), job.as_of, money)
    return Explained("\n".join(lines), table, None)


def _by_due_day(store: Store, job: Job, seen: View, account_id: str, watch: pd.DataFrame) -> list[str]:
    """What is offered around the due day, with its sum; nothing where the params name no policy. What else is offered
    to the debtor, or written, is not looked at.
    """
    policy = policy_in(job.params, date_of(job.as_of))
    if policy is None or not (policy.moves or policy.early):
        return []
    arms = held_out_on(store, job.as_of, seen)
    told = offer_by_due_day([asked_by_due_day(job, seen, store)], watch, arms, (), (), policy, job.as_of)
    head = [
        "",
        f"Around the due day, by {policy.path.name} (sha256 {policy.digest[:16]}), if nothing else is offered or "
        "written to the debtor tonight",
    ]
    place = np.flatnonzero(told.rows["account_id"] == account_id)
    if not place.size:
        said = words("en")["treatment"]
        whys = [f"  {said['left']} {said['left_due'][why]}." for why, many in told.left_out.items() if many]
        return [*head, *whys]
    return [*head, *(f"  {line}" for line in due_day_lines(told, int(place[0]), plain_saying()))]


def _known_events(seen: View, number: int, night: int, money: int, most: int | None = None) -> list[str]:
    """most: rows of each table; None for all."""
    lines = []
    for name in SHOWN_EVENTS:
        if name in seen.tables:
            found = "\n".join(_events(seen.tables[name], name, number, night, money).splitlines()[:most])
            lines += ["", f"{name.capitalize()} known before {day_text(night)}, newest first", found]
    return lines


def _asked_of(seen: View, account_id: str, night: int, money: int, currency: str) -> list[str]:
    """What to ask for where a charge is disputed, and what the debtor's other accounts hold in his favour."""
    rows = seen.cohort.frame
    own = (rows["account_id"] == account_id).to_numpy()
    disputed = disputed_arrears(seen.tables, rows, Sight(night))
    asks, credit = asked_for(rows, disputed)[own][0] / money, seen.matrix["debtor_credit"].to_numpy()[own][0] / money
    told = []
    if disputed[own][0] > 0:
        told.append(f"  disputed {disputed[own][0] / money:,.2f} {currency}, to ask for {asks:,.2f}")
    if credit > 0:
        told.append(f"  credit on the debtor's other accounts {credit:,.2f} {currency}")
    return told


def eligibility_of(store_path: Path, as_of: dt.date, account_id: str, params: Params) -> str:
    """For `recoup eligibility`: the whole reasoning about one account on a day."""
    store, versions, seen = _seen(store_path, as_of, account_id, params)
    night = day_number(as_of)
    return reasoning(case_of(seen, store, versions, night, params), account_id, night)


def _seen(store_path: Path, as_of: dt.date, account_id: str, params: Params) -> tuple[Store, dict[str, int], View]:
    """`_of_debtor`, where the account is scorable on the night."""
    store, versions, seen = _of_debtor(store_path, as_of, account_id, params)
    if not (seen.cohort.frame["account_id"] == account_id).any():
        raise _not_scorable(seen, as_of, account_id)
    return store, versions, seen


def _of_debtor(store_path: Path, as_of: dt.date, account_id: str, params: Params) -> tuple[Store, dict[str, int], View]:
    """The view of the account's debtor on the night."""
    store = Store(store_path)
    shard = store.shard_of_account(account_id)
    accounts = store.tables(shard, ["accounts"])["accounts"]
    versions = store.versions()
    debtors = accounts["debtor_id"][accounts["account_id"] == account_id].unique()
    return store, versions, view(store, shard, [day_number(as_of)], params, versions, debtors=debtors)


def _not_scorable(seen: View, as_of: dt.date, account_id: str) -> NightMissing:
    counted = seen.cohort.counts[seen.cohort.counts["accounts"] > 0]["reason"].astype("str")
    why = ", ".join(sorted(set(counted) - {"scorable"})) or "not known yet"
    return NightMissing.not_scorable(account_id, as_of, why)


def _shown(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(value=[_figure(value) for value in table["value"]])


def _reasons(table: pd.DataFrame, average: str, most: int | None = None) -> str:
    """A line per column, the strongest first; most: that many, and one line for what the others pull together."""
    every, base = table.iloc[:-1], table.iloc[-1]
    pulls = every["contribution"].abs() >= LEAST_PULL
    if most is not None:
        pulls &= np.arange(len(every)) < most
    lines = [
        f"  {row.contribution:+8.4f}  {row.feature:<40} {row.value:>14}  {row.says}"
        for row in every[pulls].itertuples()
    ]
    if not pulls.all():
        lines.append(
            f"  {every.loc[~pulls, 'contribution'].sum():+8.4f}  {int((~pulls).sum())} others "
            + ("together" if most is not None else "that pull nothing")
        )
    return "\n".join([*lines, f"  {base['contribution']:+8.4f}  base: {average}"])


def _figure(value: object) -> str:
    if isinstance(value, float | np.floating):
        return "missing" if np.isnan(value) else f"{value:,.6g}"
    return "missing" if value is None or value is pd.NA else str(value)


def _events(frame: pd.DataFrame, name: str, number: int, night: int, money: int) -> str:
    """The account's rows of a table, newest first; money: minor units of one unit of its currency."""
    when, columns = SHOWN_EVENTS[name]
    own = frame[(frame["account_no"] == number) & (frame["known_on"] < night)]
    gone = superseded_on(own, key_of(own, name), name)
    in_force = is_last_known(own["known_on"].to_numpy(), gone, night)
    rows = own[in_force].iloc[::-1]
    shown = pd.DataFrame({when: _shown_days(rows[when]), "known_on": _shown_days(rows["known_on"])})
    for column in columns:
        values, declared = rows[column], TABLES[name][column]
        if declared.kind is Kind.MONEY:
            shown[column] = ["" if value == NO_MONEY else f"{value / money:,.2f}" for value in values]
        elif declared.kind is Kind.SHARE:
            shown[column] = ["" if value == NO_SHARE else f"{value / WHOLE_SHARE:.1%}" for value in values]
        else:
            is_day = declared.kind is Kind.DATE
            shown[column] = _shown_days(values) if is_day else values.astype("str").fillna("").to_numpy()
    if shown.empty:
        return "  none"
    replaced = int((~in_force).sum())
    return shown.to_string(index=False) + (
        f"\n  besides {replaced:,} earlier versions that later ones replaced" if replaced else ""
    )


def _shown_days(days: pd.Series) -> list[str]:
    return ["" if day == NO_DAY else day_text(day) for day in days]

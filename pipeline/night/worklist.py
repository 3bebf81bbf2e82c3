"""What a night publishes, from the ranked rows: the list, those not on it, what formed each value,
and what the store remembers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from features.days import date_of
from features.tables import NO_DAY, NO_TIME
from models.prioritise import counted, in_order
from models.value import VALUE_COLUMNS
from pipeline.columns import ASKED_COLUMNS, IDENTITY, NEXT_COLUMNS, PUBLISHED_SCORES, TREATED_COLUMNS, WORKLIST_COLUMNS
from pipeline.law.counts import NO_LIMIT
from pipeline.night.offered import list_columns, opened_lines
from pipeline.night.ranking import OF_ARM, Ranked
from pipeline.night.score import Job
from pipeline.night.shards import SAID, Finished
from pipeline.night.tables import table_of
from pipeline.night.treatment import Treated
from pipeline.pages.language import words
from pipeline.pages.parts import Table
from pipeline.pages.publication import Details, Night
from pipeline.pages.speech import Speech
from pipeline.store.store import Store

VALUED_OF = ["expected_recovery", "added_recovery"]  # value.mode says which of them the net value counts
VALUED = ["expected_recovery", "net_value"]
MOST_TOLD = 40  # accounts next in line of a queue of which a reason is told: as many again as a team works
ABOUT = ["debtor_id", "portfolio", "product", "currency", "balance", "arrears", "days_past_due"]


def night_of(
    store: Store,
    job: Job,
    worked: list[Finished],
    ranked: Ranked,
    said: pd.DataFrame,
    details: Details,
    treated: Treated | None = None,
) -> Night:
    """The published frames, each in its order."""
    as_of = date_of(job.as_of)
    listed = ranked.of(ranked.positions("worklist")).merge(said, on="account_no", how="left", validate="one_to_one")
    listed = in_order(listed).reset_index(drop=True)
    listed = listed.assign(
        as_of=as_of,
        valid_until=as_of,
        reporting_currency=job.params.money.reporting_currency,
        contact_from=_clock(listed["contact_from_minute"]),
        contact_until=_clock(listed["contact_until_minute"]),
        time_zone=listed["time_zone"].fillna(
            listed["portfolio"].map(lambda name: job.params.portfolio(name).time_zone)
        ),
        contacts_left=listed["contacts_left"].where(listed["contacts_left"] < NO_LIMIT).astype("Int64"),
        last_right_party=_dates(listed["last_right_party"]),
        last_payment=_dates(listed["last_payment"]),
    )
    audit, columns = _audit(listed, job), list(WORKLIST_COLUMNS)
    if treated is not None:
        columns += TREATED_COLUMNS
        offered = list_columns(listed, treated, job.params.worklist.language)
        listed = listed.drop(columns=[name for name in TREATED_COLUMNS if name in listed]).join(offered)
        details = replace(details, treatment=opened_lines(listed, treated, job.params.worklist.language))
    if job.params.unusual is not None:
        columns += [IDENTITY]
        listed = listed.assign(**{IDENTITY: _verified(listed, job.params.worklist.language)})
    shut = ["rule", "citation", "reason", *ABOUT]
    deferred = ["rule", "citation", "first_permitted", "reason", *ABOUT, "time_zone"]
    alone = ["p_if_left", "added_value", "p_recovered", "expected_recovery", *ABOUT]
    opened = replace(details, channels=_channels(worked, listed), appointments=_appointments(listed))
    return Night(
        as_of=as_of,
        valid_until=as_of,
        reporting_currency=job.params.money.reporting_currency,
        worklist=listed[columns],
        deferred=_of_group(ranked, "deferred", deferred),
        excluded=_of_group(ranked, "excluded", shut),
        next_in_line=_next_in_line(ranked, said, job),
        self_cure=_of_group(ranked, "self_cure", alone),
        held_out=_held_out(ranked),
        scores=_scores(ranked, job),
        counts=counted(ranked.groups),
        model={"version": job.model.version, **_said_of(job.model.record)},
        complete_through={name: date_of(day) for name, day in sorted(store.complete_through(job.versions).items())},
        manifest={},
        details=opened,
        audit=audit,
        language=job.params.worklist.language,
    )


def _audit(listed: pd.DataFrame, job: Job) -> pd.DataFrame:
    """Every term of the net value, what chose channel and window, and what brought the row on the list."""
    audit = listed.assign(
        rates_date=job.params.money.rates_date,
        permitted_from=_clock(listed["permitted_from_minute"]),
        permitted_until=_clock(listed["permitted_until_minute"]),
        part_of_day=listed["part"],
        last_worked=_dates(listed["last_worked"]),
        placed_on=_dates(listed["placed_on"]),
        nothing_overdue=nothing_overdue(listed),
    )
    about = [
        "account_id",
        "queue",
        "rank",
        "agent",
        "listed_by",
        "portfolio",
        "currency",
        *ASKED_COLUMNS,
        "nothing_overdue",
        "placed_on",
        *VALUED_OF,
        "reporting_currency",
    ]
    planned = [
        "p_if_left",
        "p_if_worked",
        "channel",
        "response_rate",
        "part_of_day",
        "permitted_from",
        "permitted_until",
        "last_worked",
    ]
    return audit[[*about, "fx", "rates_date", *VALUE_COLUMNS[1:], *planned]]


def _verified(listed: pd.DataFrame, language: str) -> list[str]:
    """In a sentence whose identity is to be verified before anything is said, and since when; "" where not."""
    said, speech = words(language)["verify_identity"], Speech(language)
    told = zip(listed["verify"], listed["verify_on"], strict=True)
    return [said[why].format(day=speech.day(date_of(int(day)), "medium")) if why else "" for why, day in told]


def nothing_overdue(rows: pd.DataFrame) -> np.ndarray:
    """Why an account is scorable of which nothing is overdue: charged off, else placed; "" where something is."""
    why = np.where(rows["charged_off"].to_numpy(bool), "charged_off", "placed")
    return np.where(rows["arrears"].to_numpy() > 0, "", why)


def first_in_line(ranked: Ranked) -> pd.DataFrame:
    """Of those next in line, the accounts of each queue whose first reason is told: MOST_TOLD of them."""
    at, line = ranked.positions("below_capacity"), ranked.found["line"].to_numpy()
    beyond = ranked.found[["queue"]].iloc[at[np.argsort(line[at])]]
    first = beyond.groupby("queue", sort=False, observed=True).head(MOST_TOLD).index.to_numpy()
    return ranked.of(first).iloc[np.argsort(line[np.sort(first)])].reset_index(drop=True)


def _next_in_line(ranked: Ranked, said: pd.DataFrame, job: Job) -> Table:
    """Who would be worked if there were more room, in the order of the list.

    place    of the debtor among those next in line of the queue, 1..n
    joined_to  the debtor's account of highest net value, on the debtor's other accounts; "" on that account itself
    reason_1 what sets the account apart from the others that wait; "" beyond the first MOST_TOLD of its queue
    """
    found, line = ranked.found, ranked.found["line"].to_numpy()
    heads = np.flatnonzero((line >= 0) & (found["head"].to_numpy() == np.arange(len(found))))
    heads = heads[np.argsort(line[heads])]
    queue, place = found["queue"].iloc[heads], np.zeros(len(found), np.int32)
    place[heads] = queue.groupby(queue, sort=False, observed=True).cumcount().to_numpy() + 1
    reasons = said.set_index("account_no")["reason_1"]
    of_account = place[np.maximum(found["head"].to_numpy(), 0)]

    def told(beyond: pd.DataFrame) -> pd.DataFrame:
        beyond = beyond.assign(
            place=of_account[beyond["position"].to_numpy()].astype(np.int64),
            joined_to=beyond["head"].where(beyond["head"] != beyond["account_id"], ""),
            nothing_overdue=nothing_overdue(beyond),
            last_payment=_dates(beyond["last_payment"]),
            last_right_party=_dates(beyond["last_right_party"]),
            reporting_currency=job.params.money.reporting_currency,
            reason_1=reasons.reindex(beyond["account_no"]).fillna("").to_numpy(),
        )
        return beyond[list(NEXT_COLUMNS)]

    told_here = {"place", "joined_to", "nothing_overdue", "reporting_currency", "reason_1"}
    columns = [
        "account_no",
        "head",
        "charged_off",
        "position",
        *(name for name in NEXT_COLUMNS if name not in told_here),
    ]
    return table_of(ranked, "next_in_line", line, columns, told)


def _scores(ranked: Ranked, job: Job) -> Table:
    """PUBLISHED_SCORES of every scorable account."""
    columns = [name for name in PUBLISHED_SCORES if name != "as_of"]
    place = ranked.found["account"].to_numpy()
    night = date_of(job.as_of)
    return table_of(ranked, "scores", place, columns, lambda rows: rows.assign(as_of=night)[list(PUBLISHED_SCORES)])


def _held_out(ranked: Ranked) -> Table:
    columns = ["account_id", "probability", "assigned_on", "until_on", "p_recovered", *VALUED, "would_rank", *ABOUT]

    def told(held: pd.DataFrame) -> pd.DataFrame:
        until = _dates(held["until_on"])
        held = held.assign(assigned_on=_dates(held["assigned_on"]), until_on=until)
        return held.rename(columns={"until_on": "held_out_until"})

    return table_of(ranked, "held_out", ranked.place("held_out"), columns, told)


def assignments(ranked: Ranked, job: Job) -> Table:
    """What became of every scorable account of the night, for the control group and for what
    later nights are measured by.

    arm is "" for debtors that never were workable; until_on is the first day on which the debtor may be drawn again.
    """
    figures = ["p_recovered", "expected_recovery", "net_value", "fx", "channel", "agent", "model_version"]
    kept = ["account_id", "debtor_id", "portfolio", "currency", "queue", "group", "rank", "head", "balance"]
    kept += ["arm", "assigned_on", "until_on", "probability"]
    texts = dict.fromkeys(("portfolio", "currency", "queue", "group"), "str")

    def told(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.astype(texts).assign(as_of=np.int32(job.as_of))

    return table_of(ranked, "assignments", ranked.found["account"].to_numpy(), [*kept, *figures], told)


def of_assignments(ranked: Ranked, job: Job) -> pd.DataFrame:
    """What the monitor asks of the assignments of a night that is not yet published, in no order."""
    columns = ["debtor_id", "currency", "p_recovered", "expected_recovery", "fx"]
    parts = [part for part in ranked.parts(columns) if len(part)]
    rows = pd.concat(parts or list(ranked.parts(columns))[:1], ignore_index=True)
    arms = ranked.of_debtor.iloc[ranked.found["debtor"].to_numpy()]
    return rows.assign(**{name: arms[name].array for name in OF_ARM}, as_of=np.int32(job.as_of))


def _of_group(ranked: Ranked, group: str, columns: list[str]) -> Table:
    def told(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.astype({name: "str" for name in SAID if name in rows})

    return table_of(ranked, group, ranked.place(group), ["account_id", *columns], told)


def _channels(worked: list[Finished], listed: pd.DataFrame) -> pd.DataFrame:
    names = listed.set_index("account_no")["account_id"]
    shown = pd.concat([one.channels[one.channels["account_no"].isin(names.index)] for one in worked], ignore_index=True)
    shown.insert(0, "account_id", names.reindex(shown["account_no"]).to_numpy())
    return shown.drop(columns="account_no").astype({"channel": "str", "verdict": "str"})


def _appointments(listed: pd.DataFrame) -> pd.DataFrame:
    return listed.loc[listed["appointment_at"] != NO_TIME, ["account_id", "appointment_at"]].reset_index(drop=True)


def _clock(minutes: pd.Series) -> list[str]:
    """HH:MM; the end of the day is 24:00, and "" stands where there is no window."""
    return _each_once(
        minutes,
        lambda minute: "" if np.isnan(minute) or minute < 0 else f"{int(minute) // 60:02d}:{int(minute) % 60:02d}",
    )


def _dates(days: pd.Series) -> pd.Series:
    told = _each_once(days, lambda day: None if day == NO_DAY else date_of(day))
    return pd.Series(told, index=days.index, dtype=object)


def _each_once(values: pd.Series, told: Callable[[Any], Any]) -> list[Any]:
    """What is told of each value, worked out once for those that come again."""
    places, distinct = pd.factorize(values, use_na_sentinel=False)
    said = [told(value) for value in distinct]
    return [said[place] for place in places.tolist()]


def _said_of(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: record[name] for name in ("run_id", "approved_by", "approved_at", "why") if record.get(name)}

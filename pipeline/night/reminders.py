"""The messages of a night: which step is open to whom, who is left in peace and why, which words they get."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from features.aliases import renamed
from features.days import date_of
from features.errors import UsageError
from features.members import among
from features.tables import NO_DAY
from models.lot import CONTROL
from pipeline.columns import MESSAGE_COLUMNS
from pipeline.law.overlay import law_of
from pipeline.messages.texts import SILENT, Message, Messages, wording_lacks
from pipeline.pages.language import words
from pipeline.params import Params, Reminders, Step
from pipeline.store.form import MESSAGES
from pipeline.store.store import Store

SELF_CURE, LISTED, HELD = "self_cure", ("worklist", "joined"), "held_out"
# Why a step that is open to somebody is not taken; the first that holds is told.
SKIPPED = (
    *("listed", "held_out", "engaged", "punctual", "said", "spacing", "worth", "often", "paid", "answered"),
    *("place", "language", "wording", "law", "one_a_debtor", "full", SILENT),
)
KEPT_COLUMNS = (
    *("account_id", "debtor_id", "portfolio", "channel", "message", "language", "variant", "probability", "step"),
    *("p_silent", "as_of"),
)


@dataclass(frozen=True)
class Reminded:
    """What a night says to whom. rows: MESSAGE_COLUMNS; kept: KEPT_COLUMNS, what the store remembers, the silent ones
    among it (p_silent: the chance of being one); skipped: reason of SKIPPED -> accounts to which a step was open.
    """

    rows: pd.DataFrame
    kept: pd.DataFrame
    skipped: Mapping[str, int] = field(default_factory=dict)

    def told(self, known: Messages, reminders: Reminders) -> dict[str, object]:
        """What the manifest says of the messages."""
        used = {step.message for step in reminders.steps}
        return {
            "messages": len(self.rows),
            "steps": {step.name: int((self.rows["step"] == step.name).sum()) for step in reminders.steps},
            "skipped": {reason: self.skipped[reason] for reason in SKIPPED if self.skipped.get(reason)},
            "shares": {key: dict(known.messages[key].shares) for key in sorted(used)},
        }


def said_before(store: Store, names: Mapping[str, str], as_of: int) -> pd.DataFrame:
    """KEPT_COLUMNS of the messages of nights before this one, debtors by the names that they have by now."""
    kept = store.read(MESSAGES, list(KEPT_COLUMNS), before=as_of)
    if kept.empty:
        return nothing_kept()
    return kept.assign(debtor_id=renamed(kept["debtor_id"], names)) if names else kept


def nothing_kept() -> pd.DataFrame:
    """KEPT_COLUMNS without a row."""
    kinds = {"as_of": "int32", "probability": "float64", "p_silent": "float64"}
    return pd.DataFrame({name: pd.Series(dtype=kinds.get(name, "str")) for name in KEPT_COLUMNS})


def published_before(store: Store, as_of: int) -> pd.DataFrame:
    """account_id, channel and as_of of the messages that nights before this one published, in their order."""
    kept = said_before(store, {}, as_of)
    rows = kept.loc[kept["variant"] != SILENT, ["account_id", "channel", "as_of"]]
    return rows.sort_values(["as_of", "account_id"], ignore_index=True).astype({"account_id": "str", "channel": "str"})


def reminded(
    reach: pd.DataFrame,
    groups: pd.DataFrame,
    arms: pd.DataFrame,
    as_of: int,
    params: Params,
    known: Messages,
    wait: int = 0,
) -> Reminded:
    """The messages of the night.

    reach    pipeline.night.reach.REACH_COLUMNS of all shards
    groups   account_id, debtor_id, group and net_value of every scorable account, as ranked
    arms     of the lot over who is worked; wait: days after a message for which another is worth less than one later
    """
    return chosen([with_step(reach, groups, arms, as_of, params, known, wait)], arms, as_of, params)


def with_step(
    reach: pd.DataFrame,
    groups: pd.DataFrame,
    arms: pd.DataFrame,
    as_of: int,
    params: Params,
    known: Messages,
    wait: int = 0,
) -> pd.DataFrame:
    """The accounts to which a step is open, with its words, and why it is not taken as far as their debtor tells. reach
    and groups, of `reminded`, may be those of a shard alone, for all accounts of a debtor lie in one.
    """
    rows = _with_step(reach.drop_duplicates("account_no"), groups, known, params)
    rows["skip"] = _left_in_peace(rows, groups, arms, _reminders(params), as_of, wait)
    return _with_words(rows, reach, known, _reminders(params), params)


def _reminders(params: Params) -> Reminders:
    if params.reminders is None:
        raise UsageError("`reminders` of the params is empty: no step says what to send.")
    return params.reminders


def chosen(shards: Iterable[pd.DataFrame], arms: pd.DataFrame, as_of: int, params: Params) -> Reminded:
    """The messages of the night, from `with_step` of all shards: one a debtor, no more than a step says."""
    reminders, found = _reminders(params), list(shards)
    rows = pd.concat([each for each in found if len(each)] or found[:1], ignore_index=True)
    rows = rows.sort_values(["offset", "account_id"], ascending=[False, True], ignore_index=True)
    going = rows["skip"] == ""
    rows.loc[going & rows["debtor_id"].where(going).duplicated(), "skip"] = "one_a_debtor"
    _within_most(rows, reminders.steps)
    # The lot falls last: whoever it leaves silent would have been written to, as those are who are compared with them.
    by_lot = ~among(rows["debtor_id"], _only(arms["debtor_id"], rows["debtor_id"]))
    rows["p_silent"] = np.where(by_lot, reminders.control_share, 0.0)
    chance = np.array([chance_of(params.seed, SILENT, name) for name in rows["debtor_id"]], np.float64)
    rows.loc[(rows["skip"] == "") & (chance < rows["p_silent"]), "skip"] = SILENT
    going = rows[rows["skip"] == ""].sort_values("account_id", ignore_index=True)
    silent = rows[rows["skip"] == SILENT].assign(variant=SILENT, probability=reminders.control_share)
    kept = _kept(pd.concat([going, silent]))
    kept = kept.assign(as_of=np.int32(as_of)).sort_values("account_id", ignore_index=True)[list(KEPT_COLUMNS)]
    skipped = rows.loc[rows["skip"] != "", "skip"].value_counts()
    return Reminded(
        _published(going, date_of(as_of), params.worklist.language),
        kept,
        {str(name): int(many) for name, many in skipped.items()},
    )


def _only(debtors: pd.Series, asked: pd.Series) -> pd.Series:
    """Those of many debtors who are among a few."""
    return debtors[among(debtors, asked)]


def said_of(known: Messages, reminders: Reminders) -> list[dict[str, object]]:
    """The words of every message that a step may send, for people to read: message, variant, share, channel, language,
    subject, body.
    """
    used = dict.fromkeys(step.message for step in reminders.steps)
    return [
        {
            "message": key,
            "variant": variant,
            "share": known.messages[key].shares[variant],
            "channel": channel,
            "language": language,
            "subject": text.subject,
            "body": text.body,
        }
        for key in used
        for variant, texts in known.messages[key].texts.items()
        for (channel, language), text in texts.items()
    ]


def chance_of(*parts: object) -> float:
    """Uniform in [0, 1), the same on every machine."""
    text = "|".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") / 2.0**64


def drawn(message: Message, debtor_id: str, seed: int, shares: Mapping[str, float]) -> str:
    """The variant of a debtor: the same on every night on which the shares are."""
    chance, bound, names = chance_of(seed, "variant", message.key, debtor_id), 0.0, list(message.texts)
    for name in names[:-1]:
        bound += shares[name]
        if chance < bound:
            return name
    return names[-1]


def _with_step(accounts: pd.DataFrame, groups: pd.DataFrame, known: Messages, params: Params) -> pd.DataFrame:
    """Accounts to which a step is open, with its number: of those with a day the latest; the one of those who pay alone
    where no other is. A step whose message is for another role is none of a book's.
    """
    rows = accounts.merge(groups[["account_id", "group", "net_value"]], on="account_id", how="left")
    rows = rows.assign(group=rows["group"].fillna(""), net_value=rows["net_value"].fillna(0).astype(np.int64))
    step, latest = np.full(len(rows), -1), np.full(len(rows), -(2**31))
    offset = rows["offset"].to_numpy(np.int64)
    roles = rows["portfolio"].map({name: params.portfolio(name).role for name in rows["portfolio"].unique()})
    for number, each in enumerate(params.reminders.steps):  # pyrefly: ignore[missing-attribute]
        if each.day is None or each.until is None:
            day, fits = -(2**31) + 1, (rows["group"] == SELF_CURE).to_numpy(copy=True)
        else:
            day, fits = each.day, (offset >= each.day) & (offset < each.until)
        for column, wanted in (("portfolio", each.portfolios), ("debtor_type", each.debtor_types)):
            fits &= rows[column].isin(wanted).to_numpy() if wanted else True
        fits &= roles.map(known.messages[each.message].speaks_as).to_numpy(bool) & (day > latest)
        step[fits], latest[fits] = number, day
    return rows.assign(number=step)[step >= 0].reset_index(drop=True)


def _left_in_peace(
    rows: pd.DataFrame, groups: pd.DataFrame, arms: pd.DataFrame, reminders: Reminders, night: int, wait: int
) -> np.ndarray:
    """The first reason of SKIPPED that holds a step back, as far as it hangs on the debtor; "" where none does."""
    debtor = rows["debtor_id"]
    listed = groups.loc[groups["group"].isin(LISTED), "debtor_id"]
    left = _only(arms.loc[arms["arm"] == CONTROL, "debtor_id"], debtor)
    held = pd.concat([groups.loc[groups["group"] == HELD, "debtor_id"], left])
    day = np.array([NO_DAY if step.day is None else step.day for step in reminders.steps])[rows["number"]]
    open_days = np.array([step.open_days for step in reminders.steps])[rows["number"]]
    opened = np.where(
        day == NO_DAY, night - open_days + 1, night - (rows[["offset", "paused"]].sum(axis=1).to_numpy(np.int64) - day)
    )
    whys = {
        "listed": among(debtor, listed),
        "held_out": among(debtor, held),
        "engaged": rows.groupby("debtor_id")["engaged"].transform("any"),
        "punctual": (day <= 0) & (day != NO_DAY) & (rows["worst"] < reminders.late_from_days),
        "said": rows["last_message"] >= opened,
        "spacing": rows["last_contact"] > night - reminders.spacing_days,
        "worth": rows["last_message"] > night - wait,
        "often": rows["messages"] >= reminders.most_in_30_days,
        "paid": rows["last_paid"] > night - reminders.quiet_days,
        "answered": rows["last_answer"] > night - reminders.quiet_days,
    }
    return np.select([np.asarray(held_back, bool) for held_back in whys.values()], list(whys), default="").astype(
        object
    )


def _with_words(
    rows: pd.DataFrame, reach: pd.DataFrame, known: Messages, reminders: Reminders, params: Params
) -> pd.DataFrame:
    """Channel, window, message, language, variant and its probability of each row; why not where there is none."""
    law, otherwise = law_of(params), params.worklist.language
    free = reach[(reach["verdict"] == "permitted") & (reach["contacts_left"] > 0)]
    windows = {
        (row.account_no, row.channel): (row.from_minute, row.until_minute, row.time_zone)
        for row in free[np.isin(free["account_no"].to_numpy(), rows["account_no"].to_numpy())].itertuples()
    }
    lacks: dict[tuple[str, ...], bool] = {}
    told = []
    for row in rows.itertuples():
        step = reminders.steps[row.number]
        message = known.messages[step.message]
        language = row.language or reminders.language_of(row.portfolio, row.jurisdiction, otherwise)
        variant = drawn(message, row.debtor_id, params.seed, message.shares)
        role, skip, chosen = params.portfolio(row.portfolio).role, row.skip, ""
        if not skip and not message.reaches(row.jurisdiction):
            skip = "place"
        if not skip and language not in known.languages:
            skip = "language"
        if not skip:
            skip = "law"
            for channel in step.channels:
                if (row.account_no, channel) not in windows:
                    continue
                key = (message.key, variant, row.jurisdiction, role, channel, language)
                if key not in lacks:
                    text = message.texts[variant][channel, language]
                    lacks[key] = wording_lacks(known, law, row.jurisdiction, role, text, channel, language)
                if not lacks[key]:
                    skip, chosen = "", channel
                    break
                skip = "wording"
        window = windows.get((row.account_no, chosen), (-1, -1, ""))
        told.append((skip, chosen, message.key, language, variant, message.shares[variant], step.name, *window[:2]))
    names = ["skip", "channel", "message", "language", "variant", "probability", "step", "from_minute", "until_minute"]
    found = pd.DataFrame(told, columns=names, index=rows.index)
    return pd.concat([rows.drop(columns=[name for name in names if name in rows]), found], axis=1)


def _within_most(rows: pd.DataFrame, steps: Sequence[Step]) -> None:
    """Those worth most where a step says no more than so many, in place."""
    for step in steps:
        going = rows[(rows["step"] == step.name) & (rows["skip"] == "")]
        if step.most is not None and len(going) > step.most:
            order = going.sort_values(["net_value", "account_id"], ascending=[False, True])
            rows.loc[order.index[step.most :], "skip"] = "full"


def _kept(rows: pd.DataFrame) -> pd.DataFrame:
    chances = ["probability", "p_silent"]
    texts = [name for name in KEPT_COLUMNS if name not in (*chances, "as_of")]
    return rows[[*texts, *chances]].astype({**dict.fromkeys(texts, "str"), **dict.fromkeys(chances, "float64")})


def _published(rows: pd.DataFrame, as_of: dt.date, language: str) -> pd.DataFrame:
    said = words(language)["messages"]
    clocks = {name: [_clock(minute) for minute in rows[f"{name}_minute"]] for name in ("from", "until")}
    why = [_why(row, said) for row in rows.itertuples()]
    found = rows.assign(send_from=clocks["from"], send_until=clocks["until"], why=why, as_of=as_of, valid_until=as_of)
    texts = [name for name in MESSAGE_COLUMNS if name not in ("probability", "as_of", "valid_until")]
    return found.astype({**dict.fromkeys(texts, "str"), "probability": "float64"})[list(MESSAGE_COLUMNS)]


def _why(row: object, said: Mapping[str, str]) -> str:
    """One sentence in the manager's language."""
    offset, last = int(row.offset), int(row.messages)  # pyrefly: ignore[missing-attribute]
    if row.group == SELF_CURE:  # pyrefly: ignore[missing-attribute]
        when = said["why_alone"]
    elif offset < 0:
        when = said["why_before"].format(days=-offset)
    else:
        when = said["why_today" if offset == 0 else "why_overdue"].format(days=offset)
    return f"{when} {said['why_none' if last == 0 else 'why_before_it'].format(count=last)}"


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"

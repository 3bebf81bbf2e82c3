"""Unusual payments and identities over all debtors: cases for a person to look at, ranked by how rare their signs are
in this house, and then by money. It feeds no model and changes no list.

Each shard tells what its own debtors did and by which instruments and endpoints (features.unusual). Here debtors are
brought together over the shards by the instruments and endpoints that they share. Of all keys a night holds numbers;
rows, of those alone that two debtors may share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from features.currencies import DECIMALS
from features.days import date_of
from features.tables import NO_MONEY
from features.unusual import CHANGE, ENDPOINT, INSTRUMENT, KINDS, REFUND, RING, Limits, Readings, nothing_read, readings
from pipeline.columns import UNUSUAL_COLUMNS
from pipeline.night.score import Job
from pipeline.pages.language import words
from pipeline.pages.speech import Speech
from pipeline.panel.view import View
from pipeline.params import Unusual

GROUP_RING = "group_ring"  # payments taken back by one instrument of several debtors: of the kind RING
NOT_JUDGED = "not_judged"
MOST_NAMED = 50  # ids of debtors, and of accounts, in a row
_ACCOUNT = ["debtor_id", "account_id", "portfolio", "currency"]
_FOUND = ["case_of", "sign", "debtor_id", "account_id", "portfolio", "currency", "amount", "many", "of", "first_on"]
_FOUND += ["last_on", "usual", "before", "after", "rare"]
_NOTHING = {"usual": 0, "before": "", "after": ""}  # where a sign does not tell it


def unusual_shard(job: Job, seen: View) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """features.unusual.OWN, LINKS and JUDGED of a shard; empty where the params have no `unusual`."""
    own = job.params.unusual
    read = nothing_read() if own is None else readings(seen.tables, seen.ledger, job.as_of, _limits(own))
    return read.own, read.links, read.judged


def _limits(own: Unusual) -> Limits:
    return Limits(**{name: getattr(own, name) for name in Limits.__dataclass_fields__})


def unusual_of(parts: Sequence[Callable[[], Readings]], job: Job) -> tuple[pd.DataFrame, dict[str, Any]]:
    """UNUSUAL_COLUMNS, the rarest case first, and after them a row without a rank for each kind that some book's tables
    do not tell; what the manifest says. parts: what hands in a shard's readings; each is asked twice.
    """
    own = job.params.unusual or Unusual()
    signs, told, keys = [], [], _Keys(own)
    for part in parts:
        read = part()
        signs.append(read.own)
        told.append(read.judged)
        keys.add(read.links)
    keys.close()
    links = pd.concat([keys.shared_of(part().links) for part in parts], ignore_index=True)
    judged = pd.concat(told, ignore_index=True).groupby(["kind", "portfolio"], as_index=False).sum()
    found = _signs(pd.concat(signs, ignore_index=True), links, keys.many, judged, own)
    cases, left_out = _cases(found, job, own.rows)
    silent = judged[(judged["evidence"] == 0).to_numpy()]
    lines = pd.concat([cases, _silent_rows(silent, job)], ignore_index=True)[list(UNUSUAL_COLUMNS)]
    about = {
        "cases": len(cases),
        "left_out": left_out,
        "by_kind": {
            kind: int(cases["kinds"].map(lambda told, kind=kind: kind in told.split()).sum()) for kind in KINDS
        },
        "limits": own.model_dump(exclude={"shared_by_right"}) | {"shared_by_right": len(own.shared_by_right)},
        "judged": _books(judged[(judged["evidence"] > 0).to_numpy()]),
        NOT_JUDGED: _books(silent),
        "money": {
            str(currency): int(rows["money_in_question"][rows["money_in_question"] != NO_MONEY].sum())
            for currency, rows in cases.groupby("currency", sort=True)
        },
    }
    return lines, about


class _Keys:
    """How many instruments and endpoints all shards name, and those that two debtors may share. Each is a number of 64
    bits of its text, and how many debtors the shards count for it: debtors of two shards are two.
    """

    def __init__(self, own: Unusual) -> None:
        self.right = own.shared_by_right
        self.least = min(2, own.instrument_debtors, own.endpoint_debtors)
        self.told: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {INSTRUMENT: [], ENDPOINT: []}
        self.many: dict[str, int] = {}
        self.shared: dict[str, np.ndarray] = {}

    def add(self, links: pd.DataFrame) -> None:
        links = links[~links["key"].isin(self.right).to_numpy()]
        for kind, told in self.told.items():
            own = links[(links["kind"] == kind).to_numpy()]
            pairs = pd.DataFrame({"key": _number(own["key"]), "who": pd.factorize(own["debtor_id"])[0]})
            keys, debtors = np.unique(pairs.drop_duplicates()["key"].to_numpy(), return_counts=True)
            told.append((keys, debtors.astype(np.int32)))

    def close(self) -> None:
        """All shards have been added."""
        for kind, told in self.told.items():
            keys, debtors = (np.concatenate(each) for each in zip(*told, strict=True))
            order = np.argsort(keys)
            keys, debtors = keys[order], debtors[order]
            first = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])) if keys.size else order
            self.many[kind] = first.size
            sums = np.add.reduceat(debtors, first) if first.size else debtors
            self.shared[kind] = keys[first][sums >= self.least]
            told.clear()

    def shared_of(self, links: pd.DataFrame) -> pd.DataFrame:
        """The rows of the keys that may be shared."""
        number, kept = _number(links["key"]), ~links["key"].isin(self.right).to_numpy()
        shared = np.zeros(len(links), bool)
        for kind, keys in self.shared.items():
            shared |= (links["kind"] == kind).to_numpy() & np.isin(number, keys)
        return links[shared & kept]


def _number(keys: pd.Series) -> np.ndarray:
    return pd.util.hash_pandas_object(keys.astype("str"), index=False).to_numpy()


def _books(judged: pd.DataFrame) -> dict[str, list[str]]:
    return {kind: sorted(rows["portfolio"]) for kind, rows in judged.groupby("kind", sort=True)}


# ---- signs -----------------------------------------------------------------------------------------------------------


def _signs(
    signs: pd.DataFrame, links: pd.DataFrame, many: Mapping[str, int], judged: pd.DataFrame, own: Unusual
) -> pd.DataFrame:
    """_FOUND: a row per sign and account. case_of: what the sign is of, a debtor or a key; rare: the share of those
    looked at that show as much of it. links: of the keys that may be shared; many: keys that there are, by kind.
    """
    debtors = judged.groupby("kind")["debtors"].sum()
    alone = signs.assign(sign=signs["kind"], case_of="debtor " + signs["debtor_id"])
    whole = alone.groupby(["sign", "debtor_id"])["many"].sum().rename("whole").reset_index()
    whole["rare"] = 1.0
    for sign, rows in whole.groupby("sign"):
        of_each = rows["whole"].to_numpy() if sign == RING else np.ones(len(rows), np.int64)
        whole.loc[rows.index, "rare"] = _at_least(of_each) / max(int(debtors.get(sign, 0)), len(rows))
    alone = alone.merge(whole.drop(columns="whole"), on=["sign", "debtor_id"])
    least = {INSTRUMENT: own.instrument_debtors, ENDPOINT: own.endpoint_debtors}
    parts = [alone, *(_shared(links, kind, least[kind], many[kind]) for kind in least)]
    parts.append(_ring_of_several(links[(links["kind"] == INSTRUMENT).to_numpy()], own, many[INSTRUMENT]))
    told = [part.assign(**{name: empty for name, empty in _NOTHING.items() if name not in part}) for part in parts]
    found = pd.concat([part[_FOUND] for part in told if len(part)] or [told[0][_FOUND]])
    return found.sort_values(["case_of", "sign", "account_id"], ignore_index=True)


def _at_least(many: np.ndarray) -> np.ndarray:
    """How many of them are as many or more."""
    return len(many) - np.searchsorted(np.sort(many), many, side="left")


def _by_key(links: pd.DataFrame) -> pd.DataFrame:
    return links.groupby("key").agg(
        debtors=("debtor_id", "nunique"), many=("many", "sum"), cycles=("cycles", "sum"), first_on=("first_on", "min")
    )


def _shared(links: pd.DataFrame, kind: str, least: int, many: int) -> pd.DataFrame:
    """Accounts of the keys of `least` debtors or more; of an endpoint also of those who have no place that all of them
    have, as no one household is.
    """
    links = links[(links["kind"] == kind).to_numpy()]
    keys = _by_key(links)
    flagged = keys["debtors"] >= least
    if kind == ENDPOINT:
        placed = links[(links["place"] != "").to_numpy()]
        there = placed.groupby("key")["debtor_id"].nunique().reindex(keys.index).fillna(0)
        most = placed.groupby(["key", "place"])["debtor_id"].nunique().groupby("key").max()
        flagged |= (there >= 2) & (most.reindex(keys.index).fillna(0) < there)
    if not flagged.any():
        return links.iloc[:0]
    keys = keys[flagged.to_numpy()].assign(rare=_at_least(keys["debtors"].to_numpy())[flagged.to_numpy()] / many)
    rows = links[links["key"].isin(keys.index).to_numpy()]
    rare = keys["rare"].reindex(rows["key"]).to_numpy()
    return rows.assign(sign=kind, case_of=f"{kind} " + rows["key"], rare=rare, of=rows["many"])


def _ring_of_several(links: pd.DataFrame, own: Unusual, many: int) -> pd.DataFrame:
    """Accounts of the instruments by which payments of two debtors or more were taken back again and again."""
    keys, back = _by_key(links), links[(links["cycles"] > 0).to_numpy()].groupby("key")["debtor_id"].nunique()
    flagged = (keys["cycles"] >= own.ring_payments) & (keys["cycles"] >= own.ring_share * keys["many"])
    flagged &= back.reindex(keys.index).fillna(0) >= 2
    if not flagged.any():
        return links.iloc[:0]
    rows = links[links["key"].isin(keys.index[flagged]).to_numpy()]
    rare = np.full(len(rows), flagged.sum() / many)
    told = {"amount": rows["taken_back"], "many": rows["cycles"], "of": rows["many"]}
    return rows.assign(sign=GROUP_RING, case_of=f"{INSTRUMENT} " + rows["key"], rare=rare, **told)


# ---- cases -----------------------------------------------------------------------------------------------------------


def _cases(found: pd.DataFrame, job: Job, most: int) -> tuple[pd.DataFrame, int]:
    """A row per case, `most` of them, and how many are left out: signs that share a debtor are one case."""
    found = found.assign(case=_joined(found))
    ordered = _in_order(found, job)
    kept = found[found["case"].isin(ordered[:most]).to_numpy()]
    parts = dict(list(kept.groupby("case")))
    speech, said = Speech(job.params.worklist.language), words(job.params.worklist.language)["unusual"]
    told = [_case(parts[case], job, speech, said) for case in ordered[:most]]
    cases = pd.DataFrame(told, columns=list(UNUSUAL_COLUMNS))
    return cases.assign(rank=np.arange(1, len(cases) + 1, dtype=np.int64)), max(len(ordered) - most, 0)


def _in_order(found: pd.DataFrame, job: Job) -> list[int]:
    """The cases, the rarest signs first, then the most money at the dated rates, then by ids. No words yet: a house may
    have many thousands.
    """
    if found.empty:
        return []
    rare = found.assign(kind=found["sign"].replace(GROUP_RING, RING)).groupby(["case", "kind"])["rare"].min()
    strength = (-np.log10(rare)).groupby("case").sum().round(6)
    sums = found.groupby(["case", *_ACCOUNT])["amount"].max().groupby(["case", "currency"]).sum().reset_index()
    money = job.params.money
    rates = {**money.rates, money.reporting_currency: 1.0}
    unit = {name: rates.get(name, np.nan) / 10 ** DECIMALS[name] for name in sums["currency"].unique()}
    value = sums["amount"] * sums["currency"].map(unit)
    worth = value.groupby(sums["case"]).agg(lambda parts: 0.0 if parts.isna().any() else parts.sum())
    ids = [
        found[["case", name]].drop_duplicates().sort_values(["case", name]).groupby("case")[name].agg(_named)
        for name in ("account_id", "debtor_id")
    ]
    whole = pd.DataFrame({"strength": -strength, "worth": -worth, "accounts": ids[0], "debtors": ids[1]})
    return whole.sort_values(list(whole), kind="stable").index.tolist()


def _named(ids: pd.Series) -> str:
    return " ".join(ids.iloc[:MOST_NAMED])


def _joined(found: pd.DataFrame) -> np.ndarray:
    """The case of each row: the least number of what is joined to it, however far."""
    what, whats = pd.factorize(found["case_of"], sort=True)
    who, whos = pd.factorize(found["debtor_id"], sort=True)
    case = np.arange(len(whats))
    while True:
        of_debtor = np.full(len(whos), len(whats))
        np.minimum.at(of_debtor, who, case[what])
        least = case.copy()
        np.minimum.at(least, what, of_debtor[who])
        least = least[least]  # what it is joined to has come nearer, too: a long chain takes few turns
        if (least == case).all():
            return case[what]
        case = least


def _case(rows: pd.DataFrame, job: Job, speech: Speech, said: Mapping[str, Any]) -> dict[str, Any]:
    kinds = {RING if sign == GROUP_RING else sign for sign in rows["sign"]}
    rare = rows.assign(kind=rows["sign"].replace(GROUP_RING, RING)).groupby("kind")["rare"].min()
    per_account = rows.groupby(_ACCOUNT)["amount"].max().reset_index()
    minor, currency = _money(per_account.groupby("currency")["amount"].sum(), job)
    reasons = [
        _reason(str(sign), of, speech, said)
        for (sign, _), of in sorted(
            rows.groupby(["sign", "case_of"]), key=lambda each: (_order(each[0][0]), each[0][1])
        )
    ]
    lacking = [said["no_rate"]] if minor == NO_MONEY else []
    debtors, accounts = sorted(set(rows["debtor_id"])), sorted(set(rows["account_id"]))
    return {
        "rank": 0,
        "kinds": " ".join(kind for kind in KINDS if kind in kinds),
        "debtor_ids": " ".join(debtors[:MOST_NAMED]),
        "account_ids": " ".join(accounts[:MOST_NAMED]),
        "debtors": len(debtors),
        "accounts": len(accounts),
        "portfolios": " ".join(sorted(set(rows["portfolio"]))),
        "currency": currency,
        "money_in_question": minor,
        "first_on": date_of(int(rows["first_on"].min())),
        "last_on": date_of(int(rows["last_on"].max())),
        "one_in": int(np.floor(1 / rare.min())),
        "reasons": " ".join(dict.fromkeys([*reasons, *lacking])),
        "as_of": date_of(job.as_of),
    }


def _order(sign: str) -> int:
    return [REFUND, RING, GROUP_RING, INSTRUMENT, CHANGE, ENDPOINT].index(sign)


def _money(per_currency: pd.Series, job: Job) -> tuple[int, str]:
    """(minor units, currency); several currencies at the dated rates. NO_MONEY where a rate is missing: parts are not
    added.
    """
    money = job.params.money
    rates = {**money.rates, money.reporting_currency: 1.0}
    if len(per_currency) == 1:
        return int(per_currency.iloc[0]), str(per_currency.index[0])
    if any(currency not in rates for currency in per_currency.index):
        return NO_MONEY, money.reporting_currency
    worth = sum(int(minor) * rates[name] / 10 ** DECIMALS[name] for name, minor in per_currency.sort_index().items())
    return int(round(worth * 10 ** DECIMALS[money.reporting_currency])), money.reporting_currency


def _reason(sign: str, rows: pd.DataFrame, speech: Speech, said: Mapping[str, Any]) -> str:
    """One sign in a sentence; its largest account's figures where they are an account's own."""
    rows = rows.sort_values(["amount", "account_id"], ascending=[False, True])
    first = rows.iloc[0]
    sums = rows.groupby("currency")["amount"].sum().sort_index()
    sums = sums[sums > 0] if (sums > 0).any() else sums.iloc[:1]
    return said["signs"][sign].format(
        amount=" + ".join(speech.money(int(minor), str(code)) for code, minor in sums.items()),
        usual=speech.money(int(first["usual"]), str(first["currency"])),
        many=speech.count(int(rows["many"].sum())),
        of=speech.count(int(rows["of"].sum())),
        earlier=speech.count(int(first["many"])),
        debtors=speech.count(rows["debtor_id"].nunique()),
        first=speech.day(date_of(int(rows["first_on"].min())), "medium"),
        last=speech.day(date_of(int(rows["last_on"].max())), "medium"),
        before=first["before"],
        after=first["after"],
    )


def _silent_rows(silent: pd.DataFrame, job: Job) -> pd.DataFrame:
    """What cannot be told, and of which books: no case of theirs is not the same as none found."""
    said = words(job.params.worklist.language)["unusual"]["not_judged"]
    rows = [
        {
            "rank": 0,
            "kinds": NOT_JUDGED,
            "portfolios": " ".join(books),
            "reasons": said[kind].format(books=", ".join(books)),
            "as_of": date_of(job.as_of),
            "money_in_question": NO_MONEY,
            **dict.fromkeys(("debtors", "accounts", "one_in"), 0),
            "currency": job.params.money.reporting_currency,
            **dict.fromkeys(("debtor_ids", "account_ids"), ""),
        }
        for kind, books in _books(silent).items()
    ]
    return pd.DataFrame(rows, columns=list(UNUSUAL_COLUMNS))

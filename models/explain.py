"""Exact contributions turned into at most three short true sentences with the account's own
figures and their direction.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import pandas as pd

from features.errors import ModelRefused, some_ids
from features.spec import PLACEHOLDER
from features.tables import NO_DAY
from features.vocabulary import FACTS
from models.baseline import AgeBandTable
from models.boosting import exact_contributions, raw_scores
from models.phrases import ADDS_LESS, ADDS_MORE, ENGLISH, NOT_PLACED, PAST_DUE, PAST_DUE_AND_PAID, PLACED, Voice
from models.recovery import RecoveryModel
from models.watch import WatchHead

REASON_COLUMNS = ("reason_1", "reason_2", "reason_3")
STRENGTH_COLUMNS = ("strength_1", "strength_2", "strength_3")
BASE = "(base)"  # the row of a table of contributions that says where they start
UP, DOWN = "▲", "▼"  # raises or lowers the chance that the account pays
LEAST_STRENGTH = 0.02  # log-odds: a group that moves the score less is no reason
LEAST_OF_STRONGEST = 0.25  # of an account's strongest pull: what pulls less is said after all that pulls more
MOST_TOLD = 8  # groups of an account from which its reasons are chosen
EXACT = 1e-6

_NOT_TOPIC = re.compile(
    r"\{[^}]*\}|\bon overdue or placed accounts\b|\bin the last (?:\d+ days|year)\b|\bso far\b|\bago\b|[:;,].*"
)

_SAME_TOPIC = (
    ("overdue or placed accounts", "accounts of the debtor"),
    ("past due", "past due"),
    ("overdue", "past due"),
    ("newest open placement", "placed"),
    ("brok", "broken promises"),
)
_SEVERAL = re.compile(r" on overdue or placed accounts\b")
_OF_ONE = {"Newest open placement": "Placed", "Most days": "Days"}


class Declaration(Protocol):
    """The part of a catalogue's entry that is read here."""

    @property
    def name(self) -> str: ...

    @property
    def group(self) -> str | None: ...

    @property
    def says(self) -> str | None: ...

    @property
    def says_missing(self) -> str | None: ...


def checked_contributions(
    model: RecoveryModel | AgeBandTable | WatchHead, matrix: pd.DataFrame, cohort: pd.DataFrame, **how: bool
) -> tuple[pd.DataFrame, np.ndarray]:
    """Contributions per column and base per row, once they add up to the raw score on every row;
    ModelRefused otherwise.
    """
    found, base = model.contributions(matrix, cohort, **how)
    _check_sum(found.to_numpy().sum(axis=1) + base, model.raw(matrix, cohort), cohort)
    return found, base


class Sentences:
    """What the columns of some rows say of them: the catalogue's entries with the rows' own figures, in a language."""

    def __init__(self, matrix: pd.DataFrame, cohort: pd.DataFrame, catalogue: Sequence[Declaration], voice: Voice):
        self.entries = {entry.name: entry for entry in catalogue if entry.name in matrix.columns}
        self.voice = voice
        self._values = {
            name: column.to_numpy(dtype=object if column.dtype != np.float64 else None)
            for name, column in matrix.items()
        }
        self._currencies = cohort["currency"].astype("str").to_numpy()

    def said(self, name: str, row: int) -> str:
        """The sentence of a column; "" where it says nothing, or names a figure that is missing."""
        entry, values = self.entries[name], self._values
        if name in FACTS and FACTS[name].unit == "flag" and values[name][row] == 0:
            return ""  # the sentence says that it is so
        template = entry.says_missing if _missing(values[name][row]) else entry.says
        if not template:
            return ""
        if values.get("debtor_accounts") is not None and values["debtor_accounts"][row] == 1:
            if name == "debtor_accounts":
                # a debtor may hold others that are not scorable: one is no news, and reads as if there were no more
                return ""
            template = of_one_account(template)
        holes = {hole or "value" for hole, _ in PLACEHOLDER.findall(template)}
        figures = {hole: values[name if hole == "value" else hole][row] for hole in holes}
        held = list(figures.values())
        if any(map(_missing, held)) or (
            len(held) > 1 and all(isinstance(value, float) and value == 0 for value in held)
        ):
            return ""  # "Kept 0 of 0 promises" is true and says nothing
        return self.voice.said(template, figures, self._currencies[row])

    def first(self, names: Iterable[str], row: int, topics: Set[str]) -> tuple[str, str]:
        """The sentence of the first column that says something, and its topic; "" twice where none does.

        A topic said already is passed over: "last payment" is one reason, on this account or on any of the debtor's.
        """
        for name in names:
            about = topic(self.entries[name])
            text = "" if about in topics else self.said(name, row)
            if text:
                return text, about
        return "", ""


def reasons(
    model: RecoveryModel | AgeBandTable | WatchHead,
    matrix: pd.DataFrame,
    cohort: pd.DataFrame,
    catalogue: Sequence[Declaration],
    voice: Voice = ENGLISH,
) -> pd.DataFrame:
    """reason_1..3 (text, "" where there are fewer) and strength_1..3 (log-odds of the group, NaN there),
    strongest first.

    Contributions are added up by group; a group's sentence is that of the column that does most in the group's
    direction and has something to say. Columns without a declaration, or one that says nothing (our own contact
    attempts), are never a reason.
    """
    found, _ = checked_contributions(model, matrix, cohort)
    if isinstance(model, AgeBandTable):
        return _assemble(_band_candidates(model, found, matrix, cohort, voice), matrix.index)
    return _assemble(_candidates(found, Sentences(matrix, cohort, catalogue, voice)), matrix.index)


Said = list[tuple[float, str, int]]  # strength of a group, its sentence, its place among the groups


@dataclass(frozen=True)
class Spoken:
    """What may be said of some accounts, before it is known what sets each apart from the others.

    said   per account up to MOST_TOLD groups that have something to say, the strongest first
    pulls  float64 accounts x groups: the contribution of each
    whole  float64 per account: what all that was taught adds up to
    """

    said: list[Said]
    pulls: np.ndarray
    whole: np.ndarray


@dataclass(frozen=True)
class Told:
    """Why accounts pay, in log-odds, and why a call changes more, or less, for them than for others, in parts of theta;
    None where that is not asked for or not taught.
    """

    chance: Spoken
    effect: Spoken | None


def told(
    model: RecoveryModel | AgeBandTable,
    matrix: pd.DataFrame,
    cohort: pd.DataFrame,
    catalogue: Sequence[Declaration],
    voice: Voice = ENGLISH,
    with_effect: bool = False,
) -> Told:
    """What `set_apart` chooses from. ModelRefused where contributions do not add up."""
    if isinstance(model, AgeBandTable) or model.effect is None or not with_effect or not len(matrix):
        found, _ = checked_contributions(model, matrix, cohort)
        whole = model.raw(matrix, cohort)
        if isinstance(model, AgeBandTable):
            return Told(Spoken(*_of_bands(_band_candidates(model, found, matrix, cohort, voice), found), whole), None)
        return Told(Spoken(*_said(found, Sentences(matrix, cohort, catalogue, voice)), whole), None)
    numbers, sentences = model.encoder.encode(matrix, cohort), Sentences(matrix, cohort, catalogue, voice)
    raw = raw_scores(model.recovered.booster, numbers)
    chance = model.recovered.calibrator.probability(raw, cohort["portfolio"])
    theta = model.effect.theta(numbers, chance)
    spoken = []
    parts = exact_contributions(model.recovered.booster, numbers), model.effect.contributions(numbers, chance)
    for contributions, whole in zip(parts, (raw, theta), strict=True):
        _check_sum(contributions.sum(axis=1), whole, cohort)
        named = pd.DataFrame(contributions[:, :-1], columns=list(model.encoder.names), index=matrix.index)
        spoken.append(Spoken(*_said(named, sentences), whole))
    chance, effect = spoken
    more, less = voice.template(ADDS_MORE), voice.template(ADDS_LESS)
    why = [
        [(pull, (more if pull > 0 else less).format(said=text), at) for pull, text, at in row] for row in effect.said
    ]
    return Told(chance, replace(effect, said=why))


def set_apart(parts: Sequence[Told]) -> tuple[pd.DataFrame, pd.DataFrame | None, pd.DataFrame]:
    """(reasons, the same of what a call changes, what they leave) of the accounts of one list, in the order of its
    parts: first what sets an account apart from the list. For a page that shows either as bars that add up.

    A reason goes before others by how much further its group pulls, in its own direction, than it does on the mean of
    the list, in standard deviations of the list: what everybody on it has in common says little. What pulls less than
    LEAST_OF_STRONGEST comes after all that pulls more. Columns as of `reasons`; the second is None unless
    every part has it. The third has chance_rest and chance (raw log-odds), effect_rest and effect (theta, NaN without):
    rest is what the reasons shown leave of the whole.
    """
    chance = _chosen([part.chance for part in parts])
    effects = [part.effect for part in parts if part.effect is not None]
    effect = _chosen(effects) if effects and len(effects) == len(parts) else None
    raw = np.concatenate([part.chance.whole for part in parts]) if parts else np.zeros(0)
    theta = np.full(len(raw), np.nan) if effect is None else np.concatenate([one.whole for one in effects])
    return chance, effect, _left_over(chance, raw, effect, theta)


def _chosen(parts: Sequence[Spoken]) -> pd.DataFrame:
    pulls = np.concatenate([part.pulls for part in parts]) if parts else np.zeros((0, 0))
    usual, spread = (pulls.mean(axis=0), pulls.std(axis=0)) if len(pulls) else (np.zeros(0), np.zeros(0))
    spread = np.where(spread > EXACT, spread, np.inf)  # what is the same for all sets nobody apart
    picked = []
    for row in (row for part in parts for row in part.said):
        apart = _apart(row, usual, spread)
        picked.append([(pull, text) for pull, text, _ in apart[: len(REASON_COLUMNS)]])
    return _assemble(picked, pd.RangeIndex(len(picked)))


def _apart(row: Said, usual: np.ndarray, spread: np.ndarray) -> Said:
    """An account's groups in the order in which `set_apart` says them."""
    least = LEAST_OF_STRONGEST * max((abs(pull) for pull, *_ in row), default=0.0)

    def beyond(pull: float, group: int) -> float:
        return float(np.sign(pull) * (pull - usual[group]) / spread[group])

    return sorted(row, key=lambda each: (abs(each[0]) < least, -beyond(each[0], each[2]), -abs(each[0]), each[2]))


def _left_over(said: pd.DataFrame, raw: np.ndarray, why: pd.DataFrame | None, theta: np.ndarray) -> pd.DataFrame:
    shown = [0.0 if frame is None else frame[list(STRENGTH_COLUMNS)].sum(axis=1).to_numpy() for frame in (said, why)]
    return pd.DataFrame(
        {"chance_rest": raw - shown[0], "chance": raw, "effect_rest": theta - shown[1], "effect": theta}
    )


def _check_sum(sums: np.ndarray, whole: np.ndarray, cohort: pd.DataFrame) -> None:
    wrong = ~(np.abs(sums - whole) <= EXACT)
    if wrong.any():
        raise ModelRefused(
            f"The reasons of {int(wrong.sum())} accounts do not add up to their score "
            f"({some_ids(cohort['account_id'][wrong].tolist())}), "
            "so none is given. Train again, or roll back with `recoup promote --rollback`."
        )


def _candidates(found: pd.DataFrame, sentences: Sentences) -> list[list[tuple[float, str]]]:
    """Per row of contributions up to three (strength of the group, sentence), the strongest first."""
    said, _ = _said(found, sentences, len(REASON_COLUMNS))
    return [[(strength, text) for strength, text, _ in row] for row in said]


def _of_bands(found: list[list[tuple[float, str]]], pulls: pd.DataFrame) -> tuple[list[Said], np.ndarray]:
    """The age-band table's own facts as `_said` has them: each group is one column."""
    values = pulls[["days_past_due", "months_since_placed"]].to_numpy(np.float64)
    return [
        [(pull, text, int(np.argmin(np.abs(values[row] - pull)))) for pull, text in said]
        for row, said in enumerate(found)
    ], values


def _said(found: pd.DataFrame, sentences: Sentences, most: int = MOST_TOLD) -> tuple[list[Said], np.ndarray]:
    """(per row of contributions up to `most` groups that have something to say, the strongest first; all sums)."""
    names = list(found.columns)
    groups = _groups(sentences.entries, names)
    effects = found.to_numpy()
    sums = (
        np.stack([effects[:, places].sum(axis=1) for places in groups], axis=1) if groups else np.zeros((len(found), 0))
    )
    order = np.argsort(-np.abs(sums), axis=1, kind="stable")
    candidates = []
    for row in range(len(found)):
        said: Said = []
        topics: set[str] = set()
        for group in order[row]:
            strength = sums[row, group]
            if len(said) == most or abs(strength) < LEAST_STRENGTH:
                break
            text, about = sentences.first(_pushing(effects[row], groups[group], strength, names), row, topics)
            if text:
                said.append((float(strength), text, int(group)))
                topics.add(about)
        candidates.append(said)
    return candidates, sums


def every_reason(
    model: RecoveryModel | AgeBandTable | WatchHead,
    matrix: pd.DataFrame,
    cohort: pd.DataFrame,
    catalogue: Sequence[Declaration],
    voice: Voice = ENGLISH,
) -> pd.DataFrame:
    """One account in full: a row per column with its group, value, contribution to the chance and sentence, strongest
    first; the base last.
    """
    found, base = checked_contributions(model, matrix, cohort)
    return _in_full(found, base, matrix, cohort, catalogue, voice)


def every_change(
    model: RecoveryModel | AgeBandTable,
    matrix: pd.DataFrame,
    cohort: pd.DataFrame,
    catalogue: Sequence[Declaration],
    voice: Voice = ENGLISH,
) -> pd.DataFrame | None:
    """The same of theta, what a call changes; None where the model was not taught that."""
    if isinstance(model, AgeBandTable) or model.effect is None:
        return None
    found, base = model.effect_contributions(matrix, cohort)
    whole = model.predict_with_theta(matrix, cohort)[1]
    _check_sum(found.to_numpy().sum(axis=1) + base, np.asarray(whole), cohort)
    return _in_full(found, base, matrix, cohort, catalogue, voice)


def _in_full(
    found: pd.DataFrame,
    base: np.ndarray,
    matrix: pd.DataFrame,
    cohort: pd.DataFrame,
    catalogue: Sequence[Declaration],
    voice: Voice,
) -> pd.DataFrame:
    sentences, groups = Sentences(matrix, cohort, catalogue, voice), {entry.name: entry.group for entry in catalogue}
    rows = [
        {
            "feature": name,
            "group": groups.get(name) or name,
            "value": matrix[name].iloc[0] if name in matrix.columns else "",
            "contribution": found[name].iloc[0],
            "says": sentences.said(name, 0) if name in sentences.entries else "",
        }
        for name in found.columns
    ]
    table = pd.DataFrame(rows).sort_values(
        "contribution", key=lambda held: -held.abs(), kind="stable", ignore_index=True
    )
    foot = pd.DataFrame([{"feature": BASE, "group": "", "value": "", "contribution": float(base[0]), "says": ""}])
    return pd.concat([table, foot], ignore_index=True)


def same_first_reason(first: pd.DataFrame, second: pd.DataFrame) -> float:
    """Share of rows whose strongest reason two models state in the same words:
    how steady the reasons are between retrains.
    """
    return (
        float((first[REASON_COLUMNS[0]].to_numpy() == second[REASON_COLUMNS[0]].to_numpy()).mean())
        if len(first)
        else math.nan
    )


def kept_reasons(first: pd.DataFrame, second: pd.DataFrame) -> float:
    """Share of one model's reasons that the other gives too, word for word, in whatever order."""
    one, other = (frame[list(REASON_COLUMNS)].to_numpy() for frame in (first, second))
    said = one != ""
    again = (one[:, :, None] == other[:, None, :]).any(axis=2)
    return float(again[said].mean()) if said.any() else math.nan


def _groups(declared: Mapping[str, Declaration], columns: list[str]) -> list[list[int]]:
    """Places of the declared columns by group, in the order in which the groups come."""
    groups: dict[str, list[int]] = {}
    for place, name in enumerate(columns):
        if name in declared:
            groups.setdefault(declared[name].group or name, []).append(place)
    return list(groups.values())


def _pushing(effects: np.ndarray, members: list[int], strength: float, names: list[str]) -> list[str]:
    """The group's columns that push in its direction, the hardest first."""
    pushing = [place for place in members if effects[place] * strength > 0]
    return [names[place] for place in sorted(pushing, key=lambda place: (-abs(effects[place]), place))]


def topic(entry: Declaration) -> str:
    """What a sentence is about, whatever its figures, its span and whether it speaks of one account or of all."""
    plain = " ".join(_NOT_TOPIC.sub(" ", entry.says or entry.says_missing or entry.name).split()).lower()
    return next((meant for word, meant in _SAME_TOPIC if word in plain), plain)


def of_one_account(template: str) -> str:
    """The sentence for a debtor with one account: "on overdue or placed accounts" would say no
    more than the account's own fact.
    """
    template = _SEVERAL.sub("", template)
    for several, one in _OF_ONE.items():
        template = template.replace(several, one)
    return template


def _missing(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))


def _band_candidates(
    table: AgeBandTable, found: pd.DataFrame, matrix: pd.DataFrame, cohort: pd.DataFrame, voice: Voice
) -> list[list[tuple[float, str]]]:
    """The age-band table's own facts: how late, how long placed, and what such accounts did."""
    rates = table.predict(matrix, cohort)["p_recovered"].to_numpy()
    late, placed, as_of = (cohort[name].to_numpy() for name in ("days_past_due", "placed_on", "as_of"))
    candidates = []
    for row in range(len(cohort)):
        rate = voice.figure(rates[row], "percent", "")
        span = voice.figure(int(late[row]), "days", "")
        if table.is_prior:
            ageing = voice.template(PAST_DUE).format(span=span)
        else:
            ageing = voice.template(PAST_DUE_AND_PAID).format(
                span=span, rate=rate, horizon=voice.figure(table.horizon_days, "days", "")
            )
        since = int(as_of[row]) - int(placed[row])
        where = NOT_PLACED if placed[row] == NO_DAY else PLACED
        placement = voice.template(where).format(span=voice.figure(since, "days", ""))
        pairs = [
            (float(found["days_past_due"].iloc[row]), ageing),
            (float(found["months_since_placed"].iloc[row]), placement),
        ]
        candidates.append(
            [pair for pair in sorted(pairs, key=lambda pair: -abs(pair[0])) if abs(pair[0]) >= LEAST_STRENGTH]
        )
    return candidates


def _assemble(candidates: list[list[tuple[float, str]]], index: pd.Index) -> pd.DataFrame:
    columns: dict[str, list[Any]] = {name: [] for name in (*REASON_COLUMNS, *STRENGTH_COLUMNS)}
    for said in candidates:
        for place, (reason, strength) in enumerate(zip(REASON_COLUMNS, STRENGTH_COLUMNS, strict=True)):
            effect, text = said[place] if place < len(said) else (math.nan, "")
            columns[reason].append(f"{UP if effect > 0 else DOWN} {text}" if text else "")
            columns[strength].append(effect)
    return pd.DataFrame(columns, index=index)

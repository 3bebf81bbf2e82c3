"""Exact contributions turned into at most three short true sentences with the account's own figures and their direction."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
from babel.numbers import format_decimal, format_percent
from babel.units import format_unit

from features.errors import ModelRefused, UsageError, some
from features.spec import PLACEHOLDER
from features.tables import DECIMALS, NO_DAY
from models.baseline import AGE_BANDS, AgeBandTable
from models.phrases import FRENCH
from models.recovery import RecoveryModel

REASONS = ("reason_1", "reason_2", "reason_3")
STRENGTHS = ("strength_1", "strength_2", "strength_3")
UP, DOWN = "▲", "▼"  # raises or lowers the chance that the account pays
LEAST = 0.02  # log-odds: a group that moves the score less is no reason
EXACT = 1e-6
LONGEST_TEXT = 64
UNITS = {"days": "duration-day", "months": "duration-month"}
PERCENT = {"en": "%", "fr": "\u202f%"}


_NOT_TOPIC = re.compile(r"\{[^}]*\}|\bon overdue or placed accounts\b|\bin the last (?:\d+ days|year)\b|\bso far\b|\bago\b|[:;,].*")

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

    name: str
    group: str | None
    says: str | None
    says_missing: str | None


@dataclass(frozen=True)
class Voice:
    """How figures read in a language."""

    language: str

    def __post_init__(self) -> None:
        if self.language not in ("en", "fr"):
            raise UsageError(f"Language {self.language!r} is not spoken. Set worklist.language to en or fr.")

    def template(self, english: str) -> str:
        return FRENCH.get(english, english) if self.language == "fr" else english

    def figure(self, value: Any, form: str, currency: str) -> str:
        """One value in a sentence; money (minor units) with its currency's own decimals."""
        if form == "money":
            decimals = DECIMALS[currency]
            return f"{self._number(float(value) / 10**decimals, decimals)} {currency}"
        if form == "percent":
            return format_percent(float(value), format=_pattern(0) + PERCENT[self.language], locale=self.language)
        if form in UNITS:
            shown = _pattern(1 if float(value) % 1 else 0)
            return format_unit(float(value), UNITS[form], length="long", format=shown, locale=self.language)
        if form == "count":
            return self._number(float(value), 0)
        if form == "number":
            return self._number(float(value), 1 if float(value) % 1 else 0)
        return " ".join(str(value).split())[:LONGEST_TEXT]

    def _number(self, value: float, decimals: int) -> str:
        return format_decimal(value, format=_pattern(decimals), locale=self.language)


def _pattern(decimals: int) -> str:
    return "#,##0" + ("." + "0" * decimals if decimals else "")


def checked_contributions(
    model: RecoveryModel | AgeBandTable, matrix: pd.DataFrame, cohort: pd.DataFrame, **how: bool
) -> tuple[pd.DataFrame, np.ndarray]:
    """Contributions per column and base per row, once they add up to the raw score on every row; ModelRefused otherwise."""
    found, base = model.contributions(matrix, cohort, **how)
    off = np.abs(found.to_numpy().sum(axis=1) + base - model.raw(matrix, cohort))
    wrong = ~(off <= EXACT)
    if wrong.any():
        raise ModelRefused(
            f"The reasons of {int(wrong.sum())} accounts do not add up to their score ({some(cohort['account_id'][wrong].tolist())}), "
            "so none is given. Train again, or roll back with `recoup promote --rollback`."
        )
    return found, base


def reasons(
    model: RecoveryModel | AgeBandTable, matrix: pd.DataFrame, cohort: pd.DataFrame, catalogue: Sequence[Declaration], language: str = "en"
) -> pd.DataFrame:
    """reason_1..3 (text, "" where there are fewer) and strength_1..3 (log-odds of the group, NaN there), strongest first.

    Contributions are added up by group; a group's sentence is that of the column that does most in the group's direction and has
    something to say. Columns without a declaration, or one that says nothing (our own contact attempts), are never a reason.
    """
    voice = Voice(language)
    found, _ = checked_contributions(model, matrix, cohort)
    if model.kind == AGE_BANDS:
        return _assemble(_band_candidates(model, found, matrix, cohort, voice), matrix.index)
    declared = {entry.name: entry for entry in catalogue if entry.name in found.columns}
    groups, members = _members(declared, list(found.columns))
    effects = found.to_numpy()
    sums = np.stack([effects[:, places].sum(axis=1) for places in members], axis=1) if members else np.zeros((len(found), 0))
    order = np.argsort(-np.abs(sums), axis=1, kind="stable")
    values = {
        name: matrix[name].to_numpy(dtype=object) if matrix[name].dtype != np.float64 else matrix[name].to_numpy()
        for name in matrix.columns
    }
    currencies = cohort["currency"].astype("str").to_numpy()
    names = list(found.columns)
    candidates = []
    for row in range(len(found)):
        said: list[tuple[float, str]] = []
        topics: set[str] = set()
        for group in order[row]:
            strength = sums[row, group]
            if len(said) == len(REASONS) or abs(strength) < LEAST:
                break
            text, about = _sentence(effects[row], members[group], strength, names, declared, values, row, currencies[row], voice, topics)
            if text:
                said.append((float(strength), text))
                topics.add(about)
        candidates.append(said)
    return _assemble(candidates, matrix.index)


def every_reason(
    model: RecoveryModel | AgeBandTable, matrix: pd.DataFrame, cohort: pd.DataFrame, catalogue: Sequence[Declaration], language: str = "en"
) -> pd.DataFrame:
    """One account in full: a row per column with its group, value, contribution and sentence, strongest first; the base last."""
    voice = Voice(language)
    found, base = checked_contributions(model, matrix, cohort)
    declared = {entry.name: entry for entry in catalogue}
    rows = []
    for name in found.columns:
        entry = declared.get(name)
        held = {column: matrix[column].to_numpy() for column in matrix.columns}
        text = _told(entry, held, 0, str(cohort["currency"].iloc[0]), voice) if entry is not None and name in held else ""
        value = matrix[name].iloc[0] if name in matrix.columns else ""
        rows.append(
            {
                "feature": name,
                "group": (entry.group if entry else None) or name,
                "value": value,
                "contribution": found[name].iloc[0],
                "says": text,
            }
        )
    table = pd.DataFrame(rows).sort_values("contribution", key=lambda held: -held.abs(), kind="stable", ignore_index=True)
    foot = pd.DataFrame([{"feature": "(base)", "group": "", "value": "", "contribution": float(base[0]), "says": ""}])
    return pd.concat([table, foot], ignore_index=True)


def same_first_reason(first: pd.DataFrame, second: pd.DataFrame) -> float:
    """Share of rows whose strongest reason two models state in the same words: how steady the reasons are between retrains."""
    return float((first[REASONS[0]].to_numpy() == second[REASONS[0]].to_numpy()).mean()) if len(first) else math.nan


def kept_reasons(first: pd.DataFrame, second: pd.DataFrame) -> float:
    """Share of one model's reasons that the other gives too, word for word, in whatever order."""
    one, other = (frame[list(REASONS)].to_numpy() for frame in (first, second))
    said = one != ""
    again = (one[:, :, None] == other[:, None, :]).any(axis=2)
    return float(again[said].mean()) if said.any() else math.nan


def _members(declared: Mapping[str, Declaration], columns: list[str]) -> tuple[list[str], list[list[int]]]:
    groups: dict[str, list[int]] = {}
    for place, name in enumerate(columns):
        if name in declared:
            groups.setdefault(declared[name].group or name, []).append(place)
    return list(groups), list(groups.values())


def _sentence(
    effects: np.ndarray,
    members: list[int],
    strength: float,
    names: list[str],
    declared: Mapping[str, Declaration],
    values: Mapping[str, np.ndarray],
    row: int,
    currency: str,
    voice: Voice,
    topics: Set[str],
) -> tuple[str, str]:
    """The first sentence of the group's columns, those that push hardest in the group's direction first, and its topic.

    A topic said already is passed over: "last payment" is one reason, on this account or on any of the debtor's.
    """
    pushing = [place for place in members if effects[place] * strength > 0]
    for place in sorted(pushing, key=lambda place: (-abs(effects[place]), place)):
        about = topic(declared[names[place]])
        text = "" if about in topics else _told(declared[names[place]], values, row, currency, voice)
        if text:
            return text, about
    return "", ""


def topic(entry: Declaration) -> str:
    """What a sentence is about, whatever its figures, its span and whether it speaks of one account or of all."""
    plain = " ".join(_NOT_TOPIC.sub(" ", entry.says or entry.says_missing or entry.name).split()).lower()
    return next((meant for word, meant in _SAME_TOPIC if word in plain), plain)


def of_one_account(template: str) -> str:
    """The sentence for a debtor with one account: "on overdue or placed accounts" would say no more than the account's own fact."""
    template = _SEVERAL.sub("", template)
    for several, one in _OF_ONE.items():
        template = template.replace(several, one)
    return template


def _told(entry: Declaration, values: Mapping[str, np.ndarray], row: int, currency: str, voice: Voice) -> str:
    """The entry's sentence with the account's figures; "" where it says nothing, or names a figure that is missing."""
    template = entry.says_missing if _missing(values[entry.name][row]) else entry.says
    if not template:
        return ""
    if values.get("debtor_accounts") is not None and values["debtor_accounts"][row] == 1:
        if entry.name == "debtor_accounts":
            return ""  # a debtor may hold others that are not scorable: one is no news, and reads as if there were no more
        template = of_one_account(template)
    figures = {name or "value" for name, _ in PLACEHOLDER.findall(template)}
    held = [values[entry.name if name == "value" else name][row] for name in figures]
    if any(map(_missing, held)) or (len(held) > 1 and all(isinstance(value, float) and value == 0 for value in held)):
        return ""  # "Kept 0 of 0 promises" is true and says nothing
    return PLACEHOLDER.sub(
        lambda hole: voice.figure(values[entry.name if hole[1] in ("", "value") else hole[1]][row], hole[2] or "number", currency),
        voice.template(template),
    )


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
            ageing = voice.template("{span} past due").format(span=span)
        else:
            ageing = voice.template("{span} past due; of such accounts about {rate} paid within {horizon}").format(
                span=span, rate=rate, horizon=voice.figure(table.horizon_days, "days", "")
            )
        since = int(as_of[row]) - int(placed[row])
        where = "Not yet placed" if placed[row] == NO_DAY else "Placed {span} ago"
        placement = voice.template(where).format(span=voice.figure(since, "days", ""))
        pairs = [(float(found["days_past_due"].iloc[row]), ageing), (float(found["months_since_placed"].iloc[row]), placement)]
        candidates.append([pair for pair in sorted(pairs, key=lambda pair: -abs(pair[0])) if abs(pair[0]) >= LEAST])
    return candidates


def _assemble(candidates: list[list[tuple[float, str]]], index: pd.Index) -> pd.DataFrame:
    columns: dict[str, list] = {name: [] for name in (*REASONS, *STRENGTHS)}
    for said in candidates:
        for place, (reason, strength) in enumerate(zip(REASONS, STRENGTHS, strict=True)):
            effect, text = said[place] if place < len(said) else (math.nan, "")
            columns[reason].append(f"{UP if effect > 0 else DOWN} {text}" if text else "")
            columns[strength].append(effect)
    return pd.DataFrame(columns, index=index)

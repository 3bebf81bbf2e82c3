"""Four heads behind one estimator: P(recovered), the amount if recovered, P(defaulted), what work adds. Matrices in,
scores out; a folder on disk.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

import numpy as np
import pandas as pd

from features.errors import UsageError
from models.amount import AmountHead, fit_amount, regrown
from models.baseline import AGE_BAND_TABLE, AgeBandTable
from models.boosting import (
    FitWindow,
    exact_contributions,
    portfolio_contributions,
    raw_scores,
    side_by_side,
)
from models.continuation import ContinuationHead
from models.drift import Reference
from models.effect import EffectHead
from models.encoding import Encoder
from models.experience import Experience
from models.folder import (
    AMOUNT_FILE,
    BELIEFS_FILE,
    CARD_FILE,
    DEFAULTED_FILE,
    EFFECT_FILE,
    RECOVERED_FILE,
    card_bytes,
    digest,
    read_folder,
)
from models.forecast import CashForecast
from models.lesson import Lesson, Teaching
from models.probability import BINARY, Head, debtors_with, probability_head
from models.timing import TimingHead
from models.trying import check_tried
from models.watch import WatchHead

SCORE_COLUMNS = ("p_recovered", "amount_if_recovered", "expected_recovery", "p_defaulted")
RECOVERY: Final = "recovery"


@dataclass(frozen=True)
class RecoveryModel:
    """The champion's kind. `facts` are dates, counts and versions that travel in the card and change no score.

    effect: None where no contact log, or too little of one, could teach what work adds.
    timing: None where too few debtors paid to tell when they do; forecast: of whole books, None without it.
    watch: None where the params watch nothing, or too few were late.
    continuation: what going on is worth; experience: what offers, plans and placements taught; None where the params
    name no treatments, or too few paid.
    """

    encoder: Encoder
    recovered: Head
    amount: AmountHead
    amount_choice: Mapping[str, Any]
    defaulted: Head | None
    default_dpd: int
    reference: Reference
    facts: Mapping[str, Any] = field(default_factory=dict)
    effect: EffectHead | None = None
    timing: TimingHead | None = None
    forecast: CashForecast | None = None
    watch: WatchHead | None = None
    continuation: ContinuationHead | None = None
    experience: Experience | None = None

    kind: ClassVar[Literal["recovery"]] = RECOVERY

    @classmethod
    def fit(
        cls,
        matrix: pd.DataFrame,
        labels: pd.DataFrame,
        cohort: pd.DataFrame,
        teaching: Teaching,
        like: RecoveryModel | None = None,
    ) -> RecoveryModel:
        """Teach all heads on the rows whose label is known; NaN labels take no part in that head.

        matrix, labels (recovered, recovered_amount in minor units, defaulted), cohort: rows aligned by position; their
        order is free.
        like: an earlier fit whose numbers of trees and way of the amount are kept, for the refit on everything before
        release. Raises InputMissing when recovery has one class only.
        """
        return cls.taught(Lesson.of(matrix, labels, cohort, teaching), teaching, like)

    @classmethod
    def taught(cls, lesson: Lesson, teaching: Teaching, like: RecoveryModel | None = None) -> RecoveryModel:
        """`fit` on rows already encoded and binned."""
        return cls.taught_with_chance(lesson, teaching, like)[0]

    @classmethod
    def taught_with_chance(
        cls, lesson: Lesson, teaching: Teaching, like: RecoveryModel | None = None
    ) -> tuple[RecoveryModel, np.ndarray]:
        """`taught`, and P(recovered) of each of the lesson's rows out of fold (0 without a label of recovery)."""
        from sklearn.metrics import roc_auc_score  # here, for scoring needs none of it

        encoder, window, recovered = lesson.encoder, lesson.window, lesson.recovered

        def recovery() -> tuple[Head, np.ndarray, AmountHead, dict[str, Any]]:
            objective = recovery_objective(teaching, encoder.names)
            head, chance, trial = probability_head(
                window, objective, recovered, teaching.gap_days, like.recovered if like else None
            )
            return head, chance, *fit_amount(window, lesson.found, chance, trial, like.amount_choice if like else None)

        (head, chance, amount, choice), defaulted = side_by_side(
            recovery, lambda: _default_head(window, lesson.defaulted, teaching, like)
        )
        known = lesson.known
        facts = {
            "out_of_fold_auc": float(roc_auc_score(recovered[known], chance[known])),
            "withheld": dict(lesson.withheld),
        }
        scored = {name: code[known] for name, code in lesson.classes.items()}
        of_known = chance[known], window.as_of[known], scored, np.flatnonzero(known)
        reference = Reference.learn(window.numbers, encoder.names, *of_known)
        return cls(encoder, head, amount, choice, defaulted, teaching.default_dpd, reference, facts), chance

    def regrown(self, lesson: Lesson, teaching: Teaching, seeds: Sequence[int] | None = None) -> list[RecoveryModel]:
        """The same way taught on a lesson of other columns or, one model each, with other seeds of growth: boosters
        grown anew, numbers of trees, maps and factors kept; without the heads of default, effect and watch.

        Enough to compare orders: a strictly increasing map and a factor change none.
        """
        objective, target = (
            recovery_objective(teaching, lesson.encoder.names),
            np.where(lesson.known, lesson.recovered, 0.0),
        )

        def grown(seed: int) -> RecoveryModel:
            window = lesson.window.with_settings(teaching.settings, seed)
            head = replace(self.recovered, booster=window.grow(objective, target, lesson.known, self.recovered.trees))
            amount = regrown(self.amount, window, lesson.found, self.amount_choice["trees"])
            return replace(
                self,
                encoder=lesson.encoder,
                recovered=head,
                amount=amount,
                defaulted=None,
                effect=None,
                timing=None,
                forecast=None,
                watch=None,
                continuation=None,
                experience=None,
            )

        return side_by_side(*(lambda seed=seed: grown(seed) for seed in seeds or (teaching.seed,)))

    def predict(self, matrix: pd.DataFrame, cohort: pd.DataFrame) -> pd.DataFrame:
        """p_recovered, amount_if_recovered and expected_recovery (minor units, at most the balance), p_defaulted;
        rows as in the matrix.

        Columns are matched by name. p_defaulted is missing without that head and for accounts already default_dpd days
        past due. ContractError when a column is missing, unknown or of another type, or a currency has no rate.
        """
        return self._scores(self.encoder.encode(matrix, cohort), matrix, cohort)

    def predict_with_theta(self, matrix: pd.DataFrame, cohort: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray | None]:
        """`predict` and `theta` of the same rows, encoded once."""
        return self.predict_encoded(self.encoder.encode(matrix, cohort), matrix, cohort)

    def predict_encoded(
        self, numbers: np.ndarray, matrix: pd.DataFrame, cohort: pd.DataFrame
    ) -> tuple[pd.DataFrame, np.ndarray | None]:
        """`predict_with_theta` of rows that the encoder has made numbers of."""
        scores = self._scores(numbers, matrix, cohort)
        chance = scores["p_recovered"].to_numpy()
        return scores, None if self.effect is None else self.effect.theta(numbers, chance)

    def _scores(self, numbers: np.ndarray, matrix: pd.DataFrame, cohort: pd.DataFrame) -> pd.DataFrame:
        portfolio = cohort["portfolio"]
        balance = cohort["balance"].to_numpy(dtype=np.float64)
        p_recovered = self.recovered.probability(numbers, portfolio)
        amount = self.amount.share(numbers, portfolio) * balance
        p_defaulted = np.full(len(numbers), np.nan)
        if self.defaulted is not None:
            below = cohort["days_past_due"].to_numpy() < self.default_dpd
            p_defaulted[below] = self.defaulted.probability(numbers, portfolio)[below]
        return pd.DataFrame(
            dict(zip(SCORE_COLUMNS, (p_recovered, amount, p_recovered * amount, p_defaulted), strict=True)),
            index=matrix.index,
        )

    def amount_interval(self, matrix: pd.DataFrame, cohort: pd.DataFrame) -> pd.DataFrame:
        """amount_low, amount_high in minor units: four of five recoveries of such accounts fell between them."""
        share = self.amount.share(self.encoder.encode(matrix, cohort), cohort["portfolio"])
        low, high = self.amount.interval(share)
        balance = cohort["balance"].to_numpy(dtype=np.float64)
        return pd.DataFrame({"amount_low": low * balance, "amount_high": high * balance}, index=matrix.index)

    def raw(self, matrix: pd.DataFrame, cohort: pd.DataFrame) -> np.ndarray:
        """The raw log-odds of P(recovered) that contributions add up to."""
        return raw_scores(self.recovered.booster, self.encoder.encode(matrix, cohort))

    def contributions(
        self, matrix: pd.DataFrame, cohort: pd.DataFrame, *, many: bool = False
    ) -> tuple[pd.DataFrame, np.ndarray]:
        """Exact contributions (TreeSHAP) of every column to the raw log-odds, and the base of each row;
        they add up to `raw`.

        many: the fast way for whole portfolios, equal within 1e-6; a published reason takes the other, so that one
        account alone and among others gets the same bits.
        """
        numbers = self.encoder.encode(matrix, cohort)
        if not len(numbers):
            return pd.DataFrame(columns=list(self.encoder.names), dtype=np.float64), np.zeros(0)
        found = (portfolio_contributions if many else exact_contributions)(self.recovered.booster, numbers)
        return pd.DataFrame(found[:, :-1], columns=list(self.encoder.names), index=matrix.index), found[:, -1]

    def theta(self, matrix: pd.DataFrame, cohort: pd.DataFrame) -> np.ndarray | None:
        """models.effect.EffectHead.theta of the rows; None without that head."""
        if self.effect is None:
            return None
        numbers = self.encoder.encode(matrix, cohort)
        return self.effect.theta(numbers, self.recovered.probability(numbers, cohort["portfolio"]))

    def effect_contributions(self, matrix: pd.DataFrame, cohort: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
        """Exact contributions of every column to `theta`, and the base of each row; they add up to it.
        UsageError without that head.
        """
        if self.effect is None:
            raise UsageError(
                "This model was not taught what work adds, "
                "so nothing explains it. Ask only where `theta` gives numbers."
            )
        numbers = self.encoder.encode(matrix, cohort)
        chance = self.recovered.probability(numbers, cohort["portfolio"])
        found = self.effect.contributions(numbers, chance)
        return pd.DataFrame(found[:, :-1], columns=list(self.encoder.names), index=matrix.index), found[:, -1]

    def files(self) -> dict[str, bytes]:
        """The model folder's content."""
        files = {RECOVERED_FILE: self.recovered.booster.model_to_string().encode()}
        if self.amount.booster is not None:
            files[AMOUNT_FILE] = self.amount.booster.model_to_string().encode()
        if self.defaulted is not None:
            files[DEFAULTED_FILE] = self.defaulted.booster.model_to_string().encode()
        if self.effect is not None:
            files[EFFECT_FILE] = self.effect.text().encode()
        card = {
            "kind": RECOVERY,
            "encoder": self.encoder.card(),
            "recovered": self.recovered.card(),
            "amount": self.amount.card(),
            "amount_choice": dict(self.amount_choice),
            "defaulted": self.defaulted.card() if self.defaulted else None,
            "default_dpd": self.default_dpd,
            "effect": self.effect.card() if self.effect else None,
            **({"timing": self.timing.card()} if self.timing else {}),
            **({"cash": self.forecast.card()} if self.forecast else {}),  # "forecast" was one without seasons
            "reference": self.reference.card(),
            "facts": dict(self.facts),
        }
        if self.watch is not None:  # a model without it keeps its bytes
            files |= self.watch.files()
            card["watch"] = self.watch.card()
        if self.continuation is not None:
            files |= self.continuation.files()
            card["continuation"] = self.continuation.card()
        if self.experience is not None:
            files[BELIEFS_FILE] = self.experience.text()
        return {**files, CARD_FILE: card_bytes(card)}

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns `predict` needs."""
        return self.encoder.names

    @property
    def version(self) -> str:
        """The short name that every score carries: the content's own hash."""
        return f"{RECOVERY}-{digest(self.files())[:12]}"

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> RecoveryModel:
        card = json.loads(files[CARD_FILE])
        amount = files[AMOUNT_FILE].decode() if AMOUNT_FILE in files else None
        defaulted = Head.from_card(card["defaulted"], files[DEFAULTED_FILE].decode()) if card["defaulted"] else None
        return cls(
            Encoder.from_card(card["encoder"]),
            Head.from_card(card["recovered"], files[RECOVERED_FILE].decode()),
            AmountHead.from_card(card["amount"], amount),
            card["amount_choice"],
            defaulted,
            card["default_dpd"],
            Reference.from_card(card["reference"]),
            card["facts"],
            EffectHead.from_card(card["effect"], files[EFFECT_FILE].decode()) if card.get("effect") else None,
            TimingHead.from_card(card["timing"]) if "timing" in card else None,
            CashForecast.from_card(card["cash"]) if "cash" in card else None,
            WatchHead.from_card(card["watch"], files) if card.get("watch") else None,
            ContinuationHead.from_card(card["continuation"], files) if "continuation" in card else None,
            Experience.from_text(files[BELIEFS_FILE]) if BELIEFS_FILE in files else None,
        )


AnyModel = RecoveryModel | AgeBandTable


def load_model(folder: Path, sha256: str) -> AnyModel:
    """The model of a folder, once the folder's sha256 is the given one. ModelRefused otherwise,
    before anything is parsed; and where its text does harm in the process that tries it first.

    The folder is read and held against the sha256 every time, and parsed once by a process.
    """
    read_folder(folder, sha256)
    return _parsed(folder, sha256)


@lru_cache(maxsize=2)
def _parsed(folder: Path, sha256: str) -> AnyModel:
    files = read_folder(folder, sha256)
    if json.loads(files[CARD_FILE])["kind"] == AGE_BAND_TABLE:
        return AgeBandTable.from_files(files)
    check_tried(folder, sha256)
    return RecoveryModel.from_files(files)


def recovery_objective(teaching: Teaching, names: Sequence[str]) -> dict[str, Any]:
    """The objective of P(recovered), with the directions the catalogue is sure of."""
    directions = [int(teaching.monotone.get(name, 0)) for name in names]
    return {**BINARY, "monotone_constraints": directions} if any(directions) else BINARY


def _default_head(
    window: FitWindow, outcome: np.ndarray, teaching: Teaching, like: RecoveryModel | None
) -> Head | None:
    """P(defaulted), where enough debtors defaulted to teach it; None otherwise."""
    events = debtors_with(pd.Series(outcome), window.cohort["debtor_id"])
    if events < teaching.settings["min_events"] or not (outcome == 0).any():
        return None
    same = like.defaulted if like else None
    if like is not None and same is None:
        return None
    head, _, _ = probability_head(window, BINARY, outcome, teaching.default_gap_days, same)
    return head

"""A settlement worth making: P(accepted and paid | discount) x what is paid + (1 - P) x what waiting is worth - cost.

No curve of acceptance by discount is published, and history mixes the price with whom a collector offered it to. So the
curve is the policy's own table, named as such, until offers were drawn by lot: then each arm is weighed by the inverse
of the probability it was drawn with, inside strata, and refused where the lot was none.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import pandas as pd

from models.belief import LEAST_MATURED, OFFERS, Belief, Curve, kept_to, never_falling
from models.resampling import debtor_draws, interval

FULL = 10_000  # discounts are whole hundredths of a per cent
CHANCE = 1e-3  # of taking a fair lot for a false one
DRAWS_AT_ONCE = 50
OUTSIDE, WAITING = "outside_bounds", "waiting_is_worth_more"  # why there is no settlement
NO_ARM = -1
SETTLEMENT_COLUMNS = (
    "discount",
    "amount",
    "p_accept",
    "paid_money",
    "refused_money",
    "cost",
    "value",
    "value_low",
    "value_high",
    "gain",
)


@dataclass(frozen=True)
class SettlementTerms:
    """discounts: rising shares of the balance that may be let off; pay_within_days: after as_of, when the money is
    counted; a settlement not paid by then is none, and the whole balance stands; acceptance: chance that it is accepted
    and paid in time, by discount.
    """

    discounts: tuple[float, ...]
    pay_within_days: int
    annual_rate: float
    acceptance: Belief


def settled_amount(balance: np.ndarray, discount: np.ndarray | float) -> np.ndarray:
    """int64 minor units to be paid: the balance less what is let off, that rounded down."""
    let_off = np.rint(np.asarray(discount) * FULL).astype(np.int64)
    return balance - balance * let_off // FULL


def settlements(rows: pd.DataFrame, terms: SettlementTerms) -> tuple[pd.DataFrame, pd.Series]:
    """(SETTLEMENT_COLUMNS of the discount of highest value, 0 where there is none; why there is none, "" where there
    is). Index as the rows'.

    rows, minor units: balance (int64), continuation with continuation_low and continuation_high (what waiting is
    worth), cost of offering (int64), least (int64, what must be paid at least), most (the largest sum that may be asked
    at once, NaN: any), largest (largest discount, 0: none). value = paid_money + refused_money - cost, gain = value -
    continuation; only what gains is proposed. Ties go to the lesser discount. value_low and value_high take the ends of
    the acceptance and of the continuation that are worst and best together. A discount below the least one that was
    ever tried is not valued.
    """
    tried = terms.acceptance.curve.at[0]
    asked = [discount for discount in terms.discounts if discount > 0 and discount >= tried]
    if not asked:
        nothing = pd.DataFrame(0, index=rows.index, columns=list(SETTLEMENT_COLUMNS)).astype(_TYPES)
        return nothing, pd.Series(OUTSIDE, index=rows.index, dtype="str")
    told = [settlement_at(rows, np.full(len(rows), discount), terms) for discount in asked]
    allowed = np.stack([allowed_at(rows, each) for each in told])
    value = np.stack([each["value"].to_numpy(np.float64) for each in told])
    value[~allowed] = -np.inf
    best = value.argmax(axis=0)
    discount = np.array(asked)[best]
    found = settlement_at(rows, discount, terms)
    some = allowed.any(axis=0)
    gains = some & (found["gain"].to_numpy() > 0)
    why = np.select([gains, some], ["", WAITING], OUTSIDE)
    return found.where(pd.Series(gains, index=rows.index), 0).astype(_TYPES), pd.Series(why, rows.index, dtype="str")


def settlement_at(
    rows: pd.DataFrame, discount: np.ndarray, terms: SettlementTerms, amount: np.ndarray | None = None
) -> pd.DataFrame:
    """SETTLEMENT_COLUMNS at a discount of each row, whether it may be offered or not. amount: to be paid (int64 minor
    units), where it was said when something else was owed.
    """
    balance, cost = rows["balance"].to_numpy(np.int64), rows["cost"].to_numpy(np.int64)
    amount = settled_amount(balance, discount) if amount is None else amount
    waiting = {name: rows[name].to_numpy(np.float64) for name in _WAITING}
    worth = amount * (1 + terms.annual_rate) ** (-terms.pay_within_days / 365.0)
    chance = {end: terms.acceptance.curve.of(discount, end) for end in ("middle", "low", "high")}
    paid = np.rint(chance["middle"] * worth).astype(np.int64)
    refused = np.rint((1 - chance["middle"]) * waiting["continuation"]).astype(np.int64)
    value = paid + refused - cost
    ends = [
        [p * worth + (1 - p) * waiting[end] - cost for p in (chance["low"], chance["middle"], chance["high"])]
        for end in ("continuation_low", "continuation_high")
    ]
    return pd.DataFrame(
        {
            "discount": discount,
            "amount": amount,
            "p_accept": chance["middle"],
            "paid_money": paid,
            "refused_money": refused,
            "cost": cost,
            "value": value,
            "value_low": np.minimum(np.rint(np.minimum.reduce(ends[0])).astype(np.int64), value),
            "value_high": np.maximum(np.rint(np.maximum.reduce(ends[1])).astype(np.int64), value),
            "gain": value - np.rint(waiting["continuation"]).astype(np.int64),
        },
        index=rows.index,
    ).astype(_TYPES)


_WAITING = ("continuation", "continuation_low", "continuation_high")
_TYPES = {name: "float64" if name in ("discount", "p_accept") else "int64" for name in SETTLEMENT_COLUMNS}


def allowed_at(rows: pd.DataFrame, offered: pd.DataFrame) -> np.ndarray:
    """bool per row: whether the discount, and what is asked for with it, lie within the row's bounds."""
    amount, most = offered["amount"].to_numpy(), rows["most"].to_numpy(np.float64)
    return (
        (offered["discount"].to_numpy() <= rows["largest"].to_numpy(np.float64) + 1 / FULL**2)
        & (amount >= rows["least"].to_numpy(np.int64))
        & (np.isnan(most) | (amount <= most))
        & (amount > 0)
    )


# ---- what was learnt from offers that were drawn ---------------------------------------------------------------------


def draw_arms(
    debtors: pd.Series, allowed: np.ndarray, shares: Sequence[float], seed: str
) -> tuple[np.ndarray, np.ndarray]:
    """(number of the arm of each row, NO_ARM where fewer than two may be drawn; its probability, NaN there).

    allowed: [rows, arms], whether an arm lies within the bounds of the row; shares: of the arms, above 0. The lot is a
    hash of seed and debtor: who is asked again gets the same answer, whatever night it is. A debtor's rows with other
    bounds draw from what each may be offered.
    """
    weight = np.where(allowed, np.asarray(shares, np.float64), 0.0)
    whole = weight.sum(axis=1, keepdims=True)
    chance = np.divide(weight, whole, out=np.zeros_like(weight), where=whole > 0)
    lot = {name: _lot(f"{seed}|{name}") for name in debtors.unique()}
    at = debtors.map(lot).to_numpy(np.float64)[:, None]
    arm = (np.cumsum(chance, axis=1) <= at).sum(axis=1)
    last = chance.shape[1] - 1 - (chance[:, ::-1] > 0).argmax(axis=1)
    arm = np.minimum(arm, last)  # sums of shares may end just below 1
    drawn = allowed.sum(axis=1) > 1
    own = chance[np.arange(len(arm)), arm]
    return np.where(drawn, arm, NO_ARM), np.where(drawn, own, np.nan)


def variant_of(arm: float | str, arms: Sequence[float] | Sequence[str]) -> str:
    """What a draw is called: the discount or agency drawn, and those that could have come."""
    told, *could = (each if isinstance(each, str) else f"{each:g}" for each in (arm, *arms))
    return f"{told} of {'+'.join(could)}"


def lots_of(variants: pd.Series) -> pd.DataFrame:
    """arm and stratum of offers by the names of their variants, as `learned_acceptance` asks for them; NaN and "" where
    an offer has no such name. Who offers by lot may add to the stratum what else his odds hung on.
    """
    parts = variants.astype("str").str.extract(r"^(0(?:\.\d+)?) of (0(?:\.\d+)?(?:\+0(?:\.\d+)?)+)$")
    return pd.DataFrame({"arm": parts[0].astype(np.float64), "stratum": parts[1].fillna("").astype("str")})


def _lot(text: str) -> float:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "big") / 2**56


def learned_acceptance(offers: pd.DataFrame, belief: Belief, *, draws: int, seed: int) -> Belief:
    """The curve of acceptance from offers drawn by lot; the belief with `why` where it cannot be read from them.

    offers, one row each: debtor_id, arm (discount drawn), probability (of that arm for that row; NaN or 1 where a
    person chose), accepted (accepted and paid in time), matured (its time is over, whatever came of it), stratum (what
    the odds of the draw hung on, such as lateness and whether anything was ever paid), foretold (chance to pay, as the
    model had it before the offer).

    Rows that were not drawn teach nothing. Strata in which not every arm was drawn take no part: their debtors are
    others. Inside a stratum each arm is weighed by 1 ÷ probability, strata by their rows; the curve is the nearest that
    never falls; 95 % interval by debtor. The belief stays where an arm has fewer than LEAST_MATURED, where the arms'
    sizes are not what their probabilities promise, or where an arm got debtors of other foretold chances.
    """
    probability = offers["probability"].to_numpy(np.float64)
    lot = offers[(probability > 0) & (probability < 1) & offers["matured"].to_numpy(bool)]
    arms = np.sort(lot["arm"].unique())
    if arms.size < 2:
        return kept_to(belief, "no two discounts were ever drawn by lot")
    there = lot.groupby("stratum")["arm"].nunique() == arms.size
    lot = lot[lot["stratum"].isin(there.index[there])]
    many = {float(arm): int((lot["arm"] == arm).sum()) for arm in arms}
    if (least := min(many.values())) < LEAST_MATURED:
        few = next(arm for arm, count in many.items() if count == least)
        told = f"{least} matured offers at a discount of {few:g}, {LEAST_MATURED} are needed"
        return kept_to(belief, told)
    cells = _Cells.of(lot, arms, draws, seed)
    if cells.furthest_size() > cells.limit:
        return kept_to(belief, "the arms' sizes are not what the recorded probabilities promise")
    if cells.furthest_chance(lot["foretold"].to_numpy(np.float64)) > cells.limit:
        return kept_to(belief, "arms went to debtors of other foretold chances: the lot was none")
    return Belief(cells.curve(lot["accepted"].to_numpy(np.float64)), OFFERS, "", many)


@dataclass(frozen=True)
class _Cells:
    """Offers by stratum and arm. weight: 1 ÷ probability; who: debtor per row; draws: [1 + draws, debtors]."""

    arms: np.ndarray
    arm: np.ndarray
    stratum: np.ndarray
    weight: np.ndarray
    who: np.ndarray
    draws: np.ndarray

    @classmethod
    def of(cls, lot: pd.DataFrame, arms: np.ndarray, draws: int, seed: int) -> _Cells:
        who, weights = debtor_draws(lot["debtor_id"], draws, seed)
        stratum = pd.factorize(lot["stratum"].astype("str"), sort=True)[0]
        arm = np.searchsorted(arms, lot["arm"].to_numpy())
        return cls(arms, arm, stratum, 1 / lot["probability"].to_numpy(np.float64), who, weights)

    @property
    def strata(self) -> int:
        return int(self.stratum.max()) + 1

    @property
    def limit(self) -> float:
        """Standard errors that a fair lot passes in one of the cells with probability CHANCE at most."""
        return NormalDist().inv_cdf(1 - CHANCE / (2 * self.arms.size * self.strata))

    def furthest_size(self) -> float:
        """Of each stratum and arm, the sum of 1 ÷ probability should be the stratum's rows: the most standard errors
        by which one is not."""
        furthest = 0.0
        for stratum in range(self.strata):
            inside = self.stratum == stratum
            for arm in range(self.arms.size):
                own = inside & (self.arm == arm)
                miss = self.weight[own].sum() - inside.sum()
                # A debtor's rows share one lot: they are right or wrong together.
                of_debtor = np.bincount(self.who[own], self.weight[own])
                odds = np.bincount(self.who[own], 1 - 1 / self.weight[own]) / np.maximum(np.bincount(self.who[own]), 1)
                error = math.sqrt(float((of_debtor**2 * odds).sum()))
                furthest = max(furthest, abs(miss) / max(error, 1e-12))
        return furthest

    def furthest_chance(self, foretold: np.ndarray) -> float:
        """The most standard errors by which an arm's foretold chances differ from those of its strata."""
        mean = np.bincount(self.stratum, foretold) / np.bincount(self.stratum)
        apart = self.weight * (foretold - mean[self.stratum])
        furthest = 0.0
        for arm in range(self.arms.size):
            own = self.arm == arm
            error = math.sqrt(float((np.bincount(self.who[own], apart[own]) ** 2).sum()))
            furthest = max(furthest, abs(float(apart[own].sum())) / max(error, 1e-12))
        return furthest

    def curve(self, accepted: np.ndarray) -> Curve:
        many, debtors = self.arms.size * self.strata, self.draws.shape[1]
        cell = self.arm * self.strata + self.stratum
        # Each debtor's share of each cell's sums; columns: weight, weight x accepted, and the strata's rows.
        place = self.who * many + cell
        parts = np.concatenate(
            [
                np.bincount(place, self.weight, debtors * many).reshape(debtors, many),
                np.bincount(place, self.weight * accepted, debtors * many).reshape(debtors, many),
                np.bincount(self.who * self.strata + self.stratum, minlength=debtors * self.strata).reshape(
                    debtors, self.strata
                ),
            ],
            axis=1,
        )
        sums = np.concatenate(
            [
                self.draws[at : at + DRAWS_AT_ONCE].astype(np.float64) @ parts
                for at in range(0, len(self.draws), DRAWS_AT_ONCE)
            ]
        )
        shape = (len(sums), self.arms.size, self.strata)
        whole, paid, rows = (
            sums[:, :many].reshape(shape),
            sums[:, many : 2 * many].reshape(shape),
            sums[:, None, 2 * many :],
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = (rows * paid / whole).sum(axis=2) / rows.sum(axis=2)
        told = np.array([interval(column) for column in never_falling(rate, whole.sum(axis=2)).T])
        middle, low, high = (tuple(told[:, place].tolist()) for place in range(3))
        return Curve(tuple(self.arms.tolist()), middle, low, high)

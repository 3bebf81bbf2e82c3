"""By whom an account is worked: each route's expected net value, term by term, and the one that is worth most.

internal, agency, legal, sale and rest are set beside each other in minor units of the account, discounted to as_of. Law
comes first, court last: a judgment is not money, so a suit must beat every other way at the low end of what is believed
of it. Where nothing is worth more than 0, an account rests, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from models.belief import LEAST_MATURED, PLACEMENTS, POLICY, Curve
from models.resampling import debtor_draws, interval, ratios_of_sums

INTERNAL, AGENCY, LEGAL, SALE, REST = ROUTES = ("internal", "agency", "legal", "sale", "rest")
OURS = ""  # party of the routes that have none
WAITING = "waiting"  # where the value of going on comes from; a party's is of POLICY or PLACEMENTS
ROUTE_COLUMNS = (
    "why_not",
    "source",
    "share",
    "gross",
    "commission",
    "cost",
    "discount",
    "value",
    "value_low",
    "value_high",
)
# Why a route is closed to an account, the first that applies.
BARRED, KIND, PLACE, CURRENCY, TOO_OLD, TOO_SOON, NO_OFFER_REFUSED, SPECIALIST, NOT_SURE = (
    "barred",
    "kind",
    "place",
    "currency",
    "too_old",
    "too_soon",
    "no_offer_refused",
    "specialist",
    "not_surely_best",
)
NOTHING_ABOVE_ZERO = "nothing_above_zero"


@dataclass(frozen=True)
class Bands:
    """A belief by kind of debt and age: kind (DEFAULT for any other) -> Curve of days past due, flat inside a band."""

    by_kind: Mapping[str, Curve]
    default: Curve | None = None

    def of(self, kind: np.ndarray, days: np.ndarray, end: str = "middle") -> np.ndarray:
        """float64, NaN for a kind of which nothing is believed."""
        found = np.full(len(kind), np.nan)
        for name in np.unique(kind.astype(str)):
            curve = self.by_kind.get(str(name), self.default)
            if curve is not None:
                own = kind == name
                at = np.searchsorted(curve.at, days[own], side="right") - 1
                found[own] = np.where(at >= 0, np.array(getattr(curve, end))[np.maximum(at, 0)], np.nan)
        return found


@dataclass(frozen=True)
class Share:
    """What comes back of the balance, per row, with its interval: float64; NaN where a model does not say."""

    middle: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class Party:
    """Who may be given accounts, and on what terms.

    route         AGENCY, LEGAL or SALE
    recovery      share of the balance: what an agency or a suit brings in gross, what a buyer pays
    commission    share of what comes in, by kind and age; None: none
    fixed_cost    currency -> minor units an account; a currency without one is not given there
    cost_share    of the balance besides: what a suit costs
    delay_days    until the money is there, on average
    horizon_days  in which the recovery is counted
    after_days    worked by ourselves before
    oldest_days   days past due above which nothing is given there; None: no limit
    kinds, places where not empty, only these; US takes US-MA
    notice_days   days that the debtor has known of it by a written notice; 0: none is sent
    """

    name: str
    route: str
    recovery: Bands
    commission: Bands | None
    fixed_cost: Mapping[str, int]
    cost_share: float
    delay_days: int
    horizon_days: int
    after_days: int
    oldest_days: int | None = None
    kinds: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    notice_days: int = 0

    def reaches(self, place: str) -> bool:
        return not self.places or any(place == own or place.startswith((f"{own}-", f"{own}/")) for own in self.places)


@dataclass(frozen=True)
class RouteTerms:
    """internal_days: worked by ourselves before anything goes to court; refused: offers that must have been refused."""

    parties: tuple[Party, ...]
    internal_days: int
    annual_rate: float
    refused: int = 1
    learned: Mapping[str, Share] = field(default_factory=dict)  # party -> per row, in the place of its recovery


@dataclass(frozen=True)
class Routes:
    """terms: (route, party) -> ROUTE_COLUMNS; chosen: route, party, value, value_low, value_high, why. Index as the
    rows'.
    """

    terms: Mapping[tuple[str, str], pd.DataFrame]
    chosen: pd.DataFrame


def routes(rows: pd.DataFrame, terms: RouteTerms) -> Routes:
    """Every route's value for every account, and the one it is to take.

    rows: currency, kind, place, days_past_due, balance (int64 minor units), continuation with continuation_low and
    continuation_high (minor units, net of our contacts: the value of going on), in_house_days, offers_refused, and as
    bool contact_open (the law lets the debtor be contacted, by us, by whoever acts for us or by whoever buys),
    legal_open (it lets the account go to court), leave_open (it may leave the house), specialist.

    agency: (share x balance - commission) x discount - cost; sale: share x balance x discount - cost; legal: share x
    balance x discount - cost, its costs paid at once. A route is chosen by the middle of its value, legal only where
    its low end lies above every other route's middle. A specialist's account stays with us. rest is worth 0 and is
    taken where nothing else is worth more. Ties go to the route that comes first.
    """
    told: dict[tuple[str, str], pd.DataFrame] = {(INTERNAL, OURS): kept_by_us(rows)}
    for party in terms.parties:
        told[party.route, party.name] = _of_party(rows, party, terms)
    names = sorted(told, key=lambda name: (ROUTES.index(name[0]), name[1]))
    value = np.stack([told[name]["value"].to_numpy(np.float64) for name in names])
    closed = np.stack([told[name]["why_not"].to_numpy() != "" for name in names])
    value[closed] = -np.inf
    suits = np.array([route == LEGAL for route, _ in names])
    others = np.maximum(value[~suits].max(axis=0), 0.0)
    for place in np.flatnonzero(suits):
        low = told[names[place]]["value_low"].to_numpy()
        unsure = ~closed[place] & (low <= others)
        told[names[place]]["why_not"] = told[names[place]]["why_not"].mask(unsure, NOT_SURE)
        value[place, unsure] = -np.inf
    best = value.argmax(axis=0)
    rests = value.max(axis=0) <= 0
    found = pd.DataFrame(
        {
            "route": np.where(rests, REST, np.array([route for route, _ in names], dtype=object)[best]),
            "party": np.where(rests, OURS, np.array([party for _, party in names], dtype=object)[best]),
        },
        index=rows.index,
    ).astype("str")
    for end in ("value", "value_low", "value_high"):
        own = np.stack([told[name][end].to_numpy() for name in names])[best, np.arange(len(rows))]
        found[end] = np.where(rests, 0, own)
    found["why"] = pd.Series(np.where(rests, NOTHING_ABOVE_ZERO, ""), index=rows.index, dtype="str")
    told[REST, OURS] = _told(rows, "", np.zeros(len(rows)), {end: np.zeros(len(rows)) for end in _ENDS}, "")
    return Routes(told, found)


_ENDS = ("middle", "low", "high")


def kept_by_us(rows: pd.DataFrame) -> pd.DataFrame:
    """What going on as today is worth: its contacts are in it, so no other term is."""
    names = ("continuation", "continuation_low", "continuation_high")
    balance = rows["balance"].to_numpy(np.float64)
    value = [rows[name].to_numpy(np.float64) for name in names]
    share = [np.divide(each, balance, out=np.zeros(len(rows)), where=balance > 0) for each in value]
    found = _told(rows, WAITING, np.zeros(len(rows)), dict(zip(_ENDS, share, strict=True)), "")
    for end, each in zip(("gross", "value", "value_low", "value_high"), (value[0], *value), strict=True):
        found[end] = np.rint(each).astype(np.int64)
    return found


def _of_party(rows: pd.DataFrame, party: Party, terms: RouteTerms) -> pd.DataFrame:
    kind, days = rows["kind"].astype("str").to_numpy(object), rows["days_past_due"].to_numpy(np.int64)
    share = {end: party.recovery.of(kind, days, end) for end in _ENDS}
    source = np.full(len(rows), POLICY, dtype=object)
    if party.name in terms.learned:
        learned = terms.learned[party.name]
        known = ~np.isnan(learned.middle)
        share = {end: np.where(known, getattr(learned, end), share[end]) for end in _ENDS}
        source[known] = PLACEMENTS
    commission = np.zeros(len(rows)) if party.commission is None else party.commission.of(kind, days)
    discount = (1 + terms.annual_rate) ** (-party.delay_days / 365.0)
    cost = rows["currency"].astype("str").map({name: float(amount) for name, amount in party.fixed_cost.items()})
    fixed = cost.to_numpy(np.float64)
    whole = np.nan_to_num(fixed) + party.cost_share * rows["balance"].to_numpy(np.float64)
    lacking = np.isnan(share["middle"]) | np.isnan(commission)
    told = {end: np.nan_to_num(each) for end, each in share.items()}
    found = _told(rows, "", np.rint(whole), told, source, np.nan_to_num(commission), discount)
    found["why_not"] = _closed(rows, party, terms, lacking, np.isnan(fixed))
    return found


def _told(
    rows: pd.DataFrame,
    source: str,
    cost: np.ndarray,
    share: Mapping[str, np.ndarray],
    sources: np.ndarray | str,
    commission: np.ndarray | None = None,
    discount: float = 1.0,
) -> pd.DataFrame:
    """ROUTE_COLUMNS of an open route; money int64 minor units: value = rint((gross - commission) x discount) - cost."""
    balance = rows["balance"].to_numpy(np.float64)
    taken = np.zeros(len(rows)) if commission is None else commission
    gross = {end: np.rint(each * balance) for end, each in share.items()}
    fee = {end: np.rint(each * taken) for end, each in gross.items()}
    value = {end: (np.rint((gross[end] - fee[end]) * discount) - cost).astype(np.int64) for end in share}
    return pd.DataFrame(
        {
            "why_not": pd.Series("", index=rows.index, dtype="str"),
            "source": pd.Series(sources if isinstance(sources, np.ndarray) else source, index=rows.index, dtype="str"),
            "share": share["middle"],
            "gross": gross["middle"].astype(np.int64),
            "commission": fee["middle"].astype(np.int64),
            "cost": cost.astype(np.int64),
            "discount": discount,
            "value": value["middle"],
            "value_low": value["low"],
            "value_high": value["high"],
        },
        index=rows.index,
    )


def _closed(
    rows: pd.DataFrame, party: Party, terms: RouteTerms, lacking: np.ndarray, costless: np.ndarray
) -> pd.Series:
    """Why an account may not be given to a party, "" where it may: the first that applies."""
    place, kind = rows["place"].astype("str"), rows["kind"].astype("str")
    reached = place.map({name: party.reaches(name) for name in place.unique()}).to_numpy(bool)
    suit = party.route == LEGAL
    needs = {LEGAL: "legal_open", AGENCY: "contact_open", SALE: "contact_open"}  # a buyer would contact too
    lawful = rows[needs[party.route]].to_numpy(bool)
    before = max(party.after_days, terms.internal_days) if suit else party.after_days
    oldest = np.inf if party.oldest_days is None else party.oldest_days
    tests = {
        SPECIALIST: rows["specialist"].to_numpy(bool),
        BARRED: ~rows["leave_open"].to_numpy(bool) | ~lawful,
        PLACE: ~reached,
        KIND: lacking | (~kind.isin(party.kinds).to_numpy() & bool(party.kinds)),
        CURRENCY: costless,
        TOO_OLD: rows["days_past_due"].to_numpy() > oldest,
        TOO_SOON: rows["in_house_days"].to_numpy() < before,
        NO_OFFER_REFUSED: (rows["offers_refused"].to_numpy() < terms.refused) & suit,
    }
    why = np.select(list(tests.values()), list(tests), "")
    return pd.Series(why, index=rows.index, dtype="str")


# ---- what was learnt from placements -----------------------------------------------------------------------------


SLOPE_SD, KIND_SD = 1.0, 0.5  # how far a party is believed to lie off before its placements prove it, log
NEWTON_STEPS = 30


@dataclass(frozen=True)
class Recovered:
    """What a party brings back ÷ what is believed of kind and age, as exp(start + sum of slope x (value - centre) + its
    kind's): of the log of what is believed, and of the balance's in reporting units.

    covariance: of (start, slopes, kinds), from draws of debtors; kinds: in order, those with LEAST_MATURED placements.
    """

    start: float
    centres: tuple[float, float]
    slopes: tuple[float, float]
    kinds: Mapping[str, float]
    covariance: np.ndarray

    def times(self, believed: np.ndarray, money: np.ndarray, kind: np.ndarray) -> tuple[np.ndarray, ...]:
        """(middle, low, high) of the factor per row; 95 %."""
        columns = _columns(believed, money, kind, self.centres, tuple(self.kinds))
        level = columns @ np.array([self.start, *self.slopes, *self.kinds.values()])
        wide = 1.96 * np.sqrt(np.maximum(np.einsum("ri,ij,rj->r", columns, self.covariance, columns), 0.0))
        return tuple(np.exp(each) for each in (level, level - wide, level + wide))


def _columns(
    believed: np.ndarray, money: np.ndarray, kind: np.ndarray, centres: tuple[float, float], kinds: Sequence[str]
) -> np.ndarray:
    values = [np.log(np.maximum(each, 1e-9)) - centre for each, centre in zip((believed, money), centres, strict=True)]
    return np.column_stack([np.ones(len(kind)), *values, *((kind == name).astype(float) for name in kinds)])


def recovered_of(party: Party, placements: pd.DataFrame, *, draws: int, seed: int) -> Recovered | None:
    """Learnt from a party's placements that matured; None where there are fewer than LEAST_MATURED of them.

    placements of this party, matured ones alone: debtor_id, kind, days_past_due and balance when placed, recovered
    (gross, within the party's horizon), unit (reporting units per minor unit). Maximum quasi-likelihood of money whose
    variance is in proportion to its mean, in the unit of the mean payment, under a normal prior around what is
    believed; the interval is by debtor.
    """
    kind = placements["kind"].astype("str").to_numpy(object)
    believed = np.nan_to_num(party.recovery.of(kind, placements["days_past_due"].to_numpy(np.int64)))
    unit = placements["unit"].to_numpy(np.float64)
    money = placements["balance"].to_numpy(np.float64) * unit
    came = placements["recovered"].to_numpy(np.float64) * unit
    rows = believed * money > 0
    if rows.sum() < LEAST_MATURED:
        return None
    kind, believed, money, came = kind[rows], believed[rows], money[rows], came[rows]
    usual = came[came > 0].mean() if (came > 0).any() else money.mean()
    weight = believed * money / usual
    centres = tuple(float(np.average(np.log(each), weights=weight)) for each in (believed, money))
    kinds = [str(name) for name in np.unique(kind.astype(str)) if (kind == name).sum() >= LEAST_MATURED]
    columns = _columns(believed, money, kind, (centres[0], centres[1]), kinds)
    prior = np.array([1e-3, *[SLOPE_SD**-2] * 2, *[KIND_SD**-2] * len(kinds)])
    who, weights = debtor_draws(placements["debtor_id"][rows], draws, seed)
    found = np.array([_quasi(columns, weight, came / usual, own[who].astype(float), prior) for own in weights])
    middle = found[0]
    return Recovered(
        float(middle[0]),
        (centres[0], centres[1]),
        (float(middle[1]), float(middle[2])),
        dict(zip(kinds, middle[3:].tolist(), strict=True)),
        np.cov(found[1:].T).reshape(len(middle), -1),
    )


def _quasi(
    columns: np.ndarray, expected: np.ndarray, came: np.ndarray, times: np.ndarray, prior: np.ndarray
) -> np.ndarray:
    """Newton steps of a concave function; sums run without BLAS's threads, over few columns."""
    at = np.zeros(columns.shape[1])
    for _ in range(NEWTON_STEPS):
        mean = expected * np.exp(np.clip(columns @ at, -20, 20)) * times
        slope = columns.T @ (came * times - mean) - prior * at
        step = np.linalg.solve((columns * mean[:, None]).T @ columns + np.diag(prior), slope)
        step *= min(1.0, 1.0 / np.abs(step).max(initial=1e-12))
        at = at + step
        if np.abs(step).max() < 1e-8:
            break
    return at


def shares_by(rows: pd.DataFrame, believed: Bands, learnt: Recovered) -> Share:
    """What comes back of each row's balance, 1 at most. rows: kind, days_past_due, balance (minor units), unit
    (reporting units per minor unit)."""
    kind = rows["kind"].astype("str").to_numpy(object)
    base = believed.of(kind, rows["days_past_due"].to_numpy(np.int64))
    money = rows["balance"].to_numpy(np.float64) * rows["unit"].to_numpy(np.float64)
    return Share(*(np.minimum(base * each, 1.0) for each in learnt.times(np.nan_to_num(base), money, kind)))


def learned_share(rows: pd.DataFrame, party: Party, placements: pd.DataFrame, *, draws: int, seed: int) -> Share | None:
    """`shares_by` what `recovered_of` a party; None where that is nothing."""
    learnt = recovered_of(party, placements, draws=draws, seed=seed)
    return None if learnt is None else shares_by(rows, party.recovery, learnt)


# ---- agencies set beside each other ----------------------------------------------------------------------------------


def compared(placements: pd.DataFrame, *, draws: int, seed: int) -> pd.DataFrame:
    """Recovered ÷ expected of each party on what it was given: party, placements, debtors, recovered, expected, ratio,
    ratio_low, ratio_high, by_lot; sorted by party. 95 % interval by debtor; NaN where nothing was expected.

    placements, matured ones alone: party, debtor_id, recovered and expected (one currency; expected: what was foretold
    of this account when it was placed, the same whoever got it), probability (with which the party was drawn; NaN where
    somebody chose). by_lot: all of the party's were drawn; only then is the ratio the party's own merit, each placement
    weighed by 1 ÷ probability, and not also of what nobody foretold.
    """
    found = []
    for party, own in placements.groupby("party", sort=True):
        chance = own["probability"].to_numpy(np.float64)
        drawn = (chance > 0) & (chance < 1)
        weight = 1 / chance if drawn.all() else np.ones(len(own))
        who, weights = debtor_draws(own["debtor_id"], draws, seed)
        money = [own[name].to_numpy(np.float64) for name in ("recovered", "expected")]
        ratio, low, high = interval(ratios_of_sums(money[0] * weight, money[1] * weight, who, weights))
        debtors = own["debtor_id"].nunique()
        found.append((party, len(own), debtors, money[0].sum(), money[1].sum(), ratio, low, high, bool(drawn.all())))
    names = ["party", "placements", "debtors", "recovered", "expected", "ratio", "ratio_low", "ratio_high", "by_lot"]
    return pd.DataFrame(found, columns=names)

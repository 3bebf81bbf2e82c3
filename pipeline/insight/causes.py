"""Which facts of their opening go with accounts that went bad: proposed on the earlier accounts, judged on the later
ones, told only where all that is told holds together. It is association: nobody drew by lot who was sold what.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from features.currencies import DECIMALS
from models.association import Ratio, ratio_of
from models.fairness import LEAST_DEBTORS, NOT_STATED, TELLING_AUC, groups_of
from models.opening_risk import Judgement, judged
from models.resampling import ratio_by_debtor
from models.segments import FROM, LEAST_ACCOUNTS, Condition, Segment, column_tells, holds, proposed, tells
from models.split import debtor_folds
from pipeline.insight.openings import FIRST_PAYMENT, ROLLED, Openings, months, quarters
from pipeline.params import Params

OUTCOMES = (ROLLED, FIRST_PAYMENT)
MOST = 5  # segments proposed of each outcome
ERROR = 0.05  # chance of a false sentence of each family where nothing is to be found, half of it on either side
LEAST_JUDGED = 8  # events of a segment among the later accounts
LEAST_SPLIT = 30  # events of each half
OPENING = "opened in"  # the column of a month's condition
REFUSED = (0.05, 0.1, 0.2)


@dataclass(frozen=True)
class Finding:
    """A segment and an outcome. family: facts or months. ratio: of the later accounts (of months: of all), its interval
    of the level at which all of its family hold together; earlier: of the accounts that proposed it. Shares: of the
    judged accounts, events and losses that lie in it; loss: in reporting currency. margin: of its accounts that did not
    go bad, None where none is stated. state: held, not held, too few.
    """

    family: str
    outcome: str
    segment: Segment
    ratio: Ratio
    earlier: Ratio | None
    account_share: float
    event_share: float
    loss_share: float | None
    loss: float | None
    margin: float | None
    state: str


@dataclass(frozen=True)
class Cut:
    """A cut-off chosen on the earlier accounts, looked at on the later ones: what refusing beyond it would have
    refused. Shares with their intervals by debtor.
    """

    outcome: str
    condition: Condition
    accounts: float
    events: tuple[float, float, float]
    losses: tuple[float, float, float] | None
    loss: float | None
    margin: float | None


@dataclass(frozen=True)
class Unsaid:
    """What could not be said, and why. why: a key of the words insight.unsaid; outcome: of which, "" of all."""

    why: str
    outcome: str = ""
    codes: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass
class Causes:
    """What was found, and what could not be said. silenced: column -> (group that it tells, AUC)."""

    findings: list[Finding] = field(default_factory=list)
    cuts: list[Cut] = field(default_factory=list)
    judgements: dict[str, Judgement] = field(default_factory=dict)
    levels: list[tuple[str, str, str, float, float, float]] = field(default_factory=list)
    silenced: dict[str, tuple[str, float]] = field(default_factory=dict)
    unsaid: list[Unsaid] = field(default_factory=list)
    halves: dict[str, tuple[int, int, int, int, int]] = field(default_factory=dict)
    tests: dict[str, int] = field(default_factory=dict)

    def held(self) -> list[Finding]:
        """What may be said: the largest share of losses first."""
        told = [each for each in self.findings if each.state == "held"]
        return sorted(told, key=lambda each: (-(each.loss_share or 0.0), -each.event_share, each.segment))


def causes(of: Openings, params: Params) -> Causes:
    """Judge every outcome of the accounts."""
    found = Causes()
    accounts = of.accounts.assign(principal=_in_reporting(of, params, found), loss=_losses(of, params, found))
    groups = {name: groups_of(of.audits[name]) for name in of.audits}
    columns = _columns(accounts, groups, found)
    waiting = []
    for outcome in OUTCOMES:
        known = accounts[outcome].notna().to_numpy()
        parts = _halves(accounts, known, outcome, found, params.seed)
        if parts is None:
            continue
        earlier, later = parts
        bad = accounts[outcome].fillna(0).to_numpy() > 0
        strata = (accounts["portfolio"] + "|" + quarters(accounts["opened"].to_numpy())).to_numpy()
        waiting += [
            (outcome, segment, earlier, later, bad, strata)
            for segment in proposed(accounts[earlier], columns, bad[earlier], strata[earlier], MOST)
            if _is_sayable(segment, accounts, groups, found)
        ]
        _model(found, accounts, columns, outcome, bad, earlier, later, groups, params)
        found.cuts += _cuts(accounts, columns, outcome, bad, earlier, later, params)
    found.tests["facts"] = len(waiting)
    for outcome, segment, earlier, later, bad, strata in waiting:
        found.findings.append(_judge(accounts, segment, outcome, earlier, later, bad, strata, len(waiting), params))
    _months(found, accounts, of, params)
    return found


def said_of_groups(groups: np.ndarray, debtors: pd.Series) -> dict[str, int]:
    """The stated groups of LEAST_DEBTORS debtors or more -> their debtors."""
    counts = pd.DataFrame({"group": groups, "who": debtors.to_numpy()}).drop_duplicates()["group"].value_counts()
    return {str(name): int(count) for name, count in counts.items() if name != NOT_STATED and count >= LEAST_DEBTORS}


def _in_reporting(of: Openings, params: Params, found: Causes) -> np.ndarray:
    """Principals on one scale: of one currency as they are, of several by the dated rates."""
    currencies = sorted(of.accounts.loc[of.accounts["principal"].notna(), "currency"].unique())
    if len(currencies) <= 1:
        return of.accounts["principal"].to_numpy(dtype=np.float64)
    lacking = [name for name in currencies if name not in params.money.rates]
    if lacking:
        found.unsaid.append(Unsaid("principal_rate", codes=tuple(lacking)))
    return (of.accounts["principal"] * of.accounts["currency"].map(params.money.rates)).to_numpy(dtype=np.float64)


def _losses(of: Openings, params: Params, found: Causes) -> np.ndarray:
    """In reporting currency at the dated rates; missing for all where one rate is missing: parts are not added."""
    currencies = sorted(of.accounts["currency"].unique())
    lacking = [name for name in currencies if name not in params.money.rates]
    if lacking:
        found.unsaid.append(Unsaid("loss_rate", codes=tuple(lacking)))
        return np.full(len(of.accounts), np.nan)
    worth = of.accounts["currency"].map(lambda name: params.money.rates[name] / 10.0 ** DECIMALS[name])
    return (of.accounts["loss"] * worth).to_numpy(dtype=np.float64)


def _columns(accounts: pd.DataFrame, groups: Mapping[str, np.ndarray], found: Causes) -> list[str]:
    """Columns that a segment may stand on: none that tells a protected group by itself."""
    wanted = ["product", "debtor_type", "principal", *(name for name in accounts if name.startswith("x_"))]
    kept = []
    for column in wanted:
        cells = accounts[column]
        if cells.nunique(dropna=False) < 2:
            continue
        told = [
            (column_tells(cells, member, accounts["debtor_id"], name), f"{_plain(trait)} {name}")
            for trait, member in groups.items()
            for name in said_of_groups(member, accounts["debtor_id"])
        ]
        most, group = max(told, default=(0.5, ""))
        if most > TELLING_AUC:
            found.silenced[column] = (group, most)
        else:
            kept.append(column)
    if not groups:
        found.unsaid.append(Unsaid("no_audit"))
    return kept


def _is_sayable(segment: Segment, accounts: pd.DataFrame, groups: Mapping[str, np.ndarray], found: Causes) -> bool:
    """Whether several conditions together do not stand for a group that none of them tells."""
    member = holds(segment, accounts)
    for trait, of_whom in groups.items():
        told = tells(member, of_whom, said_of_groups(of_whom, accounts["debtor_id"]))
        if told > TELLING_AUC:
            found.silenced[", ".join(condition.column for condition in segment)] = (_plain(trait), told)
            return False
    return True


def _plain(name: str) -> str:
    return name.removeprefix("audit_").removeprefix("x_").replace("_", " ")


def halves_of(accounts: pd.DataFrame, outcome: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Earlier and later accounts, of other debtors, cut where half of the events lie. Debtors of the earlier accounts
    are left out of the later ones; where that leaves fewer events than to divide the debtors by lot, these are divided.
    """
    known = accounts[outcome].notna().to_numpy()
    bad = known & (accounts[outcome].fillna(0).to_numpy() > 0)
    opened = accounts["opened"].to_numpy()
    days = np.sort(opened[bad])
    cut = days[len(days) // 2] if len(days) else opened.max(initial=0)
    if len(days) and cut == days[0]:  # most lie on one day: the next one begins the later part
        cut = min(days[days > cut], default=cut)
    first, then = known & (opened < cut), known & (opened >= cut)
    new = ~accounts["debtor_id"].isin(accounts.loc[first, "debtor_id"]).to_numpy()
    half = debtor_folds(accounts["debtor_id"], 2, seed) == 0
    return max(((first, then & new), (first & half, then & ~half)), key=lambda parts: _fewest(parts, bad))


def _fewest(parts: tuple[np.ndarray, np.ndarray], bad: np.ndarray) -> int:
    return min(int((part & bad).sum()) for part in parts)


def _halves(
    accounts: pd.DataFrame, known: np.ndarray, outcome: str, found: Causes, seed: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """The halves of an outcome that may be looked into; None, and why, where it may not."""
    bad = known & (accounts[outcome].fillna(0).to_numpy() > 0)
    if bad.sum() < 2 * LEAST_SPLIT:
        counts = {"did": int(bad.sum()), "known": int(known.sum()), "needed": 2 * LEAST_SPLIT}
        found.unsaid.append(Unsaid("too_few", outcome, counts=counts))
        return None
    earlier, later = halves_of(accounts, outcome, seed)
    left = int((known & ~earlier & ~later).sum())
    size = int(earlier.sum()), int((earlier & bad).sum()), int(later.sum()), int((later & bad).sum())
    found.halves[outcome] = (*size, left)
    if _fewest((earlier, later), bad) < LEAST_SPLIT // 2:
        found.unsaid.append(Unsaid("one_half", outcome))
        return None
    return earlier, later


def _judge(
    accounts: pd.DataFrame,
    segment: Segment,
    outcome: str,
    earlier: np.ndarray,
    later: np.ndarray,
    bad: np.ndarray,
    strata: np.ndarray,
    tests: int,
    params: Params,
) -> Finding:
    member, debtors = holds(segment, accounts), accounts["debtor_id"].to_numpy()
    first = ratio_of(member[earlier], bad[earlier], strata[earlier], debtors[earlier])
    then = ratio_of(member[later], bad[later], strata[later], debtors[later], 1 - ERROR / tests)
    few = then.inside_events < LEAST_JUDGED
    state = "too few" if few else "held" if then.low > 1 else "not held"
    return _finding("facts", accounts, segment, outcome, then, first, member, later, bad, state, params)


def _finding(
    family: str,
    accounts: pd.DataFrame,
    segment: Segment,
    outcome: str,
    ratio: Ratio,
    earlier: Ratio | None,
    member: np.ndarray,
    judged_on: np.ndarray,
    bad: np.ndarray,
    state: str,
    params: Params,
) -> Finding:
    here = judged_on & member
    losses = accounts["loss"].to_numpy()
    whole, own = np.nansum(losses[judged_on]), np.nansum(losses[here])
    is_told = not np.isnan(losses[judged_on & bad]).all() and whole > 0
    return Finding(
        family,
        outcome,
        segment,
        ratio,
        earlier,
        float(here.sum() / judged_on.sum()),
        float((here & bad).sum() / max((judged_on & bad).sum(), 1)),
        float(own / whole) if is_told else None,
        float(own) if is_told else None,
        _margin(accounts, here & ~bad, params),
        state,
    )


def _margin(accounts: pd.DataFrame, rows: np.ndarray, params: Params) -> float | None:
    """What the accounts that did not go bad would have earned, in reporting currency; None where a book of theirs
    states no margin, or one has no principal.
    """
    own = accounts[rows]
    share = own["portfolio"].map(params.insight.margin)
    one = own["currency"].nunique() == 1
    rate = own["currency"].map(params.money.rates) if one else 1.0  # of several, principals stand at the rates already
    earned = own["principal"] * share * (rate if accounts["currency"].nunique() == 1 else 1.0)
    return None if own.empty or earned.isna().any() else float(earned.sum())


def _months(found: Causes, accounts: pd.DataFrame, of: Openings, params: Params) -> None:
    """Months of opening against the other months of the same book and product. They are not chosen by what is seen, and
    a month does not come again: all accounts judge them.
    """
    accounts = accounts[~accounts["portfolio"].isin(of.followed)].reset_index(drop=True)
    month = months(accounts["opened"].to_numpy())
    strata = (accounts["portfolio"] + "|" + accounts["product"]).to_numpy()
    debtors = accounts["debtor_id"].to_numpy()
    asked = [
        (outcome, name)
        for outcome in found.halves
        for name, count in pd.Series(month[accounts[outcome].notna().to_numpy()])
        .value_counts(sort=False)
        .sort_index()
        .items()
        if count >= LEAST_ACCOUNTS
    ]
    found.tests["months"] = len(asked)
    for outcome, name in asked:
        known = accounts[outcome].notna().to_numpy()
        bad, member = accounts[outcome].fillna(0).to_numpy() > 0, month == name
        ratio = ratio_of(member[known], bad[known], strata[known], debtors[known], 1 - ERROR / len(asked))
        state = "too few" if ratio.inside_events < LEAST_JUDGED else "held" if ratio.low > 1 else "not held"
        segment = (Condition(OPENING, "is", str(name)),)
        found.findings.append(
            _finding("months", accounts, segment, outcome, ratio, None, member, known, bad, state, params)
        )


def _model(
    found: Causes,
    accounts: pd.DataFrame,
    columns: list[str],
    outcome: str,
    bad: np.ndarray,
    earlier: np.ndarray,
    later: np.ndarray,
    groups: Mapping[str, np.ndarray],
    params: Params,
) -> None:
    if not columns:
        return
    rows = earlier | later
    told = judged(
        accounts[rows].reset_index(drop=True),
        columns,
        bad[rows],
        accounts.loc[rows, "debtor_id"].reset_index(drop=True),
        later[rows],
        params.seed,
    )
    found.judgements[outcome] = told
    came, who = pd.Series(bad[later].astype(float)), accounts.loc[later, "debtor_id"].reset_index(drop=True)
    expected = pd.Series(told.chance)
    for trait, member in groups.items():
        for name in said_of_groups(member[later], who):
            mine = member[later] == name
            if came[mine].sum() >= LEAST_JUDGED:
                level = ratio_by_debtor(who[mine], came[mine], expected[mine])
                found.levels.append((outcome, _plain(trait), name, *level))


def _cuts(
    accounts: pd.DataFrame,
    columns: list[str],
    outcome: str,
    bad: np.ndarray,
    earlier: np.ndarray,
    later: np.ndarray,
    params: Params,
) -> list[Cut]:
    """For each number among the facts, the end of it at which more went bad earlier, cut at REFUSED of the accounts."""
    found = []
    losses, debtors = accounts["loss"].to_numpy(), accounts["debtor_id"]
    for column in columns:
        cells = accounts[column]
        if not pd.api.types.is_numeric_dtype(cells) or cells[earlier].nunique() < 10:
            continue
        told = cells[earlier].to_numpy(dtype=np.float64)
        went = bad[earlier]
        high = np.nanmean(told[went]) > np.nanmean(told[~went])
        for share in REFUSED:
            edge = float(f"{np.nanquantile(told, 1 - share if high else share):.3g}")
            condition = Condition(column, FROM if high else "below", edge)
            member = condition.holds(accounts)
            here = later & member
            if here.sum() < LEAST_ACCOUNTS:
                continue
            who, inside = debtors[later], pd.Series(member[later].astype(float))
            events = pd.Series(bad[later].astype(float))
            lost = pd.Series(np.nan_to_num(losses[later]))
            is_told = lost.sum() > 0
            found.append(
                Cut(
                    outcome,
                    condition,
                    float(here.sum() / later.sum()),
                    ratio_by_debtor(who, inside * events, events),
                    ratio_by_debtor(who, inside * lost, lost) if is_told else None,
                    float(losses[here & ~np.isnan(losses)].sum()) if is_told else None,
                    _margin(accounts, here & ~bad, params),
                )
            )
    return found

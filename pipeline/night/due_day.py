"""What a night offers around a due day: a later one, or a little less for paying before it, to accounts of the watch
cohort of which the chance of being late is known.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.build import build
from features.cohort import watched
from features.days import date_of
from features.settlements import net_payments
from features.spec import Noun
from features.tables import NO_DAY, STATUSES
from features.versions import arranged, key_of
from models.due_day import EARLY, MOVE
from models.habits import habits
from models.lot import CONTROL
from pipeline.columns import PROPOSAL_COLUMNS
from pipeline.law.disputes import disputed_balance
from pipeline.law.eligibility import rulings
from pipeline.law.outcome import EXCLUDED, STATES
from pipeline.law.question import Sight
from pipeline.night.feeds import case_of
from pipeline.night.former_offers import binding, closed_by_settlement
from pipeline.night.score import Job
from pipeline.night.treatment import ALL, NOTHING_AT_ALL, allowed_of, known_people, recorded_of, statuses_of, unit_of
from pipeline.night.watch import head_of
from pipeline.panel.view import View, quiet_through, terms_of
from pipeline.store.store import Store
from pipeline.treatment.due_day import DUE_COLUMNS, propose_by_due_day
from pipeline.treatment.policy import Policy, policy_in
from pipeline.treatment.proposals import NOTHING

RHYTHM = "days_after_due_mean_365d"
YEAR_DAYS = 365
# Of a shard: what the policy is asked about each watched account. unknown, engaged, has_accepted and offer_binds are of
# its debtor; offered_on and offer_until of an offer about its due day that may still be taken.
DUE_ASKED = (
    *("account_no", "account_id", "debtor_id", "portfolio", "product", "currency", "debtor_type", "balance"),
    *("due_amount", "due_on", "late_by_days", "payday", "moved", "contact_open", "statuses"),
    *("unknown", "engaged", "has_accepted", "offer_binds", "offered_on", "offer_until", "allowed", "disputed", "unit"),
)
# Why nothing is offered, the first that applies.
LEFT = ("held_out", "unknown", "accepted", "engaged", "role", "disputed", "offer_stands", "offered", "reminded")


def nobody() -> pd.DataFrame:
    """DUE_ASKED without a row."""
    texts = ("account_id", "debtor_id", "portfolio", "product", "currency", "debtor_type")
    kinds = {**dict.fromkeys((*texts, "allowed"), "str"), **dict.fromkeys(("late_by_days", "unit"), "float64")}
    kinds |= dict.fromkeys(("contact_open", "unknown", "engaged", "has_accepted", "offer_binds", "disputed"), "bool")
    return pd.DataFrame({name: pd.Series(dtype=kinds.get(name, "int64")) for name in DUE_ASKED})


def asked_by_due_day(job: Job, seen: View, store: Store) -> pd.DataFrame:
    """DUE_ASKED of the watched accounts of a shard; no row where the policy offers nothing around a due day, or the
    model in use does not say how likely they are late.

    due_amount is what falls due within the watched days, due_on its first day. late_by_days: that the debtor paid after
    the due day in the last year, NaN where he did not, or nobody knows. moved: due days moved in the last year.
    """
    policy = policy_in(job.params, date_of(job.as_of))
    if policy is None or (policy.moves is None and policy.early is None) or head_of(job) is None:
        return nobody()
    terms = terms_of(store, job.params, job.versions)
    watch = job.params.watch_terms()
    rows = watched(seen.tables, seen.ledger, [job.as_of], terms, watch).frame.reset_index(drop=True)
    if rows.empty:
        return nobody()
    found = rulings(case_of(seen, store, job.versions, job.as_of, job.params, rows), job.as_of)
    people = known_people(seen.tables["accounts"], job.as_of)
    by_account = people.set_index("account_no")
    payer = by_account["payer"].reindex(rows["account_no"]).to_numpy(np.int64)
    usual = habits(_paid(seen, by_account["payer"], job.as_of), int(people["payer"].max()) + 1, job.as_of)
    owing = seen.cohort.frame["account_no"].to_numpy(np.int64)
    agreed, stands = binding(seen, by_account["debtor_id"], rows, job.as_of, job.params, owing)
    closed = closed_by_settlement(seen.tables, seen.ledger.settlements, rows, job.as_of, job.params)
    complete = quiet_through(store, job.versions, job.params)
    late = build(rows, seen.tables, [Noun(RHYTHM)], terms, seen.ledger, complete)[RHYTHM].to_numpy(np.float64)
    return rows.assign(
        due_on=rows["next_due_on"].to_numpy(np.int64),
        late_by_days=np.where(late > 0, late, np.nan),
        payday=usual["payday"].to_numpy()[payer],
        moved=_moved(seen, rows, job.as_of),
        contact_open=(found.accounts["group"].astype("str") != STATES[EXCLUDED]).to_numpy(bool),
        statuses=statuses_of(found.recorded),
        unknown=found.recorded["unknown"].to_numpy(bool),
        engaged=found.accounts["engaged"].to_numpy(bool),
        has_accepted=agreed | closed,
        allowed=allowed_of(rows["portfolio"], job.params, policy),
        disputed=disputed_balance(seen.tables, rows, Sight(job.as_of)) > 0,
        unit=unit_of(rows["currency"], job.params),
        **{name: stands[name].to_numpy() for name in ("offer_binds", "offered_on", "offer_until")},
    )[list(DUE_ASKED)].astype(dict(nobody().dtypes))


def _paid(seen: View, payer: pd.Series, night: int) -> pd.DataFrame:
    """debtor (payer), day and amount, of models.habits, of payments known before the night, on accounts in time too."""
    if seen.ledger.settlements is None:
        return pd.DataFrame({name: pd.Series(dtype="int64") for name in ("debtor", "day", "amount")})
    paid = net_payments(seen.ledger.settlements, night)
    rows = pd.DataFrame(
        {
            "debtor": payer.reindex(paid["account_no"]).to_numpy(),
            "day": paid["occurred_on"].to_numpy(np.int64),
            "amount": paid["amount"].to_numpy(np.int64),
        }
    )
    return rows.dropna().astype("int64")


def _moved(seen: View, rows: pd.DataFrame, night: int) -> np.ndarray:
    """Moves of the due day that were accepted in the last year, of each account."""
    made = seen.tables.get("offers")
    if made is None or made.empty:
        return np.zeros(len(rows), np.int64)
    made = arranged(made, "offers")
    last = Sight(night).newest(made, key_of(made, "offers"), "offers")
    own = (last["kind"].astype("str") == MOVE) & (last["outcome"].astype("str") == "accepted")
    own &= last["made_on"] >= night - YEAR_DAYS
    return rows["account_no"].map(last.loc[own, "account_no"].value_counts()).fillna(0).to_numpy(np.int64)


# ---- the night -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DueDay:
    """What is offered around due days on a night. rows: DUE_ASKED and p_late of the accounts asked about; found:
    propose_by_due_day of them; left_out: reason of LEFT -> accounts.
    """

    rows: pd.DataFrame
    found: pd.DataFrame
    left_out: dict[str, int]


def offer_by_due_day(
    parts: Sequence[pd.DataFrame],
    watch: pd.DataFrame,
    arms: pd.DataFrame,
    taken: Collection[str],
    reminded: Collection[str],
    policy: Policy,
    as_of: int,
) -> DueDay:
    """Of all shards. watch: account_id and p_late; arms: of the lot; taken, reminded: debtors to whom something else is
    offered, or written, tonight: who is reminded of a day is not asked on the same night whether it should be another.
    """
    whole = pd.concat(parts, ignore_index=True).merge(watch[["account_id", "p_late"]], on="account_id")
    debtor = whole["debtor_id"]
    tests = {
        "held_out": debtor.isin(arms.loc[arms["arm"] == CONTROL, "debtor_id"]),
        "unknown": whole["unknown"].groupby(debtor).transform("any"),
        "accepted": whole["has_accepted"],
        "engaged": whole["engaged"].groupby(debtor).transform("any"),
        "role": whole["allowed"] == NOTHING_AT_ALL,
        "disputed": whole["disputed"],
        "offer_stands": whole["offer_binds"],
        "offered": debtor.isin(list(taken)),
        "reminded": debtor.isin(list(reminded)),
    }
    why = np.select([each.to_numpy(bool) for each in tests.values()], list(tests), "")
    rows = whole[why == ""].sort_values("account_id", ignore_index=True)
    rows = rows.assign(may_let_off=rows["allowed"] == ALL)
    found = propose_by_due_day(rows[list(DUE_COLUMNS)], recorded_of(rows, STATUSES), policy, as_of)
    worth = found["value"].to_numpy() * rows["unit"].fillna(0).to_numpy()
    order = np.lexsort((rows["account_id"], -worth, rows["debtor_id"]))
    first = (found["proposal"] != NOTHING).to_numpy()[order]
    later = rows["debtor_id"].iloc[order][first].duplicated().to_numpy()
    second = found.index[order][first][later]
    found.loc[second, "proposal"] = NOTHING  # one offer a debtor
    left = {name: int((why == name).sum()) for name in LEFT}
    left["offered"] += len(second)
    return DueDay(rows, found, left)


def due_day_proposals(told: DueDay, as_of: int) -> pd.DataFrame:
    """PROPOSAL_COLUMNS of the accounts to which something is offered, by account. first_on: the new due day; of an
    early discount amount_to_pay and pay_until; p_agreed the chance that it is taken.
    """
    there = (told.found["proposal"] != NOTHING).to_numpy()
    rows, found = told.rows[there].reset_index(drop=True), told.found[there].reset_index(drop=True)
    move = (found["proposal"] == MOVE).to_numpy()
    early = (found["proposal"] == EARLY).to_numpy()
    frame = pd.DataFrame({name: pd.Series("", rows.index, dtype="str") for name in PROPOSAL_COLUMNS})
    same = ["account_id", "debtor_id", "portfolio", "product", "currency", "balance"]
    ends = {"proposal_value": "value", "proposal_low": "value_low", "proposal_high": "value_high", "gain": "value"}
    zeros = ("days_past_due", "instalments", "instalment", "last_instalment", "payday", "disputed")
    return frame.assign(
        **{name: rows[name] for name in same},
        **dict.fromkeys(zeros, 0),
        group="watched",
        proposal=found["proposal"],
        first_on=_days(np.where(move, found["move_new_due_on"], NO_DAY)),
        last_on=None,
        due_on=_days(rows["due_on"].to_numpy()),
        discount=np.where(early, found["early_discount"], np.nan),
        amount_to_pay=np.where(early, found["early_amount"], rows["due_amount"]).astype(np.int64),
        pay_until=_days(np.where(early, found["early_pay_by"], NO_DAY)),
        p_agreed=np.where(early, found["early_p_take"], np.nan),
        p_kept=np.nan,
        **{name: found[end].astype(np.int64) for name, end in ends.items()},
        grants=found["grants"],
        probability=np.nan,
        offered_on=None,
        as_of=date_of(as_of),
        valid_until=date_of(as_of),
    )[list(PROPOSAL_COLUMNS)]


def _days(days: np.ndarray) -> list[object]:
    return [None if day == NO_DAY else date_of(day) for day in np.asarray(days).astype(np.int64).tolist()]


def about_due_day(told: DueDay) -> dict[str, object]:
    """What the manifest says: accounts by kind of offer, and why others are left out."""
    kinds = told.found["proposal"]
    return {
        "moves": int((kinds == MOVE).sum()),
        "discounts": int((kinds == EARLY).sum()),
        "left_out": {why: many for why, many in told.left_out.items() if many},
    }

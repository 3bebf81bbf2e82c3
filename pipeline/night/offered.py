"""Offers and routes in the manager's language: the list's columns, and the lines of an opened row."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.currencies import DECIMALS
from features.days import date_of, day_text
from features.tables import NO_MONEY
from models.routes import INTERNAL
from pipeline.columns import TREATED_COLUMNS
from pipeline.night.treatment import Treated, taken
from pipeline.pages.language import words
from pipeline.pages.speech import Speech
from pipeline.treatment.policy import Policy
from pipeline.treatment.proposals import NOTHING, PLAN, SETTLEMENT, SPECIALIST, STATUS, Proposals
from pipeline.treatment.telling import Saying, told

# Why nothing is offered, where that says what nobody on the phone is to read.
UNSAID = (SPECIALIST, STATUS)


def plain_saying() -> Saying:
    """English, figures as a terminal shows them."""

    def money(minor: int, currency: str) -> str:
        return f"{minor / 10 ** DECIMALS[currency]:,.{DECIMALS[currency]}f} {currency}"

    def share(part: float, decimals: int) -> str:
        return f"{part:.{decimals}%}"

    return Saying(words("en")["treatment"], money, day_text, share)


def saying_of(language: str) -> Saying:
    """As the lists of a language are written."""
    speech = Speech(language)
    return Saying(
        words(language)["treatment"], speech.money, lambda day: speech.day(date_of(day), "medium"), speech.share
    )


def list_columns(listed: pd.DataFrame, treated: Treated, language: str) -> pd.DataFrame:
    """TREATED_COLUMNS of listed rows by account_id; "" and NO_MONEY where nothing is said. Index as the rows'."""
    saying, found = saying_of(language), treated.found
    texts = [name for name in TREATED_COLUMNS if not name.endswith("_value")]
    nothing = {name: "" if name in texts else NO_MONEY for name in TREATED_COLUMNS}
    if found is None:
        told_of = [nothing] * len(listed)
    else:
        place = pd.Series(np.arange(len(treated.rows)), index=treated.rows["account_id"].to_numpy())
        kinds = taken(found).to_numpy()
        told_of = [
            nothing if np.isnan(at) else _said(treated, found, int(at), kinds[int(at)], saying)
            for at in place.reindex(listed["account_id"].astype("str")).to_numpy(np.float64)
        ]
    frame = pd.DataFrame(told_of, index=listed.index, columns=list(TREATED_COLUMNS))
    return frame.astype({name: "str" if name in texts else "int64" for name in TREATED_COLUMNS})


def _said(treated: Treated, found: Proposals, place: int, kind: str, saying: Saying) -> dict[str, object]:
    said = saying.words
    offer, chosen = found.offers.iloc[place], found.routes.chosen.iloc[place]
    currency = str(treated.rows["currency"].iloc[place])
    return {
        "proposal": _proposal(offer, kind, str(chosen["route"]), saying),
        "proposal_terms": _terms(treated.policy, found, place, kind, currency, saying),
        "proposal_value": int(offer["value"]) if kind != NOTHING else NO_MONEY,
        "alternative": _alternative(found, place, kind, currency, saying),
        "route": said[f"go_{chosen['route']}"].format(party=chosen["party"]),
        "route_value": int(chosen["value"]),
    }


def _proposal(offer: pd.Series, kind: str, route: str, saying: Saying) -> str:
    said = saying.words
    if kind != NOTHING:
        return said[f"propose_{kind}"]
    if offer["why"] in UNSAID:
        return ""
    why = said["elsewhere"] if route != INTERNAL and offer["proposal"] != NOTHING else None
    if why is None:
        why = saying.because(offer["why"])
    return said["propose_nothing"].format(why=why)


def _terms(policy: Policy, found: Proposals, place: int, kind: str, currency: str, saying: Saying) -> str:
    who = found.offers["grants"].iloc[place]
    if kind == PLAN:
        best = found.plans.best.iloc[place]
        return saying.words["terms_plan"].format(
            plan=saying.plan(best, currency),
            first=saying.day(int(best["first_on"])),
            kept=saying.share(best["p_kept"], 0),
            who=who,
        )
    if kind == SETTLEMENT and policy.settling is not None:
        own = found.settlements.iloc[place]
        return saying.words["terms_settlement"].format(
            discount=saying.share(own["discount"], 0),
            amount=saying.money(int(own["amount"]), currency),
            days=policy.settling.terms.pay_within_days,
            who=who,
        )
    return ""


def _alternative(found: Proposals, place: int, kind: str, currency: str, saying: Saying) -> str:
    """The other kind where it gains too; else, of a plan, one that is easier to bear."""
    said = saying.words
    other = found.offers["alternative"].iloc[place] if kind != NOTHING else NOTHING
    if other == SETTLEMENT:
        own = found.settlements.iloc[place]
        amount = saying.money(int(own["amount"]), currency)
        return said["or_settlement"].format(discount=saying.share(own["discount"], 0), amount=amount)
    plan = found.plans.best if other == PLAN else found.plans.easier
    if kind != NOTHING and (other == PLAN or kind == PLAN) and plan["instalments"].iloc[place]:
        return said["or_another_plan"].format(plan=saying.plan(plan.iloc[place], currency))
    return ""


def opened_lines(listed: pd.DataFrame, treated: Treated, language: str) -> pd.DataFrame:
    """account_id, line: how the proposal and the routes of listed accounts come to their figures, in lines that add up;
    of whom nothing may be said to a caller, the route alone.
    """
    found, saying = treated.found, saying_of(language)
    if found is None:
        return pd.DataFrame({"account_id": pd.Series(dtype="str"), "line": pd.Series(dtype="str")})
    wanted = set(listed["account_id"].astype("str"))
    lines = []
    for place in np.flatnonzero(treated.rows["account_id"].isin(wanted)).tolist():
        own = told(treated.rows, found, place, saying)
        silent = found.offers["why"].iloc[place] in UNSAID
        own = own[1:2] if silent else own
        lines += [(treated.rows["account_id"].iloc[place], line) for line in own]
    return pd.DataFrame(lines, columns=["account_id", "line"]).astype("str")

"""Offers and routes in the manager's language: the list's columns, and the lines of an opened row."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.currencies import DECIMALS
from features.days import date_of, day_text
from features.tables import NO_MONEY
from models.due_day import EARLY, MOVE
from models.routes import INTERNAL, NOTHING_ABOVE_ZERO, REST
from pipeline.columns import TREATED_COLUMNS
from pipeline.night.due_day import DueDay
from pipeline.night.treatment import Treated, taken, undisputed
from pipeline.pages.language import words
from pipeline.pages.speech import Speech
from pipeline.treatment.proposals import NOTHING, PLAN, SETTLEMENT, SPECIALIST, STATUS, Proposals
from pipeline.treatment.standing import DUE_DAY
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
    """TREATED_COLUMNS of listed rows by account_id; "" and NO_MONEY where nothing is said. What is offered on another
    account of the debtor is told on the listed one, its value only in the same currency. Index as the rows'.
    """
    saying, found = saying_of(language), treated.found
    texts = [name for name in TREATED_COLUMNS if not name.endswith("_value")]
    nothing = {name: "" if name in texts else NO_MONEY for name in TREATED_COLUMNS}
    if found is None:
        told_of = [nothing] * len(listed)
    else:
        own = _places(treated.rows["account_id"], listed["account_id"])
        offered = _offered_places(treated, found, listed, own)
        told_of = [
            nothing if at < 0 else _said(treated, found, at, offer, saying)
            for at, offer in zip(own.tolist(), offered.tolist(), strict=True)
        ]
    frame = pd.DataFrame(told_of, index=listed.index, columns=list(TREATED_COLUMNS))
    return frame.astype({name: "str" if name in texts else "int64" for name in TREATED_COLUMNS})


def _places(ids: pd.Series, asked: pd.Series) -> np.ndarray:
    """Place of each asked id among the ids, -1 where it is not there."""
    return pd.Index(ids.astype("str")).get_indexer(asked.astype("str"))


def _offered_places(treated: Treated, found: Proposals, listed: pd.DataFrame, own: np.ndarray) -> np.ndarray:
    """Place of the account on which the debtor of each listed row is offered something; its own where there is none."""
    offers = np.flatnonzero((taken(found) != NOTHING).to_numpy())
    at = _places(treated.rows["debtor_id"].iloc[offers], listed["debtor_id"])
    return np.where(at < 0, own, offers[at] if len(offers) else own)


def _said(treated: Treated, found: Proposals, place: int, offered: int, saying: Saying) -> dict[str, object]:
    said = saying.words
    kind, chosen = str(taken(found).iloc[offered]), found.routes.chosen.iloc[place]
    currency, other = (str(treated.rows["currency"].iloc[at]) for at in (offered, place))
    return {
        "proposal": _proposal(treated, found, place, offered, saying),
        "proposal_terms": _terms(treated, found, offered, kind, currency, saying),
        "proposal_value": int(found.offers["value"].iloc[offered])
        if kind != NOTHING and currency == other
        else NO_MONEY,
        "alternative": _alternative(found, offered, kind, currency, saying),
        "route": said[f"go_{chosen['route']}"].format(party=chosen["party"]),
        "route_value": int(chosen["value"]),
    }


def _proposal(treated: Treated, found: Proposals, place: int, offered: int, saying: Saying) -> str:
    said, rows = saying.words, treated.rows
    kind, offer = str(taken(found).iloc[offered]), found.offers.iloc[place]
    if kind != NOTHING:
        again = "_again" if found.repeated.iloc[offered] else ""
        day = saying.day(int(rows["offered_on"].iloc[offered])) if again else ""
        told = said[f"propose_{kind}{again}"].format(day=day)
        return (
            told if place == offered else said["on_account"].format(account=rows["account_id"].iloc[offered], told=told)
        )
    if offer["why"] in UNSAID:
        return ""
    route = str(found.routes.chosen["route"].iloc[place])
    if route not in (INTERNAL, REST) and offer["proposal"] != NOTHING:
        return said["propose_nothing"].format(why=said["elsewhere"])
    if route == REST and offer["proposal"] != NOTHING:
        return said["propose_nothing"].format(why=saying.because(NOTHING_ABOVE_ZERO))
    why = saying.because(offer["why"])
    if rows["offer_id"].iloc[place] and offer["why"] != DUE_DAY:
        why = said["not_repeated"].format(day=saying.day(int(rows["offered_on"].iloc[place])), why=why)
    return said["propose_nothing"].format(why=why)


def _terms(treated: Treated, found: Proposals, place: int, kind: str, currency: str, saying: Saying) -> str:
    who, policy = found.offers["grants"].iloc[place], treated.policy
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
        about = {
            "discount": saying.share(own["discount"], 0),
            "amount": saying.money(int(own["amount"]), currency),
            "who": who,
        }
        if found.repeated.iloc[place]:
            until = saying.day(int(treated.rows["offer_until"].iloc[place]))
            return saying.words["terms_settlement_again"].format(until=until, **about)
        return saying.words["terms_settlement"].format(days=policy.settling.terms.pay_within_days, **about)
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


def due_day_sentences(watch: pd.DataFrame, told: DueDay, language: str) -> list[str]:
    """One sentence for each watched row by account_id: what is offered around its due day, or may still be taken; ""
    where nothing is.
    """
    saying = saying_of(language)
    at = pd.Series(np.arange(len(told.rows)), index=told.rows["account_id"].to_numpy())
    places = at.reindex(watch["account_id"].astype("str")).to_numpy(np.float64)
    return ["" if np.isnan(place) else due_day_said(told, int(place), saying) for place in places]


def due_day_said(told: DueDay, place: int, saying: Saying) -> str:
    row, own, said = told.rows.iloc[place], told.found.iloc[place], saying.words
    if own["proposal"] == MOVE:
        days = {"due": saying.day(int(row["due_on"])), "new": saying.day(int(own["move_new_due_on"]))}
        return said["propose_move"].format(**days, who=own["grants"])
    if own["proposal"] == EARLY:
        return said["propose_early"].format(
            discount=saying.share(own["early_discount"], 1),
            amount=saying.money(int(own["early_amount"]), str(row["currency"])),
            day=saying.day(int(own["early_pay_by"])),
            who=own["grants"],
        )
    return ""


def due_day_lines(told: DueDay, place: int, saying: Saying) -> list[str]:
    """How either offer around the due day comes to its figure, in lines that add up."""
    row, own, said = told.rows.iloc[place], told.found.iloc[place], saying.words

    def money(*names: str) -> dict[str, str]:
        return {name.partition("_")[2]: saying.money(int(own[name]), str(row["currency"])) for name in names}

    lines = [due_day_said(told, place, saying) or said["nothing"].format(why=_why_neither(own, saying))]
    if own["why_no_move"] == "":
        parts = money("move_saved", "move_sooner", "move_waits", "move_value", "move_value_low", "move_value_high")
        lines.append("  " + said["move_sum"].format(days=int(own["move_days"]), **parts))
    if own["why_no_discount"] == "":
        parts = money(
            *("early_paid_money", "early_otherwise", "early_value", "early_value_low", "early_value_high"),
        )
        lines.append("  " + said["early_sum"].format(taken=saying.share(own["early_p_take"], 1), **parts))
    return lines


def _why_neither(own: pd.Series, saying: Saying) -> str:
    if own["why"]:
        return saying.because(own["why"])
    return "; ".join(dict.fromkeys(saying.because(own[name]) for name in ("why_no_move", "why_no_discount")))


def opened_lines(listed: pd.DataFrame, treated: Treated, language: str) -> pd.DataFrame:
    """account_id, line: how the proposal and the routes of listed accounts come to their figures, in lines that add up;
    of whom nothing may be said to a caller, the route alone.
    """
    found, saying = treated.found, saying_of(language)
    if found is None:
        return pd.DataFrame({"account_id": pd.Series(dtype="str"), "line": pd.Series(dtype="str")})
    own = _places(treated.rows["account_id"], listed["account_id"])
    offered = _offered_places(treated, found, listed, own)
    lines, rows = [], undisputed(treated.rows)
    for place, offer in sorted(zip(own[own >= 0].tolist(), offered[own >= 0].tolist(), strict=True)):
        said = told(rows, found, place, saying)
        silent = found.offers["why"].iloc[place] in UNSAID
        said = said[1:2] if silent else said
        if offer != place:
            other = treated.rows["account_id"].iloc[offer]
            said += [saying.words["of_account"].format(account=other), *told(rows, found, offer, saying)]
        lines += [(treated.rows["account_id"].iloc[place], line) for line in said]
    return pd.DataFrame(lines, columns=["account_id", "line"]).astype("str")

"""What the lot has decided over contact, how it came out, and the rung on which the effect stood: as nights keep it
in the store.

Tables of their own, so that stores of earlier versions stay as they are.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from models.ladder import NO_LOG, Rung, next_rung
from pipeline.store.form import DRAWS, OUTCOMES, RUNGS
from pipeline.store.store import Store

# draws: a row per night and debtor over whom the lot decides, of its best workable account. outcomes: of that account
# on the night of the
# draw, kept once it is known. rungs: a card a night.
ARM_COLUMNS = (
    "debtor_id",
    "assigned_on",
    "matured_on",
    "queue",
    "worked",
    "probability",
    "p_recovered",
    "theta",
    "amount",
    "recovered",
)


def fresh_draws(store: Store, before: int) -> pd.DataFrame:
    """Rows of DRAWS of the night on which the lot fell; empty where there are none."""
    drawn = store.read(DRAWS, before=before)
    return drawn if drawn.empty else drawn[drawn["as_of"] == drawn["assigned_on"]].reset_index(drop=True)


def unsettled(store: Store, as_of: int, gap_days: int) -> pd.DataFrame:
    """account_id, drawn_on of the draws that have matured by a night and whose outcome no former night has kept."""
    drawn = fresh_draws(store, as_of)
    if drawn.empty:
        return pd.DataFrame({"account_id": pd.Series(dtype="str"), "drawn_on": pd.Series(dtype="int32")})
    due = drawn.loc[drawn["as_of"] + gap_days <= as_of, ["account_id", "as_of"]].rename(columns={"as_of": "drawn_on"})
    kept = store.read(OUTCOMES, ["account_id", "drawn_on", "as_of"], before=as_of)
    if len(kept):
        known = pd.MultiIndex.from_frame(kept[["account_id", "drawn_on"]])
        due = due[~pd.MultiIndex.from_frame(due).isin(known)]
    return due.sort_values(["drawn_on", "account_id"], ignore_index=True)


def arms(store: Store, before: int, gap_days: int) -> pd.DataFrame:
    """ARM_COLUMNS of models.ladder.figures_of: every draw whose outcome a night before this one has kept."""
    drawn = fresh_draws(store, before)
    kept = store.read(OUTCOMES, before=before)
    if drawn.empty or kept.empty:
        texts = {name: pd.Series(dtype="str") for name in ("debtor_id", "queue")}
        return pd.DataFrame({name: texts.get(name, pd.Series(dtype="float64")) for name in ARM_COLUMNS})
    kept = kept.sort_values("as_of").drop_duplicates(["account_id", "drawn_on"])
    rows = drawn.merge(
        kept[["account_id", "drawn_on", "recovered"]],
        left_on=["account_id", "as_of"],
        right_on=["account_id", "drawn_on"],
    )
    rows = rows.assign(matured_on=rows["drawn_on"] + gap_days, probability=rows["chance_of_work"])
    return rows.sort_values(["assigned_on", "debtor_id"], ignore_index=True)[list(ARM_COLUMNS)]


def kept_rungs(store: Store, before: int) -> list[Rung]:
    """The rung of every night before this one, oldest first."""
    kept = store.read(RUNGS, before=before)
    return [] if kept.empty else [Rung.from_card(json.loads(card)) for card in kept.sort_values("as_of")["card"]]


def standing_rung(store: Store, as_of: int, gap_days: int, has_effect: bool) -> Rung:
    """The rung of a night that is not published: the one it kept, else the newest before it, unless the model in use
    has gained or lost
    the head since."""
    kept = kept_rungs(store, as_of + 1)
    if kept and (kept[-1].state != NO_LOG) == has_effect:
        return kept[-1]
    return next_rung(arms(store, as_of, gap_days), kept[-1] if kept else None, as_of, has_effect)


def rung_frame(rung: Rung, as_of: int) -> pd.DataFrame:
    return pd.DataFrame({"card": [json.dumps(rung.card(), sort_keys=True)], "as_of": np.array([as_of], np.int32)})

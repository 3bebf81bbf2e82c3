"""What the lot decides over contact tonight, and how former draws came out: what proves or disproves the effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from features.cohort import scorable
from features.currencies import DECIMALS
from features.labels import labels
from models.ladder import Rung, next_rung
from models.lot import CONTROL, DRAWN, TO_WORK
from models.prioritise import BY_LOT, BY_WAITING
from models.recovery import load_model
from pipeline.panel.draws import arms, kept_rungs
from pipeline.panel.view import View, complete_through, terms_of
from pipeline.params import Params
from pipeline.store.store import Store

if TYPE_CHECKING:
    from pipeline.night.score import Job

IMMATURE = "immature"
OF_A_DRAW = [
    "debtor_id",
    "account_id",
    "arm",
    "assigned_on",
    "until_on",
    "probability",
    "queue",
    "p_recovered",
    "theta",
    "would_rank",
    "channel",
]


def tonights_rung(store: Store, job: Job) -> Rung:
    """All draws whose outcome former nights have kept are looked at, and only they move it."""
    has_effect = getattr(load_model(job.model.folder, job.model.sha256), "effect", None) is not None
    kept = kept_rungs(store, job.as_of)
    return next_rung(
        arms(store, job.as_of, job.params.label.gap_days), kept[-1] if kept else None, job.as_of, has_effect
    )


def draws_frame(rows: pd.DataFrame, arms: pd.DataFrame, params: Params, as_of: int) -> pd.DataFrame:
    """One row per debtor over whom the lot decides tonight and whom the law lets be worked: that of its best account,
    as the scores stand.

    rows: of the ranking, with verdict, theta, would_rank and the planned channel; arms: of draw_control. On the night
    of the draw the row is what the effect is judged by; on later ones it tells where a list would have had the debtor,
    and `places` how many the list of its queue had in order.
    """
    by_value = (rows["group"] == "worklist") & ~rows["listed_by"].isin([BY_LOT, BY_WAITING])
    places = by_value.groupby(rows["queue"].astype("str")).sum()
    held = rows[rows["verdict"].astype("str") == "permitted"].merge(arms[arms["arm"].isin(DRAWN)], on="debtor_id")
    held = held.sort_values(
        ["net_value", "expected_recovery", "account_id"], ascending=[False, False, True]
    ).drop_duplicates("debtor_id")
    unit = held["fx"] / 10.0 ** held["currency"].astype("str").map(DECIMALS).to_numpy(dtype=np.float64)
    whole = {"until_on": "int32", "assigned_on": "int32", "would_rank": "int64"}
    kept = held[OF_A_DRAW].astype({**whole, **dict.fromkeys(("queue", "channel", "arm"), "str")})
    shares = {CONTROL: params.worklist.control_share, TO_WORK: params.worklist.worked_share}
    kept = kept.assign(
        amount=held["amount_if_recovered"] * unit,
        worked=(kept["arm"] == TO_WORK).astype(np.float64),
        chance_of_work=shares[TO_WORK] / max(sum(shares.values()), 1e-9),
        places=kept["queue"].map(places).astype("int64"),
        as_of=np.int32(as_of),
    )
    return kept.sort_values("debtor_id", ignore_index=True)


def settled(job: Job, seen: View, store: Store) -> pd.DataFrame:
    """account_id, drawn_on, recovered (NaN where that will never be known) of the shard's draws that the night is to
    settle.

    Labelled as a panel is: by what was known before horizon and maturity of the draw were over. One still immature
    waits for another night.
    """
    own = job.unsettled.rename(columns={"drawn_on": "as_of"})
    if len(own):
        known = set(seen.tables["accounts"]["account_id"].tolist())
        own = own[[name in known for name in own["account_id"].tolist()]]
    reach = complete_through(store, job.versions).get("payments")
    if own.empty or reach is None:
        return pd.DataFrame(
            {"account_id": pd.Series(dtype="str"), "drawn_on": pd.Series(dtype="int32"), "recovered": []}
        ).astype({"recovered": "float64"})
    terms = terms_of(store, job.params, job.versions)
    nights = sorted(int(night) for night in own["as_of"].unique())
    cohort = scorable(seen.tables, seen.ledger, nights, terms).frame
    pairs = pd.MultiIndex.from_frame(own[["account_id", "as_of"]])
    cohort = cohort[pd.MultiIndex.from_frame(cohort[["account_id", "as_of"]]).isin(pairs)].reset_index(drop=True)
    reach = {name: min(day, job.as_of - 1) for name, day in reach.items()}
    told = labels(cohort, seen.tables, seen.ledger, job.params.label_terms(), reach, terms.decimals, terms.delivers)
    found = cohort[["account_id", "as_of"]].assign(
        recovered=told["recovered"].to_numpy(), why=told["recovered_missing"].to_numpy()
    )
    whole = own.merge(found, on=["account_id", "as_of"], how="left")
    whole = whole[whole["why"] != IMMATURE].rename(columns={"as_of": "drawn_on"})
    return (
        whole[["account_id", "drawn_on", "recovered"]]
        .astype({"drawn_on": "int32", "recovered": "float64"})
        .reset_index(drop=True)
    )

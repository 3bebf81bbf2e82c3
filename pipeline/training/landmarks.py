"""What the contact log can teach: the landmark rows of a panel, each judged by the law of its own night."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from features.aliases import renamed
from features.ledger import history
from features.terms import Reach
from models.landmarks import NOT_PERMITTED, landmark
from models.lot import DRAWN
from pipeline.law.eligibility import permitted
from pipeline.law.overlay import law_of
from pipeline.law.question import NEEDED, Case
from pipeline.panel.engines import map_shards
from pipeline.panel.panel import Panel
from pipeline.panel.view import complete_through, terms_of
from pipeline.params import Params
from pipeline.store.store import Store

SPANS = ["debtor_id", "assigned_on", "until_on"]
TABLES = (
    "accounts",
    "charges",
    "balances",
    "payments",
    "contacts",
    "statuses",
    "plans",
)


def landmarks_of(store: Store, panel: Panel, params: Params) -> pd.DataFrame:
    """models.landmarks.landmark of every row of the panel, in its order.

    A row teaches only where the law let the account be worked on its night, and where no draw decided over its contact.
    The law is asked of the nights and debtors that could teach; whom it then forbids is said to be not permitted.
    """
    rows = panel.cohort[list(dict.fromkeys([*NEEDED, "as_of"]))].assign(recovered=panel.labels["recovered"])
    rows = rows.assign(
        recovered_missing=panel.labels["recovered_missing"], drawn=_decided(panel.cohort, drawn_spans(store), params)
    )
    reach = complete_through(store, panel.versions).get("contacts", {})
    work = partial(_of_shard, store.path, rows, reach, params, panel.versions)
    found = pd.concat(map_shards(work, range(store.shards), params.engine, threads=True), ignore_index=True)
    keys = ["account_no", "as_of"]
    return rows[keys].merge(found, on=keys, how="left", validate="one_to_one")


def drawn_spans(store: Store) -> pd.DataFrame:
    """SPANS of every person and span in which a draw decided whether the debtor was worked; no row where no night was
    published yet."""
    kept = store.read("assignments", [*SPANS, "arm"])
    if kept.empty:
        return pd.DataFrame(columns=SPANS)
    spans, persons = kept.loc[kept["arm"].isin(DRAWN), SPANS], store.persons()
    if persons is not None:  # as the panel names them
        spans = spans.assign(debtor_id=renamed(spans["debtor_id"], persons.names))
    return spans.drop_duplicates(["debtor_id", "assigned_on"])


def _of_shard(
    store_path: Path, rows: pd.DataFrame, reach: Reach, params: Params, versions: Mapping[str, int], shard: int
) -> pd.DataFrame:
    store = Store(store_path)
    terms = terms_of(store, params, versions)
    tables = store.tables(shard, TABLES, versions=versions)
    own = rows[rows["account_no"].isin(tables["accounts"]["account_no"])].reset_index(drop=True)
    anybody, drawn = np.ones(len(own), bool), own["drawn"].to_numpy()
    terms_asked, ledger = params.label_terms(), history(tables, terms)
    found = landmark(own, own, tables, ledger, terms_asked, reach, anybody, drawn, terms.delivers)
    could = (found["missing"] == "").to_numpy()
    forbidden = could & ~permitted_on(own, could, tables, params, store.complete_through(versions))
    found.loc[forbidden, ["worked", "paid", "promised"]] = np.nan
    found.loc[forbidden, "missing"] = NOT_PERMITTED
    return found


def permitted_on(
    rows: pd.DataFrame,
    could: np.ndarray,
    tables: Mapping[str, pd.DataFrame],
    params: Params,
    complete_through: Mapping[str, int],
) -> np.ndarray:
    """Whether the law let the account be worked on its night, by what was known before it; asked of whole debtors
    that could teach."""
    found, rules = np.zeros(len(rows), bool), law_of(params)
    pairs = rows["debtor_id"].astype("str") + "|" + rows["as_of"].astype("str")
    asked = pairs.isin(pairs[could]).to_numpy()
    for night, places in rows.index[asked].groupby(rows["as_of"][asked]).items():
        case = Case(rows.loc[places].reset_index(drop=True), tables, rules, params, complete_through)
        found[places] = permitted(case, night)
    return found


def _decided(cohort: pd.DataFrame, spans: pd.DataFrame, params: Params) -> np.ndarray:
    """Rows over a day of whose horizon a draw decided."""
    found = np.zeros(len(cohort), bool)
    if spans.empty:
        return found
    met = cohort[["debtor_id", "as_of"]].assign(row=np.arange(len(cohort))).merge(spans, on="debtor_id")
    over = (met["as_of"] < met["until_on"]) & (met["as_of"] + params.label.horizon_days > met["assigned_on"])
    found[met["row"][over]] = True
    return found

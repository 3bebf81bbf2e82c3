"""The frames an analyst is given as files: the features of a night, the labelled panel with what it rests on,
one cell explained.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.build import explain_feature, without_rate
from features.catalogue import TREATED
from features.coverage import coverage, label_rates
from features.days import date_of, dates, day_number
from features.tables import InnerTables
from features.terms import Terms
from models.split import split_by_time
from pipeline.panel.coverage import Labelled, draw, label_tables
from pipeline.panel.engines import map_shards
from pipeline.panel.panel import check_panel, panel_by_parts
from pipeline.panel.sampling import Sampled
from pipeline.panel.view import quiet_through, terms_of, view
from pipeline.params import Params
from pipeline.store.files import check_folder, whole_file
from pipeline.store.store import Store


def write_features(store_path: Path, as_of: dt.date, out: Path, params: Params) -> str:
    """One Parquet file: account_id, as_of, features of every scorable account, sorted by account_id."""
    check_folder(out.parent)
    store = Store(store_path)
    work = partial(_features_of_shard, store.path, day_number(as_of), params, store.versions())
    parts, holders = zip(*map_shards(work, range(store.shards), params.engine, threads=True), strict=True)
    whole = pd.concat(parts, ignore_index=True).sort_values("account_id", ignore_index=True)
    write_parquet(whole, out)
    told = f"{len(whole):,} scorable accounts x {whole.shape[1] - 2} features as of {as_of}: {out}"
    return "\n".join([told, *_no_rate(pd.concat(holders, ignore_index=True), terms_of(store, params))])


def _features_of_shard(
    store_path: Path, night: int, params: Params, versions: Mapping[str, int], shard: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    seen = view(Store(store_path), shard, [night], params, versions, whole=False)
    keys = seen.cohort.frame[["account_id"]].assign(as_of=date_of(night))
    frame = pd.concat([keys.reset_index(drop=True), seen.matrix.reset_index(drop=True)], axis=1)
    return frame, seen.cohort.frame[["debtor_id", "as_of", "currency"]].astype({"debtor_id": "str", "currency": "str"})


def _no_rate(cohort: pd.DataFrame, terms: Terms) -> list[str]:
    found = ", ".join(f"{currency} ({rows:,} rows)" for currency, rows in sorted(without_rate(cohort, terms).items()))
    return (
        [
            (
                f"No rate for {found}: sums over the overdue or placed "
                "accounts of those debtors are missing. Add money.rates."
            )
        ]
        if found
        else []
    )


def write_panel(store_path: Path, out: Path, params: Params, horizons: Sequence[int] = ()) -> str:
    """The panel as Parquet, and in words: label rates by night and bucket, coverage by month, maturity curve;
    drawn too.

    horizons: days in which recovery and default are judged, instead of the params' own in words and pictures; in the
    file beside them, as recovered_60d, recovered_amount_60d, defaulted_60d and the reasons where they are missing.
    """
    check_folder(out.parent)
    further = [replace(params.label_terms(), horizon_days=days, default_horizon_days=days) for days in horizons]
    with panel_by_parts(Store(store_path), params, further=further) as (whole, features_at):
        check_panel(whole)
        check_panel(replace(whole, cohort=whole.cohort[:0], matrix=features_at(np.arange(0)), labels=whole.labels[:0]))
        part = split_by_time(whole.cohort, params.split, params.label).part
        nights = pd.Series(dates(whole.cohort["as_of"]), name="as_of")
        who = [
            name for name in ("account_id", "debtor_id", "weight") if name in whole.cohort
        ]  # weight: 1 / share of the debtors drawn
        beside = [own.labels.add_suffix(f"_{own.terms.horizon_days}d") for own in whole.horizons]
        named = pd.concat([whole.cohort[who], nights], axis=1)
        outcomes = pd.concat([whole.labels, part.rename("split"), *beside], axis=1)
        cuts = np.flatnonzero(np.diff(whole.cohort["as_of"].to_numpy(), prepend=-1, append=-1))
        write_parts(
            (
                pd.concat([frame.reset_index(drop=True) for frame in pieces], axis=1)
                for first, last in zip(cuts[:-1], cuts[1:], strict=True)
                for pieces in [(named[first:last], features_at(np.arange(first, last)), outcomes[first:last])]
            ),
            out,
        )
    first = Labelled(params.label_terms(), whole.labels, whole.recoveries)
    told = whole.horizons or (first,)
    pictures = (
        [out.with_suffix(".png")] if not horizons else [out.with_name(f"{out.stem}-{days}d.png") for days in horizons]
    )
    for own, picture in zip(told, pictures, strict=True):
        draw(label_rates(whole.cohort, own.labels), coverage(whole.cohort, own.labels), own.curve, picture, own.title)
    _drop_older(out, pictures)
    reach = sorted(whole.payments_through.items())
    return "\n\n".join(
        [
            (
                f"{len(whole.cohort):,} rows of {whole.cohort['debtor_id'].nunique():,} "
                f"debtors on {whole.cohort['as_of'].nunique()} nights: {out}"
            ),
            *_sampled(whole.sampled),
            *_no_rate(whole.cohort, terms_of(Store(store_path), params)),
            "Payments complete through " + ", ".join(f"{date_of(day)} ({name})" for name, day in reach),
            *(
                [f"In the file also the params' own labels: {first.title.lower()}. Told here: the horizons asked for."]
                if horizons
                else []
            ),
            f"Accounts of these nights by reason\n{_accounts_by_reason(whole.counts).to_string(index=False)}",
            *(f"{title}\n{table.to_string(index=False)}" for title, table in label_tables(whole.cohort, told)),
            f"Drawn: {', '.join(map(str, pictures))}",
        ]
    )


def _drop_older(out: Path, pictures: Sequence[Path]) -> None:
    """Remove the pictures that an earlier run of other horizons drew of the same file;
    not those of a file that is there itself.
    """
    named = re.compile(re.escape(out.stem) + r"(-[1-9]\d{0,3}d)?\.png")
    for found in out.parent.iterdir():
        if (
            named.fullmatch(found.name)
            and found not in pictures
            and (found.stem == out.stem or not found.with_suffix(out.suffix).exists())
        ):
            found.unlink()


def _sampled(drawn: Sampled | None) -> list[str]:
    if drawn is None:
        return []
    told = drawn.lost.drop(columns=["error_whole", "error"]).round({"mean_whole": 4, "mean": 4, "wider": 2})
    return [f"{drawn.sentence()} Each row has its weight.", f"What the sample lost\n{told.to_string(index=False)}"]


def _accounts_by_reason(counts: pd.DataFrame) -> pd.DataFrame:
    """reason, accounts, share: of all accounts known on the nights, each night counted."""
    found = counts.groupby("reason", sort=False, observed=True)["accounts"].sum().reset_index()
    return found[found["accounts"] > 0].assign(share=found["accounts"] / max(found["accounts"].sum(), 1))


def explain_cell(store_path: Path, as_of: dt.date, name: str, account_id: str, params: Params) -> str:
    """The events behind one feature of one account on one night."""
    store = Store(store_path)
    versions = store.versions()
    tables = InnerTables(store.tables(store.shard_of_account(account_id, versions), versions=versions))
    terms, complete = terms_of(store, params, versions), quiet_through(store, versions, params)
    found = explain_feature(name, account_id, day_number(as_of), tables, TREATED, terms, complete_through=complete)
    said = found.astype(object).where(found.notna(), np.nan).to_string(index=False)
    own = tables["accounts"]["account_id"] == account_id
    is_money = TREATED.with_attributes(tables["accounts"])[name].unit == "money"
    return f"{said}\nMoney in minor units of {tables['accounts'].loc[own, 'currency'].iloc[-1]}." if is_money else said


def write_parquet(frame: pd.DataFrame, place: Path) -> None:
    """Whole or not at all."""
    check_folder(place.parent)
    with whole_file(place) as draft:
        frame.to_parquet(draft, index=False, compression="zstd")


def write_parts(frames: Iterable[pd.DataFrame], place: Path) -> None:
    """One file of all frames, a group of rows for each: whole or not at all."""
    with whole_file(place) as draft, ExitStack() as held:
        writer = None
        for frame in frames:
            rows = pa.Table.from_pandas(frame, preserve_index=False)
            writer = writer or held.enter_context(pq.ParquetWriter(draft, rows.schema, compression="zstd"))
            writer.write_table(rows)

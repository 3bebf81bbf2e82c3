"""The basic aggregates as others make them: DuckDB SQL, pandas, Polars.
Each reads the store's files and ends with a pandas frame.

A frame has account_no, night and one float64 column per feature, in any order of rows. All do the same work: reversals
are netted and corrected contacts replaced as they were known on each night.
"""

from __future__ import annotations

import contextlib
import io
from collections import defaultdict
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from features.days import EPOCH
from features.declarations import Catalogue
from features.plan import EVERY
from features.spec import MISSING, Feature, Window, where
from features.vocabulary import Agg

WINDOWS = tuple(Window(days) for days in (7, 30, 90, 180, 365))
LONGEST = WINDOWS[-1].days
CALL, OUTBOUND = where("call", channel="call"), where("outbound", direction="outbound")
BASIC = Catalogue(
    [
        *(Feature("payments", agg, window, empty=0) for agg in (Agg.COUNT, Agg.SUM) for window in WINDOWS),
        *(Feature("payments", agg, window, empty=MISSING) for agg in (Agg.MAX, Agg.MEAN) for window in WINDOWS),
        *(
            Feature("contacts", Agg.COUNT, window, where=clause, empty=0)
            for clause in (None, CALL, OUTBOUND)
            for window in WINDOWS
        ),
        *(Feature(event, Agg.DAYS_SINCE_LAST, WINDOWS[-1], empty=MISSING) for event in ("payments", "contacts")),
        *(Feature(event, Agg.DAYS_SINCE_FIRST, WINDOWS[-1], empty=MISSING) for event in ("payments", "contacts")),
        *(Feature("payments", Agg.STD, window, empty=MISSING) for window in WINDOWS[2:]),
    ]
)
PAYMENTS = ["account_no", "payment_no", "occurred_on", "amount", "kind", "known_on"]
REVERSALS = ["account_no", "reverses_no", "amount", "known_on"]
CONTACTS = ["account_no", "contact_no", "occurred_on", "channel", "direction", "known_at", "known_on"]


def files(store: Path, table: str) -> str:
    return str(store / table / "*" / "*.parquet")


def in_duckdb(store: Path, nights: list[int], threads: int) -> pd.DataFrame:
    """One aggregation per table with filters, joined to every account and night."""
    connection = duckdb.connect(config={"threads": threads})
    connection.execute(f"CREATE TABLE nights AS SELECT DATE '{EPOCH}' + unnest(?::INTEGER[]) AS night", [nights])
    for name in ("accounts", "payments", "contacts"):
        connection.execute(
            f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{files(store, name)}', hive_partitioning = false)"
        )
    taken_back = """(SELECT r.account_no, r.reverses_no, n.night, sum(r.amount) AS amount FROM payments r
                     JOIN nights n ON r.known_on < n.night WHERE r.kind = 'reversal' GROUP BY ALL)"""
    sides = {
        "payments": f"""
            SELECT p.account_no, n.night, p.occurred_on, p.amount - coalesce(b.amount, 0) AS amount FROM payments p
            JOIN nights n ON p.occurred_on >= n.night - {LONGEST} AND p.occurred_on < n.night AND p.known_on < n.night
            LEFT JOIN {taken_back} b ON b.account_no = p.account_no AND b.reverses_no = p.payment_no
                AND b.night = n.night
            WHERE p.kind = 'payment' AND p.amount > coalesce(b.amount, 0)""",
        # Of the versions known by then the last. Ranking every row, or NOT EXISTS, takes as long.
        "contacts": f"""
            SELECT c.account_no, n.night, c.occurred_on, c.channel, c.direction FROM contacts c
            JOIN nights n ON c.occurred_on >= n.night - {LONGEST} AND c.occurred_on < n.night AND c.known_on < n.night
            ANTI JOIN replaced r ON r.account_no = c.account_no
                AND r.contact_no = c.contact_no AND r.known_at = c.known_at
              AND r.gone_on < n.night""",
    }
    connection.execute(
        """CREATE VIEW replaced AS
           SELECT account_no, contact_no, known_at,
               lead(known_on) OVER (PARTITION BY account_no, contact_no ORDER BY known_at) AS gone_on
           FROM contacts
           SEMI JOIN (SELECT account_no, contact_no FROM contacts
               GROUP BY ALL HAVING count(*) > 1) USING (account_no, contact_no)
           QUALIFY gone_on IS NOT NULL"""
    )
    for name, events in sides.items():
        columns = ", ".join(f"{_sql(feature)} AS {feature.name}" for feature in BASIC.features_of(name))
        connection.execute(
            f"CREATE VIEW {name}_made AS SELECT account_no, night, {columns} FROM ({events}) GROUP BY account_no, night"
        )
    shown = ", ".join(
        f"coalesce({entry.name}, 0)::DOUBLE AS {entry.name}"
        if entry.empty == 0
        else f"{entry.name}::DOUBLE AS {entry.name}"
        for entry in BASIC
    )
    found = connection.execute(
        f"""SELECT a.account_no, (n.night - DATE '{EPOCH}')::INTEGER AS night, {shown}
            FROM accounts a CROSS JOIN nights n
            LEFT JOIN payments_made p ON p.account_no = a.account_no AND p.night = n.night
            LEFT JOIN contacts_made c ON c.account_no = a.account_no AND c.night = n.night"""
    ).df()
    connection.close()
    return found


def _sql(feature: Feature) -> str:
    word = {
        Agg.COUNT: "count(*)",
        Agg.SUM: "sum(amount)",
        Agg.MAX: "max(amount)",
        Agg.MEAN: "avg(amount)",
        Agg.STD: "stddev_samp(amount)",
        Agg.DAYS_SINCE_LAST: "min(night - occurred_on)",
        Agg.DAYS_SINCE_FIRST: "max(night - occurred_on)",
    }[feature.agg]
    tests = [f"occurred_on >= night - {feature.window.days}"]
    tests += [
        f"{column} IN ({', '.join(repr(value) for value in values)})"
        for column, values in (feature.where or EVERY).columns
    ]
    return f"{word} FILTER ({' AND '.join(tests)})"


def in_pandas(store: Path, nights: list[int], threads: int) -> pd.DataFrame:
    """One group-by per window and filter, night by night. pandas has one thread; reading has pyarrow's."""
    accounts = pd.read_parquet(store / "accounts", columns=["account_no"])["account_no"].sort_values()
    payments, contacts = (
        pd.read_parquet(store / name, columns=columns)
        for name, columns in (("payments", PAYMENTS), ("contacts", CONTACTS))
    )
    reversals = pd.read_parquet(store / "payments", columns=REVERSALS, filters=[("kind", "=", "reversal")])
    for frame in (payments, contacts, reversals):
        for name in {"occurred_on", "known_on"} & set(frame):
            frame[name] = pd.to_datetime(frame[name])
    payments = payments[payments["kind"] == "payment"]
    made = []
    for night in nights:
        day = pd.Timestamp(night, unit="D")
        whole = pd.DataFrame({"night": night}, index=accounts)
        for name, frame in (("payments", payments), ("contacts", contacts)):
            days = (day - frame["occurred_on"]).dt.days
            seen = frame[(frame["known_on"] < day) & days.between(1, LONGEST)].assign(days=days)
            if name == "contacts":  # the files are sorted by time and, within it, by the day a row became known
                seen = seen.drop_duplicates(["account_no", "contact_no"], keep="last")
            else:
                back = (
                    reversals[reversals["known_on"] < day]
                    .groupby(["account_no", "reverses_no"])["amount"]
                    .sum()
                    .rename("back")
                )
                seen = seen.merge(back, how="left", left_on=["account_no", "payment_no"], right_index=True)
                seen = seen.assign(amount=seen["amount"] - seen["back"].fillna(0))
                seen = seen[seen["amount"] > 0]
            over: dict[tuple, list[Feature]] = defaultdict(list)
            for feature in BASIC.features_of(name):
                over[feature.window.days, feature.where].append(feature)
            for (span, clause), wanted in over.items():
                rows = seen[seen["days"] <= span] if span < LONGEST else seen
                for column, values in (clause or EVERY).columns:
                    rows = rows[rows[column].isin(values)]
                groups = rows.groupby("account_no")
                for feature in wanted:
                    whole[feature.name] = _pandas(feature, groups)
        made.append(whole.fillna({entry.name: 0.0 for entry in BASIC if entry.empty == 0}).reset_index())
    return pd.concat(made, ignore_index=True).astype(dict.fromkeys(BASIC.names, np.float64))


def _pandas(feature: Feature, groups) -> pd.Series:
    column, word = {
        Agg.COUNT: ("days", "size"),
        Agg.SUM: ("amount", "sum"),
        Agg.MAX: ("amount", "max"),
        Agg.MEAN: ("amount", "mean"),
        Agg.STD: ("amount", "std"),
        Agg.DAYS_SINCE_LAST: ("days", "min"),
        Agg.DAYS_SINCE_FIRST: ("days", "max"),
    }[feature.agg]
    return getattr(groups[column], word)()


def in_polars(store: Path, nights: list[int], threads: int) -> pd.DataFrame:
    """One lazy plan per night, all of them collected together."""
    import polars as pl

    scans = {
        name: pl.scan_parquet(files(store, name), hive_partitioning=False)
        for name in ("accounts", "payments", "contacts")
    }
    plans = []
    for night in nights:
        day = pl.lit(night).cast(pl.Int32).cast(pl.Date)
        payments = scans["payments"].filter(pl.col("known_on") < day)
        back = (
            payments.filter(pl.col("kind") == "reversal")
            .group_by("account_no", "reverses_no")
            .agg(back=pl.col("amount").sum())
        )
        events = {
            "payments": payments.filter(pl.col("kind") == "payment")
            .join(back, how="left", left_on=["account_no", "payment_no"], right_on=["account_no", "reverses_no"])
            .with_columns(amount=pl.col("amount") - pl.col("back").fill_null(0))
            .filter(pl.col("amount") > 0),
            "contacts": scans["contacts"]
            .filter(
                (pl.col("known_on") < day)
                & (pl.col("occurred_on") < day)
                & (pl.col("occurred_on") >= day - pl.duration(days=LONGEST))
            )
            .unique(["account_no", "contact_no"], keep="last"),  # the files lie as pandas relies on too
        }
        plan = scans["accounts"].select("account_no").with_columns(night=pl.lit(night))
        for name, frame in events.items():
            days = (day - pl.col("occurred_on")).dt.total_days()
            inside = frame.with_columns(days=days).filter(pl.col("days").is_between(1, LONGEST))
            columns = [_polars(pl, feature).alias(feature.name) for feature in BASIC.features_of(name)]
            plan = plan.join(inside.group_by("account_no").agg(columns), on="account_no", how="left")
        filled = [pl.col(entry.name).fill_null(0) if entry.empty == 0 else pl.col(entry.name) for entry in BASIC]
        plans.append(plan.select("account_no", "night", *(column.cast(pl.Float64) for column in filled)))
    return pl.concat(pl.collect_all(plans)).to_pandas()


def _polars(pl, feature: Feature):
    column, word = {
        Agg.COUNT: ("days", "len"),
        Agg.SUM: ("amount", "sum"),
        Agg.MAX: ("amount", "max"),
        Agg.MEAN: ("amount", "mean"),
        Agg.STD: ("amount", "std"),
        Agg.DAYS_SINCE_LAST: ("days", "min"),
        Agg.DAYS_SINCE_FIRST: ("days", "max"),
    }[feature.agg]
    passing = pl.col("days") <= feature.window.days
    for name, values in (feature.where or EVERY).columns:
        passing &= pl.col(name).is_in(list(values))
    return getattr(pl.col(column).filter(passing), word)()


_FLATTENED = {
    Agg.COUNT: ("day", "CountAggregator"),
    Agg.SUM: ("amount", "SumAggregator"),
    Agg.MAX: ("amount", "MaxAggregator"),
    Agg.MEAN: ("amount", "MeanAggregator"),
    Agg.STD: ("amount", "VarianceAggregator"),
    Agg.DAYS_SINCE_LAST: ("day", "MaxAggregator"),
    Agg.DAYS_SINCE_FIRST: ("day", "MinAggregator"),
}


def in_timeseriesflattener(store: Path, nights: list[int], threads: int) -> pd.DataFrame:
    """One prediction time per account and night. It knows neither reversals nor corrections:
    pandas prepares the events of each night.
    """
    import polars as pl
    import timeseriesflattener as flat

    made = []
    for night in nights:
        events, accounts = _prepared(store, night), pd.read_parquet(store / "accounts", columns=["account_no"])
        times = accounts.assign(
            at=pd.Timestamp(night, unit="D").as_unit("us") - pd.Timedelta(days=1)
        )  # both ends of its windows are inside
        flattener = flat.Flattener(
            flat.PredictionTimeFrame(pl.from_pandas(times), entity_id_col_name="account_no", timestamp_col_name="at")
        )
        specs: list = []
        named: list[tuple[Feature, str]] = []
        for name, frame in events.items():
            frame = frame.assign(day=(frame["occurred_on"] - pd.Timestamp(0)).dt.days.astype("float64"))
            # One spec per filter and column: each look-behind is joined once, for all aggregates over it.
            over: dict[tuple, list[Feature]] = defaultdict(list)
            for feature in BASIC.features_of(name):
                column = (
                    "amount" if feature.event == "payments" and feature.agg is Agg.COUNT else _FLATTENED[feature.agg][0]
                )
                over[feature.where, column].append(feature)
            for number, ((clause, column), wanted) in enumerate(over.items()):
                rows, values_of = frame, f"{name}_{number}"  # it asks for a name of its own per spec
                for tested, values in (clause or EVERY).columns:
                    rows = rows[rows[tested].isin(values)]
                spans = sorted({feature.window.days for feature in wanted})
                makers = dict.fromkeys(_FLATTENED[feature.agg][1] for feature in wanted)
                specs.append(
                    flat.PredictorSpec(
                        flat.ValueFrame(
                            pl.from_pandas(
                                rows[["account_no", "occurred_on", column]].rename(columns={column: values_of})
                            ),
                            entity_id_col_name="account_no",
                            value_timestamp_col_name="occurred_on",
                        ),
                        lookbehind_distances=[pd.Timedelta(days=days - 1).to_pytimedelta() for days in spans],
                        aggregators=[getattr(flat, maker)() for maker in makers],
                        fallback=np.nan,
                        column_prefix="f",
                    )
                )
                for feature in wanted:
                    word = getattr(flat, _FLATTENED[feature.agg][1]).name
                    named.append(
                        (feature, f"f_{values_of}_within_0_to_{feature.window.days - 1}_days_{word}_fallback_nan")
                    )
        with contextlib.redirect_stdout(io.StringIO()):  # its progress bars
            wide = flattener.aggregate_timeseries(specs).df.to_pandas()
        found = {"account_no": wide["account_no"], "night": night}
        for feature, column in named:
            values = wide[column].astype(np.float64)
            if feature.agg is Agg.STD:
                values = np.sqrt(values)
            if feature.agg in (Agg.DAYS_SINCE_LAST, Agg.DAYS_SINCE_FIRST):
                values = night - values
            found[feature.name] = values.fillna(0.0) if feature.empty == 0 else values
        made.append(pd.DataFrame(found))
    return pd.concat(made, ignore_index=True)


def _prepared(store: Path, night: int) -> dict[str, pd.DataFrame]:
    """Payments net of the reversals known by the night, contacts in the versions known by then."""
    day = pd.Timestamp(night, unit="D")
    frames = {}
    for name, columns in (("payments", PAYMENTS), ("contacts", CONTACTS)):
        frame = pd.read_parquet(store / name, columns=columns)
        frame = frame.assign(
            **{column: pd.to_datetime(frame[column]).astype("datetime64[us]") for column in ("occurred_on", "known_on")}
        )
        frames[name] = frame[(frame["known_on"] < day) & (frame["occurred_on"] < day)]
    frames["contacts"] = frames["contacts"].drop_duplicates(["account_no", "contact_no"], keep="last")
    paid, reversals = (
        frames["payments"],
        pd.read_parquet(store / "payments", columns=REVERSALS, filters=[("kind", "=", "reversal")]),
    )
    reversals = reversals[pd.to_datetime(reversals["known_on"]) < day]
    back = reversals.groupby(["account_no", "reverses_no"])["amount"].sum().rename("back")
    paid = paid[paid["kind"] == "payment"].merge(
        back, how="left", left_on=["account_no", "payment_no"], right_index=True
    )
    paid = paid.assign(amount=paid["amount"] - paid["back"].fillna(0))
    return {**frames, "payments": paid[paid["amount"] > 0]}

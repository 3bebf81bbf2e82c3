"""From scores and rulings to ranks: value, channel, control group, groups, part of the day, agents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pandas.api.types import union_categoricals

from features.aliases import known_before, renamed
from features.days import day_of_text
from features.members import among, in_arrow, in_numbers, places_in
from features.tables import NO_DAY
from models.agents import FAIR, shared_out, spread
from models.lot import ARMS, DRAWN, ControlTerms, draw_control
from models.prioritise import ChannelRoom, Floor, joined_to, not_listed_before, overbooked, placed
from models.response import PARTS, cut_to, planned_parts
from models.value import ADDED, VALUE_COLUMNS, ValueTerms
from pipeline.night.score import Job
from pipeline.night.shards import SAID, Finished
from pipeline.night.valued import (
    CLASSES,
    OF_ORDERS,
    ORDERS,
    PLANNED,
    NightTerms,
    core_of,
    keep,
    kept,
    laid_options,
    lay_options,
    narrowed,
    night_terms,
    valued,
    with_option,
    with_orders,
)
from pipeline.panel.view import View
from pipeline.params import Params
from pipeline.store.store import Store

WORKABLE = ("worklist", "joined", "below_capacity", "self_cure", "no_value")
OF_ARM = ("arm", "assigned_on", "until_on", "probability")
REMEMBERED = ["debtor_id", "arm", "assigned_on", "until_on", "probability", "agent"]  # of former nights


@dataclass(frozen=True)
class Ranked:
    """All scorable accounts of the night with their group, value and planned channel. What is many letters lies on the
    disk, shard by shard (`parts`).

    files     valued rows of each shard: pipeline.night.valued
    found     of models.prioritise.placed in the order of the shards, rank_total, held_down, queue, `account`, which
              rises as the ids do, and `debtor`, the row of of_debtor
    of_debtor   arm ("" without one), assigned_on, until_on and probability of each debtor
    moved, of_listed   by position among all accounts: plan and value of those whose channel the ranking changed; what
              only listed rows have
    arms      of the lot; listed: the listed rows' keys; orders: what each order would bring (see _both_orders)
    """

    files: Sequence[Path]
    starts: np.ndarray
    found: pd.DataFrame
    of_debtor: pd.DataFrame
    moved: pd.DataFrame
    of_listed: pd.DataFrame
    arms: pd.DataFrame
    listed: pd.DataFrame
    warnings: list[str]
    orders: Mapping[str, Mapping[str, int]]

    def __len__(self) -> int:
        return len(self.found)

    @property
    def groups(self) -> pd.Series:
        """Group of each account, in the order of the shards."""
        return self.found["group"]

    @property
    def rows(self) -> pd.DataFrame:
        """All of them in one frame, as much as a night of few accounts may hold."""
        parts = list(self.parts())
        whole = pd.concat(
            [part.drop(columns=list(SAID)) for part in parts if len(part)] or parts[:1], ignore_index=True
        )
        for name in SAID:
            told = [part[name] for part in parts if len(part)]  # classes of no rows are of no type
            whole[name] = union_categoricals(told, sort_categories=True) if told else pd.Categorical([])
        return whole

    def parts(self, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
        """The rows of each shard, or these columns of them; by `part`."""
        return (self.part(at, columns) for at in range(len(self.files)))

    def part(self, at: int, columns: Sequence[str] | None = None, own: np.ndarray | None = None) -> pd.DataFrame:
        """The rows of a shard, or these columns of them; own: positions in the shard, of which alone."""
        return _part(self, at, columns, own)

    def of(self, at: np.ndarray, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """The rows at some positions among all accounts, in the order of the shards."""
        ends, asked = np.searchsorted(np.sort(at), self.starts), np.sort(at)
        some = [
            self.part(shard, columns, asked[first:last] - self.starts[shard])
            for shard, (first, last) in enumerate(zip(ends[:-1], ends[1:], strict=True))
            if last > first
        ]
        return pd.concat(some, ignore_index=True) if some else self.part(0, columns, np.zeros(0, np.int64))

    def place(self, *groups: str) -> np.ndarray:
        """int64 per account: its place, by account_id, among those of some groups, from 0; -1 of the others."""
        at, place = self.positions(*groups), np.full(len(self), -1)
        place[at[np.argsort(self.found["account"].to_numpy()[at])]] = np.arange(at.size)
        return place

    def positions(self, *groups: str) -> np.ndarray:
        """Positions of the accounts of some groups."""
        return np.flatnonzero(self.groups.isin(groups).to_numpy())


def _part(ranked: Ranked, at: int, columns: Sequence[str] | None, own: np.ndarray | None) -> pd.DataFrame:
    start, end = int(ranked.starts[at]), int(ranked.starts[at + 1])
    rows = kept(ranked.files[at], None if columns is None else _on_disk(columns))
    ids = rows["account_id"].astype(object).to_numpy() if "account_id" in rows else np.zeros(0, object)
    own = np.arange(end - start) if own is None else own
    found = ranked.found.iloc[start + own].reset_index(drop=True)
    of_debtor = ranked.of_debtor.iloc[found["debtor"].to_numpy()].reset_index(drop=True)
    rows = rows.iloc[own].reset_index(drop=True).rename(columns={"group": "verdict"})
    for name, source in {**_COPIES, "verdict": "verdict"}.items():
        if source in rows:
            rows[name] = rows[source]
    head = found["head"].to_numpy()
    told = np.where(head >= 0, ids[np.maximum(head - start, 0)], "") if len(ids) and len(head) else ""
    rows = rows.assign(
        **{name: found[name].astype("str") for name in ("group", "listed_by")},
        **{name: found[name].astype(np.int64) for name in ("rank", "option", "would_rank", "rank_total", "line")},
        **{name: of_debtor[name].to_numpy() for name in OF_ARM[1:]},
        arm=of_debtor["arm"].astype("str"),
        account=found["account"],
        held_down=found["held_down"],
        position=own + start,
        head=pd.Series(told, index=rows.index, dtype="str"),
        **dict.fromkeys(("joined_accounts", "part", "agent"), pd.Series("", index=rows.index, dtype="str")),
    )
    for few in (ranked.moved, ranked.of_listed):
        inside = pd.Index(own + start).get_indexer(few.index)
        for name in few.columns if (inside >= 0).any() else ():
            if name in rows:
                rows[name] = _laid_over(rows[name], inside[inside >= 0], few[name][inside >= 0])
    return rows if columns is None else rows[list(columns)]


_COPIES = {"added_value": "net_added"}  # what a row has under two names, until a listed one changes the first
_COPIES |= {f"contact_{each}_minute": f"permitted_{each}_minute" for each in ("from", "until")}
_FOUND = (
    "group",
    "listed_by",
    "rank",
    "option",
    "would_rank",
    "rank_total",
    "line",
    "account",
    "held_down",
    "position",
)
_FOUND += ("joined_accounts", "part", "agent", *OF_ARM)


def _on_disk(columns: Sequence[str]) -> list[str]:
    """The columns of valued rows from which these are told."""
    sources = {**_COPIES, "verdict": "group", "head": "account_id"}
    return sorted({sources.get(name, name) for name in columns if name not in _FOUND}) or ["account_no"]


def _laid_over(values: pd.Series, at: np.ndarray, told: pd.Series) -> pd.Series:
    """The values with others at some positions."""
    if not pd.api.types.is_numeric_dtype(values):
        values = values.copy()
        values.iloc[at] = told.to_numpy()
        return values
    numbers = values.to_numpy().astype(np.result_type(values.dtype, told.dtype))
    numbers[at] = told.to_numpy()
    return pd.Series(numbers, index=values.index)


def rank_night(store: Store, job: Job, worked: Sequence[Finished]) -> Ranked:
    """Value, channel, control group, groups, ranks and agents over all shards. Valued rows are laid beside the finished
    shards, and stay as long as they do.
    """
    params, desk = job.params, job.params.worklist
    terms = night_terms(worked, params)
    core, names, files, options, lacking = _core(worked, terms, job)
    starts = np.append(0, np.cumsum([one.sizes["rows"] for one in worked]))
    earlier = former_nights(store, job.as_of)
    persons = store.persons(job.versions)
    called = known_before(persons.links, job.as_of) if persons is not None else {}
    last_agents = _last_agents(earlier, called)
    control = ControlTerms(desk.control_share, params.label.gap_days, params.seed, desk.worked_share)
    arms = draw_control(core, standing_arms(earlier, called, job.as_of), job.as_of, control, names)
    del earlier
    tonight = arms.assign(debtor_id=places_in(arms["debtor_id"], names))
    tonight = tonight[tonight["debtor_id"] >= 0]
    capacity = {name: desk.capacity_of(name) for name in {*map(str, core["queue"].unique()), *desk.capacity}}
    # pyrefly: ignore[bad-argument-type]
    room = ChannelRoom(desk.channel_capacity, options) if options is not None else None
    if terms.value.of == ADDED:
        core["held_down"] = not_listed_before(core, tonight, capacity, _column(files, "net_total"))
    found = placed(core, tonight, capacity, job.as_of, Floor(desk.floor.days, desk.floor.share), room)
    found = found.assign(account=core["account_id"], debtor=core["debtor_id"], queue=core["queue"])
    found["held_down"] = core.get("held_down", False)
    found["rank_total"] = np.int32(0)
    nobody = pd.DataFrame(index=pd.Index([], dtype=np.int64))
    of_debtor = _of_debtors(tonight, len(names))
    ranked = Ranked(files, starts, found, of_debtor, nobody, nobody, arms, nobody, [], {})
    ranked = replace(ranked, moved=_moved(ranked, terms.value))
    found["rank_total"], orders = _both_orders(core, found, files, ranked.moved, capacity)
    at = ranked.positions("worklist")
    listed = ranked.of(at).set_axis(at)
    joined = joined_to(found, _ids_at(ranked))
    few = _within_the_day(listed, capacity, desk.part_share)
    few["joined_accounts"] = pd.Series([joined.get(place, "") for place in at.tolist()], index=few.index, dtype="str")
    few["agent"], unfair = _agents(listed, last_agents, params)
    ranked = replace(ranked, of_listed=few)
    keys = ["account_no", "account_id", "debtor_id", "p_recovered", "channel", "shard"]
    said = [f"Currency {name} has no rate in money.rates; its accounts are excluded." for name in sorted(lacking)]
    said += [*overbooked(core, found), *unfair]
    return replace(ranked, listed=ranked.of(at, keys), warnings=said, orders=orders)


def _core(
    worked: Sequence[Finished], terms: NightTerms, job: Job
) -> tuple[pd.DataFrame, pd.Series, list[Path], pd.DataFrame | None, set[str]]:
    """(CORE of all shards with ids as numbers, the debtors' ids in order, where the valued rows lie, what of every
    option the room on channels asks where they have a limit, currencies without a rate).
    """
    cores, files, accounts, debtors, options, lacking = [], [], [], [], [], set[str]()
    limited = bool(job.params.worklist.channel_capacity)
    for at, one in enumerate(worked):
        rows, choices, without = valued(one, at, terms, job)
        files.append(keep(rows, worked, at))
        accounts.append(in_arrow(rows["account_id"]))
        debtors.append(in_arrow(rows["debtor_id"]))
        core = core_of(rows)
        cores.append(core.assign(account_no=rows["account_no"]) if limited else core)
        if limited:
            lay_options(choices, files[at])
            options.append(narrowed(choices))
        lacking |= without
    filled = [core for core in cores if len(core)] or cores[:1]
    classes = {name: union_categoricals([core[name] for core in filled]) for name in CLASSES}
    core = pd.concat([each.drop(columns=list(CLASSES)) for each in filled], ignore_index=True).assign(**classes)
    del cores, filled
    core["account_id"] = in_numbers(pa.chunked_array(accounts))[0]
    del accounts
    core["debtor_id"], names = in_numbers(pa.chunked_array(debtors))
    whole = None
    if limited:
        whole = pd.concat(options, ignore_index=True)
        whole = whole.iloc[np.lexsort((whole["place"], whole["account_no"]))].reset_index(drop=True)
    return core, names, files, whole, lacking


def _of_debtors(arms: pd.DataFrame, many: int) -> pd.DataFrame:
    """OF_ARM of each debtor by its number. arms: debtors as numbers."""
    at, classes = arms["debtor_id"].to_numpy(), ["", *ARMS]
    arm, days, chance = np.zeros(many, np.int8), np.full((2, many), NO_DAY, np.int32), np.zeros(many)
    arm[at] = pd.Categorical(arms["arm"], categories=classes).codes
    days[0, at], days[1, at], chance[at] = arms["assigned_on"], arms["until_on"], arms["probability"]
    told = (pd.Categorical.from_codes(arm, categories=classes), *days, chance)
    return pd.DataFrame(dict(zip(OF_ARM, told, strict=True)))


def _column(files: Sequence[Path], name: str) -> pd.Series:
    """A column of numbers of the valued rows of all shards."""
    return pd.Series(np.concatenate([kept(file, [name])[name].to_numpy() for file in files]))


def _ids_at(ranked: Ranked) -> Mapping[int, str]:
    """Position -> account_id of the accounts that join a listed one."""
    at = ranked.positions("joined")
    return dict(zip(at.tolist(), ranked.of(at, ["account_id"])["account_id"], strict=True))


def _moved(ranked: Ranked, terms: ValueTerms) -> pd.DataFrame:
    """By position: what is planned, and its value, where the best channel had no room left and the ranking gave
    another.
    """
    at = np.flatnonzero(ranked.found["option"].to_numpy() > 0)
    if not at.size:
        return ranked.moved
    rows, chosen = ranked.of(at), []
    for shard, own in rows.groupby("shard"):
        wanted = own[["account_no"]].assign(place=own["option"])
        chosen.append(wanted.merge(laid_options(ranked.files[int(shard)]), on=["account_no", "place"]))
    chosen = pd.concat(chosen, ignore_index=True)
    rows = with_option(rows.drop(columns=[*PLANNED, *VALUE_COLUMNS]), chosen, terms)
    rows = with_orders(rows.drop(columns=OF_ORDERS), terms)
    changed = [*dict.fromkeys((*PLANNED, *VALUE_COLUMNS, *OF_ORDERS)), *_COPIES]
    return rows.assign(**{name: rows[source] for name, source in _COPIES.items()})[changed].set_axis(at)


def _both_orders(
    core: pd.DataFrame,
    found: pd.DataFrame,
    files: Sequence[Path],
    moved: pd.DataFrame,
    capacity: Mapping[str, int],
) -> tuple[np.ndarray, dict[str, dict[str, int]]]:
    """(rank_total, what either order alone would bring within capacity).

    rank_total   place that the debtor would have in its queue by all that it returns, of those who may be worked; 0 for
                 anybody else. The orders say debtors, returns (all that they are expected to return, our share,
                 discounted) and adds (what working adds to that).
    """
    able = np.flatnonzero(found["group"].isin(WORKABLE).to_numpy())
    whose, account = core["debtor_id"].to_numpy(), core["account_id"].to_numpy()
    place, brought = np.zeros(len(core), np.int32), {}
    for name in ORDERS:
        net = _column(files, f"net_{name}").to_numpy(copy=True)
        if len(moved):
            net[moved.index] = moved[f"net_{name}"]
        expected = core["expected_recovery"].to_numpy()
        first = able[np.lexsort((account[able], -expected[able], -net[able]))]
        first = first[~pd.Series(whose[first]).duplicated().to_numpy()]
        queue = core["queue"].iloc[first]
        turn = queue.groupby(queue, observed=True).cumcount().to_numpy() + 1
        if name == "total":
            of_debtor = np.zeros(whose.max(initial=-1) + 1, np.int32)
            of_debtor[whose[first]] = turn
            place[able] = of_debtor[whose[able]]
        if name == "added" and "held_down" in core:
            free = ~core["held_down"].to_numpy(dtype=bool)[first]
            first, turn, queue = first[free], turn[free], queue[free]
        taken = first[turn <= queue.astype("str").map(capacity).to_numpy(dtype=np.int64)]
        sums = {each: _column(files, f"worth_{each}").iloc[taken].sum() for each in ORDERS}
        brought[name] = {
            "debtors": len(taken),
            "returns": round(sums["total"]),
            "adds": round(sums["added"]),
        }
    return place, brought


def _within_the_day(rows: pd.DataFrame, capacity: Mapping[str, int], share: float) -> pd.DataFrame:
    """part, contact_from_minute, contact_until_minute: the permitted window of each listed row,
    cut to the part it answers best in. rows: the listed ones.
    """
    found = rows[["permitted_from_minute", "permitted_until_minute"]].set_axis(
        ["contact_from_minute", "contact_until_minute"], axis=1
    )
    found.insert(0, "part", "")
    for queue, own in rows[rows["group"] == "worklist"].sort_values("rank").groupby("queue"):
        part = pd.Series(planned_parts(own, int(np.ceil(share * capacity[queue]))), index=own.index, dtype="str")
        found.loc[own.index, "part"] = part
        for name in PARTS:
            held = own.index[part == name]
            window = own.loc[held, ["permitted_from_minute", "permitted_until_minute"]].to_numpy().T
            found.loc[held, "contact_from_minute"], found.loc[held, "contact_until_minute"] = cut_to(name, *window)
    return found


def _last_agents(earlier: pd.DataFrame, names: Mapping[str, str]) -> dict[str, str]:
    """Agent who last had each debtor on a list."""
    if earlier.empty:
        return {}
    had = earlier[earlier["agent"] != ""].sort_values("as_of", kind="stable")
    return dict(zip(renamed(had["debtor_id"], names), had["agent"], strict=True))  # the last one stays


def _agents(rows: pd.DataFrame, before: Mapping[str, str], params: Params) -> tuple[pd.Series, list[str]]:
    """(agent of every listed row of a queue that agents work, a warning per queue that cannot be split fairly)."""
    agent, warnings = pd.Series("", index=rows.index, dtype="str"), []
    for queue, places in sorted(params.worklist.agents.items()):
        own = rows[(rows["group"] == "worklist") & (rows["queue"] == queue)].sort_values("rank")
        if own.empty:
            continue
        values = own["net_value"].tolist()
        shared = shared_out(values, [before.get(name, "") for name in own["debtor_id"]], places)
        agent[own.index] = shared
        if (apart := spread(values, shared, places)) > FAIR:
            warnings.append(
                f"Queue {queue}: its agents' expected value lies {apart:.1%} apart; "
                "a few large debts allow no fairer split."
            )
    return agent, warnings


def former_nights(store: Store, before: int) -> pd.DataFrame:
    """REMEMBERED and as_of of the nights before a day: of each debtor the newest row whose span still runs on the day
    before, or later, and every row that an agent had. Night by night, the newest first: what every night says again is
    held once.
    """
    nights = sorted((day_of_text(night) for night in store.files("assignments") if night is not None), reverse=True)
    had, runs = [], []
    for night in (night for night in nights if night < before):
        rows = store.read("assignments", [*REMEMBERED, "as_of"], since=night, before=night + 1)
        had.append(rows[(rows["agent"] != "").to_numpy()])
        rows = rows[((rows["arm"] != "") & (rows["until_on"] >= before)).to_numpy()].drop_duplicates("debtor_id")
        for later in runs:
            rows = rows[~among(rows["debtor_id"], later["debtor_id"])]
        runs.append(rows)
    found = [rows for rows in (*runs, *had) if len(rows)]
    return pd.concat(found, ignore_index=True).drop_duplicates() if found else pd.DataFrame()


def standing_arms(earlier: pd.DataFrame, names: Mapping[str, str], as_of: int) -> pd.DataFrame:
    """The newest arm of each debtor. names: debtors that were found to be another one; of the spans of one person that
    still run, one over which the lot decided stands, of these the one that began first.
    """
    if earlier.empty:
        return pd.DataFrame({"debtor_id": pd.Series(dtype="str"), "until_on": pd.Series(dtype="int32")})
    armed = earlier[earlier["arm"] != ""].sort_values("as_of", kind="stable").drop_duplicates("debtor_id", keep="last")
    if not names:
        return armed
    runs = armed["until_on"] > as_of
    began = armed["assigned_on"].where(runs, -armed["assigned_on"])  # of those that have ended, the newest
    armed = armed.assign(ended=~runs, free=~armed["arm"].isin(DRAWN), began=began)
    armed = armed.sort_values(["ended", "free", "began", "debtor_id"])
    armed = armed.assign(debtor_id=renamed(armed["debtor_id"], names)).drop_duplicates("debtor_id")
    return armed.drop(columns=["ended", "free", "began"])


def held_out_on(store: Store, as_of: int, seen: View) -> pd.DataFrame:
    """The arms of the debtors of a view whom a lot holds out on a night, as that night and those before it drew."""
    earlier = former_nights(store, as_of + 1)
    if earlier.empty:
        return pd.DataFrame({"debtor_id": pd.Series(dtype="str"), "arm": pd.Series(dtype="str")})
    persons = store.persons(store.versions())
    names = known_before(persons.links, as_of) if persons is not None else {}
    arms = standing_arms(earlier, names, as_of)
    own = arms["debtor_id"].isin(seen.cohort.frame["debtor_id"].astype("str")) & (arms["until_on"] > as_of)
    return arms[own]

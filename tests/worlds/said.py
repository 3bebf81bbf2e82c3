"""Messages of a published night as the independent judge takes them: with the rows of the store, one by one."""

from __future__ import annotations

from collections.abc import Sequence

import yaml

from features.days import date_of
from pipeline.law.rule_file import RULES_FILE
from pipeline.messages.texts import place_of
from pipeline.night.reach import cohort_of
from pipeline.night.score import job_for
from pipeline.panel.view import view
from pipeline.params import Params
from pipeline.store.store import Store
from tests.judges.message_judge import breaches
from tests.worlds.worlds import World


def breaches_on(
    store: Store,
    params: Params,
    night: int,
    messages: list[dict],
    listed: set[str],
    held: set[str],
    earlier: list[dict],
    debtors: Sequence[str] | None = None,
) -> list[str]:
    """What the judge finds in the messages of a night. debtors: whose rows it is shown; those of all where None.

    listed, held: debtors on the list, and held out; earlier: account_id, channel, as_of of messages published before.
    """
    job = job_for(store, date_of(night), params)
    world, offsets = World("UTC"), {}
    for shard in range(store.shards):
        seen = view(store, shard, [job.as_of], params, job.versions, debtors=debtors)
        asked = cohort_of(job, seen, store)
        offsets |= dict(zip(asked["account_id"].astype("str"), asked["offset"].tolist(), strict=True))
        ids = seen.tables["accounts"].drop_duplicates("account_no").set_index("account_no")["account_id"].astype("str")
        for name, frame in seen.tables.items():
            whole = frame.assign(account_id=frame["account_no"].map(ids)).astype(object)
            told = whole.where(whole.notna(), None).to_dict("records")
            world.rows.setdefault(name, []).extend({"charge_id": None, "detail": None, **row} for row in told)
    rules, texts = (yaml.safe_load(place.read_text(encoding="utf-8")) for place in (RULES_FILE, place_of(params)))
    of_night = {"listed": listed, "held": held, "earlier": earlier, "texts": texts}
    return breaches(world, rules, params, job.as_of, messages, set(offsets), offsets, **of_night)

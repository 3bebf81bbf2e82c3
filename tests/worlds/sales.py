"""Params of the made-up books of sales on instalments."""

from __future__ import annotations

from pathlib import Path

import yaml

from pipeline.params import Params, load
from tests.worlds.params import written_params


def sold_params(folder: Path, **changes: object) -> Params:
    """The params of the two books, in one shard."""
    place = written_params(folder / "params.yaml", folder)
    told = yaml.safe_load(place.read_text(encoding="utf-8"))
    delivers = ["accounts", "charges", "payments"]
    told["portfolios"] = {
        "sales_eu": {"time_zone": "Europe/Paris", "delivers": delivers},
        "sales_us": {"time_zone": "America/Chicago", "delivers": delivers},
    }
    told["store"]["shards"] = 1
    told |= changes
    place.write_text(yaml.safe_dump(told, sort_keys=False), encoding="utf-8")
    return load(place)

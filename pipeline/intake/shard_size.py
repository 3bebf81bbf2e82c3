"""Whether a shard fits into the memory that the params allow: asked before the first delivery, for the number of shards
of a store can never change.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from features.tables import DELIVERED, Kind, inner_columns
from pipeline.intake.refusals import SettingRefused
from pipeline.store.files import DataFile

CODE_BYTES, ID_BYTES = 4, 64  # a class is read as a code; the ids of accounts and debtors as texts


def row_bytes(name: str) -> int:
    """Bytes of a row of a table as a night holds it: numbers, classes as codes, texts of accounts alone."""
    table, whole = DELIVERED[name], 0
    for column, dtype in inner_columns(name).items():
        is_id = column in table.names and table[column].kind is Kind.ID
        if dtype != "str":
            whole += np.dtype(dtype).itemsize
        elif not is_id:
            whole += CODE_BYTES
        elif name == "accounts":
            whole += ID_BYTES
    return whole


def largest_shard(files: Mapping[str, Sequence[DataFile]]) -> int:
    """Bytes of the shard that needs most. files: delivered table -> its files."""
    whole: dict[str | None, int] = {}
    for name, found in files.items():
        for file in found if DELIVERED[name].of_accounts else ():
            whole[file.partition] = whole.get(file.partition, 0) + file.rows * row_bytes(name)
    return max(whole.values(), default=0)


def check_fits(files: Mapping[str, Sequence[DataFile]], shards: int, limit: int, said: str) -> None:
    """Raises SettingRefused with the number of shards that would fit. limit: bytes; said: as the params say it."""
    needed = largest_shard(files)
    if needed > limit:
        raise SettingRefused.shard(needed, shards, math.ceil(shards * needed / limit), said)

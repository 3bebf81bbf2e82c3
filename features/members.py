"""Which of many texts are among many others, and numbers that rise as they do; by Arrow and not cell by cell."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc


def among(cells: pd.Series, names: pd.Series) -> np.ndarray:
    """bool per cell: whether it is one of the names; a missing cell is none."""
    return places_in(cells, names) >= 0


def places_in(cells: pd.Series, names: pd.Series) -> np.ndarray:
    """int32 per cell: its first place among the names, -1 where it is none of them or missing."""
    found = pc.index_in(in_arrow(cells), value_set=in_arrow(names), skip_nulls=True)
    return pc.fill_null(found, -1).to_numpy().astype(np.int32, copy=False)


def in_arrow(cells: pd.Series) -> pa.Array:
    """Cells of text in one piece, as Arrow holds them."""
    told = pa.array(cells.astype("str"))
    whole = told.combine_chunks() if isinstance(told, pa.ChunkedArray) else told
    return whole.cast(pa.large_string())


def in_numbers(ids: pa.ChunkedArray) -> tuple[np.ndarray, pd.Series]:
    """(int32: place of each cell among the distinct ids as they are sorted, those ids): numbers of four bytes that
    rise as the ids do.
    """
    coded = ids.combine_chunks().dictionary_encode()
    order = pc.array_sort_indices(coded.dictionary).to_numpy()
    place = np.empty(order.size, np.int32)
    place[order] = np.arange(order.size, dtype=np.int32)
    names = coded.dictionary.take(pa.array(order))
    return place[coded.indices.to_numpy()], pd.Series(names, dtype="str")


def sortable(ids: pd.Series) -> np.ndarray:
    """What sorts as the ids do: themselves where they are numbers, else their letters."""
    return ids.to_numpy() if pd.api.types.is_integer_dtype(ids) else ids.to_numpy(dtype="U")

"""Compiled loops: every one of the house is made here (features/kept_loops.py compiles and keeps them).

A process that ends with one question about one debtor has some hundred rows to loop over: `in_plain_python` gives it
the same functions as they are written, since to load numba costs more than all of its loops.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_compiles: bool | None = None  # None until the first loop is made


def in_plain_python() -> None:
    """From now on the loops of this process are not compiled; nothing where one is already, as loops call each other.

    Numbers are told to wrap and to divide by zero as silently as compiled ones do.
    """
    global _compiles
    if _compiles is None:
        _compiles = False
        np.seterr(over="ignore", divide="ignore", invalid="ignore")


def compiled(function: Callable | None = None, *, error_model: str = "python") -> Callable:
    """The loop as numba compiles it, or as it is written where the process chose so.

    error_model: numba's own; "numpy" lets a division by zero give inf or nan.
    """
    global _compiles
    if function is None:
        return lambda function: compiled(function, error_model=error_model)
    if _compiles is False:
        return function
    from features.kept_loops import kept

    _compiles = True
    return kept(function, error_model)

"""LightGBM, in the program `recoup` without its wrappers for scikit-learn: nothing there uses them, and scikit-learn
takes longer to load than all else that a night needs. A notebook that imports this house has LightGBM whole, for
without them it stays as long as the process runs.

Off Intel and AMD it is loaded as it is: there scikit-learn must come first, or the run-time library of the compiler
finds no room for its own variables (lightgbm/compat.py says so).
"""

from __future__ import annotations

import platform
import sys

WRAPPED, PROGRAM = "sklearn", "pipeline.cli"
KEPT_OUT = PROGRAM in sys.modules and WRAPPED not in sys.modules and platform.machine().lower() in ("x86_64", "amd64")

if KEPT_OUT:
    sys.modules[WRAPPED] = None  # pyrefly: ignore[unsupported-operation]: an import of it now fails as if it were not installed
try:
    import lightgbm
finally:
    if KEPT_OUT:
        del sys.modules[WRAPPED]

__all__ = ["lightgbm"]

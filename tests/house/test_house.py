"""The house itself: who may import whom, what the wheel holds, and that help answers without waking the heavy libraries."""

from __future__ import annotations

import ast
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[2]
ROOMS = ("features", "models", "pipeline")
MAY_IMPORT = {"features": {"features"}, "models": {"features", "models"}, "pipeline": {"features", "models", "pipeline"}}
ONLY_IN = {
    "mlflow": ("pipeline/training/registry.py",),
    "pyspark": ("pipeline/panel/engines.py",),
    "deltalake": ("pipeline/store/store.py",),
    "duckdb": ("pipeline/intake/ingest.py", "pipeline/intake/delivery.py"),
    "lightgbm": ("models/",),
    "shap": ("models/",),
}


def imports_of(source: str) -> list[tuple[str, bool]]:
    """(top-level module, whether the import runs when the file is imported)."""
    tree = ast.parse(source)
    inside = {id(node) for scope in ast.walk(tree) if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef) for node in ast.walk(scope)}
    found = []
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or "."]
        found += [(name.split(".")[0], id(node) not in inside) for name in names]
    return found


def breaches(path: str, source: str) -> list[str]:
    room = path.split("/")[0]
    broken = []
    for module, at_import in imports_of(source):
        if module in ROOMS and module not in MAY_IMPORT[room]:
            broken.append(f"{path} imports {module}")
        allowed = ONLY_IN.get(module)
        if allowed and not any(path == place or (place.endswith("/") and path.startswith(place)) for place in allowed):
            broken.append(f"{path} imports {module}")
        if module == "pyspark" and at_import:
            broken.append(f"{path} imports pyspark outside a function")
    return broken


def test_rooms_import_only_downward():
    files = [path for room in ROOMS for path in sorted((HOUSE / room).rglob("*.py"))]
    assert len(files) > 10
    assert [broken for path in files for broken in breaches(path.relative_to(HOUSE).as_posix(), path.read_text())] == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("features/ledger.py", "from pipeline.store import store"),
        ("models/split.py", "import pipeline.store.store"),
        ("pipeline/store/store.py", "import mlflow"),
        ("features/build.py", "def build():\n    import lightgbm"),
        ("pipeline/panel/engines.py", "import pyspark"),
    ],
)
def test_the_import_test_catches_a_breach(path, source):
    assert breaches(path, source) != []


def test_help_wakes_no_heavy_library():
    program = "import sys; from pipeline import cli\ntry: cli.main(['--help'])\nexcept SystemExit: pass\nprint(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=HOUSE)
    loaded = set(done.stdout.split())
    assert "click" in loaded
    assert loaded.isdisjoint({"pandas", "numpy", "lightgbm", "mlflow", "pyarrow", "duckdb", "numba", "pydantic", "sklearn", "shap"})


def test_the_wheel_holds_exactly_the_three_packages_and_their_data(tmp_path):
    for name in ("pyproject.toml", "README.md", "LICENSE", *ROOMS):
        target = tmp_path / "house" / name
        target.parent.mkdir(exist_ok=True)
        subprocess.run(["cp", "-r", str(HOUSE / name), str(target)], check=True)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path / "dist"), str(tmp_path / "house")]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == set(ROOMS)
    shipped = {path.relative_to(HOUSE).as_posix() for room in ROOMS for path in (HOUSE / room).rglob("*") if path.is_file()}
    assert {name for name in shipped if "__pycache__" not in name} == {name for name in names if ".dist-info/" not in name}

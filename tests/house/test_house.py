"""The house itself: who may import whom, what the wheel holds, what the docs say of it,
and that help wakes no heavy library.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from benchmarks import reliability
from benchmarks.mutants import MUTANTS
from tests.worlds.promises import PROMISES

HOUSE = Path(__file__).parents[2]
PACKAGES = ("features", "models", "pipeline")

# Room -> the rooms it may import, inside functions and for types as well. features and models are rooms; so is each
# file that stands beside the rooms of pipeline/. docs/house.md prints it.
MAY_IMPORT = {
    "features": "",
    "models": "features",
    "columns": "",
    "languages": "",
    "params": "features columns languages",
    "schema": "params",
    "store": "features models",
    "intake": "features models params store panel",
    "law": "features params store",
    "messages": "features params law",
    "treatment": "features models params law",
    "panel": "features models params store law",
    "pages": "features models columns languages store law",
    "training": "features models params panel law store treatment pages",
    "night": "features models columns params store panel law messages treatment pages",
    "outcomes": "features models columns params store panel pages night",
    "insight": "features models columns params store panel pages outcomes",
    "keeping": "features models columns params store law panel pages training night outcomes",
    "simulate": "features",
    "books": "features intake law messages treatment",
    "start": "features books params schema store intake law messages treatment",
    "verify": "features store pages",
    "lineage": "night pages",
    "metrics": "features status store night pages",
    "run": "features params store intake pages night outcomes keeping",
    "commands": (
        "features params schema store intake panel law messages treatment training night pages outcomes insight "
        "keeping simulate run start books verify metrics lineage finished outlook languages status serving"
    ),
    "cli": "commands",
    "outlook": "finished params store intake pages",
    "finished": "features models params store intake night pages",
    "status": "features params store law night pages",
    "serving": "features params store intake night",
}

# Library -> the files (or, with a slash, the folders) that may import it.
ONLY_IN = {
    "mlflow": ("pipeline/training/registry.py",),
    "pyspark": ("pipeline/panel/engines.py",),
    "deltalake": ("pipeline/store/",),
    "duckdb": ("pipeline/intake/", "pipeline/insight/questions.py"),
    "numba": (
        "features/kept_loops.py",
        "pipeline/simulate/",
    ),  # one way to keep compiled loops; the simulator's are part of one
    "lightgbm": ("models/",),
    "obstore": ("pipeline/store/bucket.py",),
    "shap": ("models/", "pipeline/training/charts.py"),
}
# Wherever they may be imported, not before a function asks: each takes a second or more.
NOT_AT_IMPORT = {"mlflow", "pyspark", "matplotlib", "optuna", "shap", "obstore"}

DAY_ROOM = "features/days.py"  # the one file that knows when days begin, and how long one is
LOOPS_ROOM = "features/kept_loops.py"  # the one file that keeps compiled loops

# What a judge may take from the product: what is declared, never what computes.
DECLARATIONS = {"features.spec", "features.tables", "features.terms", "features.vocabulary", "tests.worlds.worlds"}


def imports_of(source: str) -> list[tuple[str, str, bool]]:
    """(module, name taken from it or "", whether the import runs when the file is imported)."""
    tree = ast.parse(source)
    waits = [scope for scope in ast.walk(tree) if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef)]
    waits += [
        scope for scope in ast.walk(tree) if isinstance(scope, ast.If) and ast.unparse(scope.test) == "TYPE_CHECKING"
    ]
    inside = {id(node) for scope in waits for node in ast.walk(scope)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, "", id(node) not in inside) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [
                ("." * node.level + (node.module or ""), alias.name, id(node) not in inside) for alias in node.names
            ]
    return found


def room_of(dotted: str) -> str | None:
    """The room of a module of the product ("pipeline" for the package alone), None for any other."""
    package, *rest = dotted.split(".")
    if package not in PACKAGES:
        return None
    return rest[0] if package == "pipeline" and rest else package


def rooms_imported(path: str, source: str) -> set[tuple[str, str]]:
    """(room of the file, other room it imports); `from pipeline import law` and a relative
    import count as what they name.
    """
    own = room_of(path.removesuffix(".py").replace("/", "."))
    found = set()
    for module, name, _ in imports_of(source):
        assert not module.startswith("."), f"{path} imports relatively; say the whole path"
        other = room_of(f"{module}.{name}" if module == "pipeline" else module)
        if other not in (None, own):
            found.add((own, other))
    return found


def libraries_misplaced(path: str, source: str) -> list[str]:
    broken = []
    for dotted, _, at_import in imports_of(source):
        library = dotted.split(".")[0]
        allowed = ONLY_IN.get(library)
        if allowed and not any(path == place or (place.endswith("/") and path.startswith(place)) for place in allowed):
            broken.append(f"{path} imports {library}")
        if library in NOT_AT_IMPORT and at_import:
            broken.append(f"{path} imports {library} outside a function")
    return broken


def modules() -> dict[str, str]:
    """Path -> source of every module that is shipped."""
    files = {
        path.relative_to(HOUSE).as_posix(): path
        for package in PACKAGES
        for path in sorted((HOUSE / package).rglob("*.py"))
    }
    assert len(files) > 100
    return {name: path.read_text(encoding="utf-8") for name, path in files.items()}


def upward() -> set[tuple[str, str]]:
    """Imports between rooms that the mapping does not have."""
    found = set().union(*(rooms_imported(path, source) for path, source in modules().items()))
    return {(room, other) for room, other in found if other not in MAY_IMPORT.get(room, "").split()}


# Who may import whom


def test_rooms_import_only_what_the_mapping_allows():
    assert upward() == set()


def test_the_mapping_names_every_room_and_has_no_circle():
    there = {
        room_of(path.removesuffix(".py").replace("/", ".")) for path in modules() if not path.endswith("/__init__.py")
    }
    assert there == MAY_IMPORT.keys()
    done: list[str] = []
    while len(done) < len(MAY_IMPORT):
        free = [room for room, others in MAY_IMPORT.items() if room not in done and set(others.split()) <= set(done)]
        assert free, f"a circle among {sorted(MAY_IMPORT.keys() - set(done))}"
        done += free


def test_libraries_stay_in_their_files():
    assert [broken for path, source in modules().items() for broken in libraries_misplaced(path, source)] == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("features/ledger.py", "from pipeline.store import store"),
        ("features/ledger.py", "from models.split import split_by_time"),
        ("models/split.py", "import pipeline.store.store"),
        ("pipeline/law/hours.py", "def names():\n    from pipeline.pages import speech"),
        ("pipeline/night/night.py", "def watch():\n    from pipeline import outcomes"),
        ("pipeline/simulate/books.py", "if TYPE_CHECKING:\n    from pipeline.params import Params"),
        ("pipeline/params.py", "from pipeline.law.rules import Rules"),
        ("pipeline/pages/page.py", "import pipeline.night.night"),
    ],
)
def test_an_upward_import_is_seen(path, source):
    ((room, other),) = rooms_imported(path, source)
    assert other not in MAY_IMPORT[room].split()


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("pipeline/store/store.py", "import mlflow"),
        ("features/build.py", "def build():\n    import lightgbm"),
        ("pipeline/panel/engines.py", "import pyspark"),
        ("pipeline/training/charts.py", "from matplotlib.figure import Figure"),
        ("pipeline/night/night.py", "from deltalake import DeltaTable"),
    ],
)
def test_a_misplaced_library_is_seen(path, source):
    assert libraries_misplaced(path, source) != []


# One definition for each fact


def days_of_its_own(source: str) -> list[str]:
    """Where a source knows by itself when days begin or how long one is: date(1970, 1, 1) and the like."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and not isinstance(node.value, str | bytes | bool | float | None):
            length = node.value if isinstance(node.value, int) else 0
            if length in (86_400, 86_400_000, 86_400_000_000, 86_400_000_000_000):
                found.append(f"line {node.lineno}: {length}")
        if isinstance(node, ast.Call) and [getattr(part, "value", None) for part in node.args[:3]] == [1970, 1, 1]:
            found.append(f"line {node.lineno}: {ast.unparse(node)}")
    return found


def kept_loops(source: str) -> list[str]:
    """Calls that have numba keep what it compiled."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    kept = (node for node in calls if any(word.arg == "cache" for word in node.keywords))
    return [f"line {node.lineno}: {ast.unparse(node)}" for node in kept if "jit" in ast.unparse(node.func)]


def test_days_begin_in_one_file():
    """Judges share no code with the judged, and so have a day of their own."""
    files = {
        path.relative_to(HOUSE).as_posix(): path.read_text(encoding="utf-8")
        for folder in (*PACKAGES, "tests", "benchmarks")
        for path in (HOUSE / folder).rglob("*.py")
    }
    mine = {path: found for path, source in files.items() if (found := days_of_its_own(source))}
    house = Path(__file__).relative_to(HOUSE).as_posix()
    assert {path for path in mine if not path.startswith("tests/judges/")} == {DAY_ROOM, house}, mine


@pytest.mark.parametrize(
    "source",
    [
        "EPOCH = dt.date(1970, 1, 1)",
        "since = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)",
        "DAY = 86_400 * 1_000_000",
        "at = day * 86400000000",
    ],
)
def test_a_day_of_ones_own_is_seen(source):
    assert days_of_its_own(source) != []


def test_loops_are_kept_in_one_way():
    """What that way is for stands in its file: numba alone takes a loop for the same while one it calls has changed."""
    assert {path for path, source in modules().items() if kept_loops(source)} == {LOOPS_ROOM}
    assert kept_loops("@njit(cache=True)\ndef loop(): ...") != []
    assert kept_loops("loop = numba.vectorize(f)\nkept = numba.njit(nogil=True, cache=True)(g)") != []


def test_help_wakes_no_heavy_library():
    program = (
        "import sys; from pipeline import cli\ntry: "
        "cli.main(['--help'])\nexcept SystemExit: pass\nprint(*sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=HOUSE)
    loaded = set(done.stdout.split())
    assert "click" in loaded
    assert loaded.isdisjoint(
        {"pandas", "numpy", "lightgbm", "mlflow", "pyarrow", "duckdb", "numba", "pydantic", "sklearn", "shap"}
    )


# The tests


def imported_tests(path: str, source: str) -> list[str]:
    """Test modules that a file under tests/ imports."""
    wanted = [f"{module}.{name}" for module, name, _ in imports_of(source) if module.split(".")[0] == "tests"]
    return [
        f"{path} imports {dotted}" for dotted in wanted if any(part.startswith("test_") for part in dotted.split("."))
    ]


def judged_by_the_product(path: str, source: str) -> list[str]:
    """What a judge takes from the product beside declarations: names that begin with a capital."""
    broken = []
    for module, name, _ in imports_of(source):
        product = module.split(".")[0] in (*PACKAGES, "benchmarks") or (
            module.startswith("tests") and not module.startswith("tests.judges")
        )
        if product and not (module in DECLARATIONS and name[:1].isupper()):
            broken.append(f"{path} takes {name or module} from {module}")
    return broken


def test_no_test_imports_another_and_no_judge_the_judged():
    files = {
        path.relative_to(HOUSE).as_posix(): path.read_text(encoding="utf-8") for path in (HOUSE / "tests").rglob("*.py")
    }
    judges = {path: source for path, source in files.items() if path.startswith("tests/judges/")}
    assert len(files) > 40
    assert len(judges) > 3
    assert [broken for path, source in files.items() for broken in imported_tests(path, source)] == []
    assert [broken for path, source in judges.items() for broken in judged_by_the_product(path, source)] == []


@pytest.mark.parametrize(
    "source", ["from tests.night.test_night import recoup", "def f():\n    import tests.night.test_night"]
)
def test_a_test_that_imports_another_is_seen(source):
    assert imported_tests("tests/pages/test_page.py", source) != []


@pytest.mark.parametrize(
    "source",
    ["from features.tables import account_number", "from features.ledger import Ledger", "import features.tables"],
)
def test_a_judge_that_asks_the_judged_is_seen(source):
    assert judged_by_the_product("tests/judges/oracle.py", source) != []


def unmatched(source: str) -> list[str]:
    """`raises` that would take any refusal of its class for the one that is meant."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    asked = (node for node in calls if ast.unparse(node.func).split(".")[-1] == "raises")
    return [
        f"line {node.lineno}: {ast.unparse(node)}"
        for node in asked
        if not any(word.arg in ("match", "check") for word in node.keywords)
    ]


def test_every_refusal_that_is_expected_says_which():
    sources = {path: path.read_text(encoding="utf-8") for path in (HOUSE / "tests").rglob("*.py")}
    assert {path.name: found for path, source in sources.items() if (found := unmatched(source))} == {}


@pytest.mark.parametrize(
    "source",
    [
        "with pytest.raises(ContractError) as refused: ...",
        "with raises(UsageError): ...",
        "pytest.raises(OSError, len, 1)",
    ],
)
def test_a_refusal_without_its_words_is_seen(source):
    assert unmatched(source) != []


def untested(tests: dict[str, str], shipped: Iterable[str]) -> list[str]:
    """Modules of the rooms that neither have their own file of tests nor stand in the docstring of one of their room.
    tests, shipped: path -> source, paths.
    """
    told = {path: ast.get_docstring(ast.parse(source)) or "" for path, source in tests.items()}
    missing = []
    for path in shipped:
        room, name = path.removeprefix("pipeline/").rsplit("/", 1) if path.count("/") else ("", path)
        files = {place: said for place, said in told.items() if place.startswith(f"tests/{room}/test_")}
        named = any(re.search(rf"\b{re.escape(name)}\b", said) for said in files.values())
        if not named and f"tests/{room}/test_{name}" not in files:
            missing.append(path)
    return missing


def test_the_tests_of_a_module_are_found_by_its_name():
    tests = {
        path.relative_to(HOUSE).as_posix(): path.read_text(encoding="utf-8")
        for path in (HOUSE / "tests").rglob("test_*.py")
    }
    rooms = [
        path for path in modules() if not path.endswith("/__init__.py") and not re.fullmatch(r"pipeline/\w+.py", path)
    ]
    assert len(rooms) > 100
    assert untested(tests, rooms) == []


def test_a_module_without_tests_of_its_name_is_seen():
    tests = {"tests/law/test_eligibility.py": '"""Who may be contacted. Also of caps.py."""'}
    shipped = ["pipeline/law/eligibility.py", "pipeline/law/caps.py", "pipeline/law/scenes.py", "models/caps.py"]
    assert untested(tests, shipped) == ["pipeline/law/scenes.py", "models/caps.py"]


def test_the_tests_stand_in_the_rooms_of_the_house():
    rooms = {path.name for path in (HOUSE / "pipeline").iterdir() if (path / "__init__.py").exists()}
    places = {path.parent.relative_to(HOUSE / "tests").as_posix() for path in (HOUSE / "tests").rglob("test_*.py")}
    assert places <= {*rooms, "features", "models", "house", "promises", "."}
    assert rooms <= places


def test_every_promise_has_one_test_that_is_named_after_it():
    sources = [path.read_text(encoding="utf-8") for path in (HOUSE / "tests").rglob("test_*.py")]
    named = sorted(row for source in sources for row in re.findall(r"^def test_([rs]\d\d)_", source, flags=re.M))
    assert named == sorted(PROMISES)
    assert named == [*(f"r{number:02}" for number in range(1, 23)), *(f"s{number}" for number in range(23, 31))]


def test_the_page_of_reliability_is_what_was_measured_and_held():
    kept = json.loads(reliability.KEPT.read_text(encoding="utf-8"))
    assert reliability.PAGE.read_text(encoding="utf-8") == reliability.page(kept)
    runs = [(row, run) for row, found in kept.items() for run in found.get("runs", [])]
    assert [(row, run) for row, run in runs if not reliability.has_held(run)] == []
    assert {name for name, one in kept["mutants"]["found"].items() if not one["killed"]} == set()
    assert all((HOUSE / mutant.test.split("::")[0]).exists() for mutant in MUTANTS.values())
    assert {name for name, each in MUTANTS.items() if (HOUSE / each.file).read_text().count(each.before) != 1} == set()


# What is shipped, and what is said of it


def test_the_project_lists_every_package():
    listed = tomllib.loads((HOUSE / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    there = {
        path.parent.relative_to(HOUSE).as_posix().replace("/", ".")
        for name in PACKAGES
        for path in (HOUSE / name).rglob("*.py")
    }
    assert set(listed) == there
    assert len(listed) == len(there)


@pytest.mark.slow
def test_the_wheel_holds_the_three_packages_their_data_and_what_a_folder_begins_with(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == set(PACKAGES)
    shipped = {
        path.relative_to(HOUSE).as_posix()
        for package in PACKAGES
        for path in (HOUSE / package).rglob("*")
        if path.is_file()
    }
    sample = HOUSE / "data" / "sample"
    begun = {f"pipeline/sample/{path.relative_to(sample).as_posix()}" for path in sample.rglob("*") if path.is_file()}
    shipped |= {"pipeline/params.yaml", *begun}
    assert {name for name in shipped if "__pycache__" not in name} == {
        name for name in names if ".dist-info/" not in name
    }


def test_the_docs_print_the_mapping():
    text = (HOUSE / "docs" / "house.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z]+)(?:/|\.py)` \|.*\| ([a-z, ]*|nobody) \|$", text, flags=re.M)
    printed = {room: set() if others == "nobody" else set(others.split(", ")) for room, others in rows}
    assert printed == {room: set(others.split()) for room, others in MAY_IMPORT.items()}


def unnamed(pages: Iterable[str], shipped: Iterable[str]) -> list[str]:
    """Modules that no page names: by their whole path or, on a page that names what lies beside them, by their file."""
    said: set[str] = set()
    for page in pages:
        names = set(re.findall(r"`([\w/]+(?:\.py|/))", page))
        folders = {name.rsplit("/", 1)[0] for name in names if "/" in name}
        said |= names | {f"{folder}/{name}" for folder in folders for name in names if "/" not in name}
    return [path for path in shipped if path not in said]


def test_the_docs_name_every_module():
    pages = [path.read_text(encoding="utf-8") for path in sorted((HOUSE / "docs").glob("*.md"))]
    assert unnamed(pages, [path for path in modules() if not path.endswith("__init__.py")]) == []


def test_a_module_that_no_page_names_is_seen():
    pages = ["All of it lies in `pipeline/law/`: `caps.py` counts.", "`models/split.py` splits, `scenes.py` does not."]
    shipped = ["pipeline/law/caps.py", "models/split.py", "pipeline/law/scenes.py", "models/caps.py"]
    assert unnamed(pages, shipped) == ["pipeline/law/scenes.py", "models/caps.py"]


def test_the_docs_name_only_what_is_there():
    """Every file or folder that docs/house.md and CONTRIBUTING.md set in backticks exists."""
    for page in ("docs/house.md", "CONTRIBUTING.md"):
        named = re.findall(r"`([a-z_]+/[a-z_/.]+)`", (HOUSE / page).read_text(encoding="utf-8"))
        assert len(named) > 5
        assert [name for name in named if not (HOUSE / name).exists()] == [], page

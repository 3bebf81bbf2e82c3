"""What the commands share, and what those of each module (`books.py`, `learning.py`, `nights.py`, `looking.py`,
`keeping.py`) refuse
before any work is done.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from pipeline.cli import cli
from pipeline.commands.table import moment, needs, whole_numbers
from tests.worlds.commands import exit_code

HOUSE = Path(__file__).parents[2]


def every_command(group=cli, before=()):
    for name, command in sorted(group.commands.items()):
        yield (*before, name), command
        if isinstance(command, click.Group):
            yield from every_command(command, (*before, name))


def test_each_command_says_what_it_does_and_stands_in_the_readme():
    commands, readme = dict(every_command()), (HOUSE / "README.md").read_text(encoding="utf-8")
    assert len(commands) > 20
    assert [" ".join(named) for named, command in commands.items() if not command.help] == []
    assert [words for named in commands if (words := " ".join(named)) not in readme] == []


@pytest.mark.parametrize(("text", "found"), [("50", [50]), ("50,100, 7", [50, 100, 7]), (None, [])])
def test_whole_numbers_are_read_in_the_order_given(text, found):
    assert whole_numbers(text, 0, 100, "no") == found


@pytest.mark.parametrize("text", ["", "5,", "-1", "101", "5.0", "1e2", "0x5", "9" * 21])
def test_other_numbers_are_refused_in_the_words_of_the_command(text):
    with pytest.raises(click.UsageError, match=r"^--capacity must be whole$"):
        whole_numbers(text, 0, 100, "--capacity must be whole")


@pytest.mark.parametrize("text", ["yesterday", "2026-11-02", "2026-11-02T10:15:00"])
def test_a_moment_without_an_offset_is_refused(text):
    with pytest.raises(click.UsageError, match=r"--at must be ISO 8601 with an offset, such as 2026"):
        moment(text, "--at", "2026-11-02T10:15:00+01:00", needs_offset=True)


def test_a_lacking_library_is_named_with_the_extra_that_brings_it():
    with pytest.raises(click.UsageError, match=r"^This needs no_such_library: install recoup with its extra"):
        needs("json", "no_such_library")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("init",), "Give --from FILES, or --sample"),
        (("init", "--from", "x.csv", "--rate", "USD"), "--rate must be a currency and a number"),
        (("convert", "--map", "odoo", "--from", "."), "Give --to SOURCE, or --propose"),
        (("features", "--as-of", "2026-10-01"), "Give --out FILE.parquet, or --explain"),
        (("features", "--as-of", "2026-10-01", "--explain", "x"), "--explain needs --account"),
        (("dataset", "--out", "p.parquet", "--horizons", "30,30"), "--horizons must be different numbers"),
        (("publish", "--by", "A", "--why", "B"), "Missing option '--rollback'"),
        (("quarantine", "show"), "Name the rows with --id"),
        (("quarantine", "discard", "--by", "A", "--why", "B"), "Name the rows with --id"),
        (("promote",), "Give either --run ID or --rollback"),
        (("whatif", "--as-of", "2026-10-01", "--capacity", "many"), "--capacity must be whole numbers"),
        (("rules", "--place", "DE", "sign", "--place", "DE", "--by", "A"), "Name the options after 'sign'"),
        (("check", "--account", "a", "--channel", "call", "--at", "soon"), "--at must be ISO 8601"),
    ],
    ids=" ".join,
)
def test_a_command_that_makes_no_sense_is_refused_in_a_line(command, said, monkeypatch, capsys):
    monkeypatch.chdir(HOUSE)
    assert exit_code(*command) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert said in line


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_line_of_the_log_tells_when_and_which_run(form, capsys):
    assert exit_code("--log-format", form, "promote", "--run", "a", "--rollback") == 2
    line = capsys.readouterr().err.strip()
    if form == "json":
        told = json.loads(line)
        assert re.fullmatch(r"[\dT:.+-]{29}", told["time"])
        assert (re.fullmatch(r"[0-9a-f]{8}", told["run"]) is not None, told["level"]) == (True, "error")
    else:
        assert re.fullmatch(r"[\dT:.+-]{29} [0-9a-f]{8} ERROR Give either --run ID or --rollback\.", line)


def test_nothing_heavy_is_imported_to_say_what_there_is_nor_to_find_that_another_run_is_at_work():
    program = (
        "import sys; from pathlib import Path; from pipeline import cli; from pipeline.params import load; "
        "from pipeline.store import locks; load(Path('params.yaml')); "
        "print({'pandas', 'numpy', 'lightgbm', 'deltalake', 'duckdb', 'mlflow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=HOUSE, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"

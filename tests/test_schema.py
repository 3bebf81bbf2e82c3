"""The schema that editors read refuses what the params refuse, and takes what they take."""

from __future__ import annotations

import json
import re

import jsonschema
import pytest
import yaml
from pydantic import ValidationError

from pipeline.cli import main
from pipeline.params import DEFAULT, MODEL_NAMES, Params, shipped
from pipeline.schema import params_schema
from tests.worlds.commands import exit_code

SCHEMA = params_schema()


def as_editors_read(text: str) -> dict:
    """YAML 1.2 knows no dates: an editor sees text there."""
    return json.loads(json.dumps(yaml.safe_load(text), default=str))


def default_params() -> dict:
    return as_editors_read(shipped("params.yaml").read_text(encoding="utf-8"))


def refused_by_both(params: dict) -> None:
    with pytest.raises(jsonschema.ValidationError, match=r"."):
        jsonschema.validate(params, SCHEMA)
    with pytest.raises(ValidationError, match=r"."):
        Params.model_validate(params)


def mappings(params: dict, place: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every section and every part of one, by its path."""
    found = [place]
    for key, value in params.items():
        if isinstance(value, dict):
            found += mappings(value, (*place, key))
    return found


def at(params: dict, place: tuple[str, ...]) -> dict:
    for key in place:
        params = params[key]
    return params


# Keys that a user names: any text is one there, for the schema and for the params.
FREE = {
    ("portfolios",), ("worklist", "teams"), ("worklist", "skills"), ("worklist", "agents"), ("worklist", "capacity"),
    ("worklist", "costs"), ("money", "rates"), ("portfolio_defaults", "dpd_tolerance"), ("insight", "margin"),
    ("mail", "clients"),
}  # fmt: skip
DECLARED = [place for place in mappings(default_params()) if place not in FREE]


def test_the_schema_is_one_and_takes_the_shipped_params():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(default_params(), SCHEMA)
    Params.model_validate(default_params())


@pytest.mark.parametrize("place", DECLARED, ids=".".join)
def test_an_unknown_key_is_refused_by_schema_and_params_alike(place):
    params = default_params()
    at(params, place)["surely_unknown"] = 1
    refused_by_both(params)


@pytest.mark.parametrize("section", sorted(set(SCHEMA["required"]) - {"portfolios"}))
def test_what_one_lacks_the_other_lacks(section):
    params = default_params()
    del params[section]
    refused_by_both(params)


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("model", "num_leaves", 1),
        ("label", "min_share", 2),
        ("worklist", "language", "tlh"),
        ("worklist", "capacity", {"card_gb": 3}),
        ("worklist", "dialler_columns", {"acount_id": "A"}),
        ("gate", "money_ratio", [0.7]),
        ("portfolios", "card_gb", {"role": "friend"}),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_both(section, key, value):
    params = default_params()
    params[section][key] = value
    refused_by_both(params)


def test_a_portfolio_may_leave_out_what_the_defaults_have():
    params = default_params()
    params["portfolios"] = {"mine": {"role": "creditor"}, "other": None}
    jsonschema.validate(params, SCHEMA)
    Params.model_validate(params)


def test_every_name_of_the_models_is_known_to_both():
    params = default_params()
    params["model"] |= {name: params["model"].get(name, 1) for name in MODEL_NAMES}
    jsonschema.validate(params, SCHEMA)
    Params.model_validate(params)


def test_an_editor_shows_the_comment_of_each_key():
    told = {name: SCHEMA["$defs"][name]["properties"] for name in ("Label", "Gate", "Engine", "Ingest", "Split")}
    assert [(name, key) for name, keys in told.items() for key in keys if not keys[key].get("description")] == []
    assert "recovery is counted" in told["Label"]["horizon_days"]["description"]


def test_the_command_prints_it_and_the_params_name_it(capsys):
    assert exit_code("schema") == 0
    assert json.loads(capsys.readouterr().out) == SCHEMA
    first = shipped("params.yaml").read_text(encoding="utf-8").splitlines()[0]
    assert re.fullmatch(r"# yaml-language-server: \$schema=params\.schema\.json", first)


@pytest.mark.parametrize("command", [(), ("ingest",), ("train",)])
def test_a_folder_without_params_says_how_to_begin(tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    assert exit_code(*command) == 2
    said = capsys.readouterr().err.strip()
    assert "ERROR There is no params.yaml in this folder: begin with `recoup init --from FILES`" in said
    assert "\n" not in said


def test_recoup_alone_lists_the_commands_where_there_are_params(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    DEFAULT.write_text("seed: 1\n")
    with pytest.raises(SystemExit, match="0"):
        main([])
    assert "Commands:" in capsys.readouterr().out


def test_a_params_file_that_was_named_and_is_not_there_is_missing(tmp_path, capsys):
    assert exit_code("ingest", "--params", str(tmp_path / "mine.yaml")) == 66
    assert "Give its place with --params" in capsys.readouterr().err

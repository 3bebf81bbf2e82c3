"""What a run says while it runs: its log by fields, one line that sums it up, and OpenLineage events, read by that
project's own classes.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import shutil
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import attr
import jsonschema
import pytest
from jsonschema import FormatChecker
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import error_message_run, nominal_time_run, output_statistics_output_dataset
from openlineage.client.serde import Serde

from pipeline.lineage import PRODUCER, Lineage
from pipeline.night.alarm import keep_back
from pipeline.pages.publish import publish
from pipeline.pages.record import read_manifest
from pipeline.status import summary
from tests.worlds.commands import NIGHT, exit_code, recoup
from tests.worlds.paper_nights import AS_OF, night
from tests.worlds.params import written_params

AT = dt.datetime(2026, 11, 20, 2, 30, tzinfo=dt.UTC)
FACETS = {
    "nominalTime": nominal_time_run.NominalTimeRunFacet,
    "errorMessage": error_message_run.ErrorMessageRunFacet,
    "outputStatistics": output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet,
}


def events(place: Path) -> list[dict]:
    return [json.loads(line) for line in place.read_text(encoding="utf-8").splitlines()]


def facets(told: dict) -> dict:
    own = {name: {key: value for key, value in facet.items() if key[0] != "_"} for name, facet in told.items()}
    return {name: FACETS[name](**facet, producer=PRODUCER) for name, facet in own.items()}


def by_their_classes(event: dict) -> dict:
    """The same event as the library writes it, once its validators have passed it."""
    read = RunEvent(
        eventType=RunState[event["eventType"]],
        eventTime=event["eventTime"],
        run=Run(event["run"]["runId"], facets=facets(event["run"]["facets"])),
        job=Job(**event["job"]),
        inputs=[InputDataset(**each) for each in event["inputs"]],
        outputs=[
            OutputDataset(each["namespace"], each["name"], facets(each["outputFacets"])) for each in event["outputs"]
        ],
        producer=event["producer"],
    )
    return without_empty(json.loads(Serde.to_json(read)))


def schema_of(kind: Any) -> dict[str, Any]:
    """JSON Schema of what the project's classes say, which are generated from its published one: fields that must be
    there, no others, their types, and the forms of their texts. Of facets, those that we write.
    """
    parts = [part for part in get_args(kind) if part is not type(None)]
    if get_origin(kind) in (Union, UnionType):
        return schema_of(parts[0]) if len(parts) == 1 else {"anyOf": [schema_of(part) for part in parts]}
    if get_origin(kind) is list:
        return {"type": "array", "items": schema_of(parts[0])}
    if get_origin(kind) is dict:
        known = {name: schema_of(facet) for name, facet in FACETS.items()}
        return {"type": "object", "properties": known, "additionalProperties": False}
    if kind in PLAIN:
        return {"type": PLAIN[kind]}
    if issubclass(kind, Enum):
        return {"enum": [each.value for each in kind]}
    told = {name: hint for name, hint in get_type_hints(kind).items() if name in attr.fields_dict(kind)}
    return {
        "type": "object",
        "properties": {name: schema_of(hint) | FORMS.get(name, {}) for name, hint in told.items()},
        "required": [each.name for each in attr.fields(kind) if each.default is attr.NOTHING or each.name in SIGNED],
        "additionalProperties": False,
    }


PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean"}
SIGNED = ("producer", "schemaURL", "_producer", "_schemaURL")  # the library fills them in by itself
FORMS = {
    **dict.fromkeys(("eventTime", "nominalStartTime", "nominalEndTime"), {"format": "date-time"}),
    **dict.fromkeys(SIGNED, {"format": "uri"}),
    "runId": {"format": "uuid"},
}


def faults(event: dict) -> list[str]:
    """What in an event the schema does not allow, by its place."""
    judge = jsonschema.Draft202012Validator(schema_of(RunEvent), format_checker=FormatChecker(["date", "uuid"]))
    return sorted("/".join(map(str, fault.absolute_path)) for fault in judge.iter_errors(event))


def without_empty(told: dict) -> dict:
    """The library writes every facet that could be there."""
    return {
        name: [without_empty(each) for each in value]
        if isinstance(value, list)
        else without_empty(value)
        if isinstance(value, dict)
        else value
        for name, value in told.items()
        if value != {}
    }


def test_every_event_is_as_the_schema_says(tmp_path):
    publish(night(3), tmp_path / "out")
    told = Lineage(tmp_path / "events.jsonl", AS_OF, "delivery", tmp_path / "out")
    told.begins(AT)
    told.ends(AT + dt.timedelta(minutes=3), 0, "")
    told.ends(AT + dt.timedelta(minutes=3), 66, "A delivery is late.")
    found = events(tmp_path / "events.jsonl")
    assert [event["eventType"] for event in found] == ["START", "COMPLETE", "FAIL"]
    assert [faults(event) for event in found] == [[], [], []]
    done = found[1]
    first = done["outputs"][0]
    told_of = {**first["outputFacets"]["outputStatistics"], "size": "1"}
    for broken, where in (
        ({**done, "eventType": "DONE"}, "eventType"),
        ({**done, "outputs": [{**first, "name": 7}]}, "outputs/0/name"),
        ({**done, "run": {**done["run"], "runId": "tonight"}}, "run/runId"),
        ({**done, "extra": 1}, ""),
        ({name: value for name, value in done.items() if name != "job"}, ""),
        ({**done, "outputs": [{**first, "outputFacets": {"outputStatistics": told_of}}]}, "outputs/0/outputFacets"),
    ):
        assert any(fault.startswith(where) for fault in faults(broken)), where


def test_a_published_night_begins_and_completes_with_its_files(tmp_path):
    publish(night(3), tmp_path / "out")
    told = Lineage(tmp_path / "logs" / "events.jsonl", AS_OF, "delivery", tmp_path / "out")
    told.begins(AT)
    told.ends(AT + dt.timedelta(minutes=3), 0, "")
    began, ended = events(tmp_path / "logs" / "events.jsonl")
    assert (began["eventType"], ended["eventType"]) == ("START", "COMPLETE")
    assert began["run"]["runId"] == ended["run"]["runId"]
    assert [by_their_classes(event) for event in (began, ended)] == [began, ended]
    folder = tmp_path / "out" / AS_OF.isoformat()
    published = read_manifest(folder)["outputs"]
    rows = {
        str(Path(each["name"]).relative_to(folder)): each["outputFacets"]["outputStatistics"]["rowCount"]
        for each in ended["outputs"]
    }
    assert rows == {name: said["rows"] for name, said in published.items()}
    assert rows["worklist.csv"] == 3


def test_a_night_that_fails_says_why_and_one_that_the_monitor_kept_from_publishing_fails(tmp_path):
    told = Lineage(tmp_path / "events.jsonl", AS_OF, "delivery", tmp_path / "out")
    told.begins(AT)
    told.ends(AT, 66, "Payments are late.")
    told.ends(AT, 78, "The monitor says stop.")
    for event, why in zip(
        events(tmp_path / "events.jsonl")[1:], ("Payments are late.", "The monitor says stop."), strict=True
    ):
        assert event["eventType"] == "FAIL"
        assert event["run"]["facets"]["errorMessage"]["message"] == why
        assert by_their_classes(event) == event


@pytest.mark.parametrize(("verdict", "kept"), [("ok", True), ("ok", False), ("stop", True), ("stop", False)])
def test_a_stop_over_a_list_of_an_earlier_run_is_no_success_of_this_one(tmp_path, verdict, kept):
    """Only a list that is marked as stopped, and was not kept back since, is of a run that ends with 78."""
    out = tmp_path / "out"
    findings = [{"name": "drift of the score", "verdict": verdict, "says": "PSI 2.7.", "figures": {}}]
    told = {"monitor": {"verdict": verdict, "findings": findings}}
    publish(night(3, manifest={**night(3).manifest, **told}), out)
    if kept:
        keep_back(out, AS_OF)
    Lineage(tmp_path / "events.jsonl", AS_OF, "delivery", out).ends(AT, 78, "The monitor says stop.")
    (event,) = events(tmp_path / "events.jsonl")
    marked = verdict == "stop" and not kept
    assert (event["eventType"], bool(event["outputs"])) == (("COMPLETE", True) if marked else ("FAIL", False))
    assert summary(out, AS_OF, 78)["outcome"] == ("marked" if marked else "kept_from")


def test_a_file_that_cannot_be_written_takes_no_night_away(tmp_path, caplog):
    (tmp_path / "plain").write_text("x")
    with caplog.at_level(logging.WARNING, "recoup"):
        Lineage(tmp_path / "plain" / "events.jsonl", AS_OF, "delivery", tmp_path / "out").begins(AT)
    assert "The lineage file cannot be written" in caplog.text


def lines(err: str) -> list[dict]:
    return [json.loads(line) for line in err.splitlines()]


def test_a_refused_run_leaves_one_summary_a_last_line_that_says_why_and_nothing_else(tmp_path, capsys):
    place = written_params(tmp_path / "params.yaml", tmp_path)
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "accounts.csv").write_text("x\n")
    asked = ("--params", str(place), "--lineage", str(tmp_path / "events.jsonl"))
    assert exit_code("--log-format", "json", "run", "--as-of", NIGHT, *asked) == 65
    told = lines(capsys.readouterr().err)
    summaries = [line for line in told if line.get("event") == "run_summary"]
    assert len(summaries) == 1
    assert {
        name: summaries[0][name] for name in ("as_of", "exit_code", "outcome", "verdict", "current", "expired")
    } == {
        "as_of": NIGHT,
        "exit_code": 65,
        "outcome": "failed",
        "verdict": None,
        "current": None,
        "expired": False,
    }
    assert told[-1]["level"] == "error"
    assert len({line["run"] for line in told}) == 1
    assert all(dt.datetime.fromisoformat(line["time"]).tzinfo for line in told)
    assert [event["eventType"] for event in events(tmp_path / "events.jsonl")] == ["START", "FAIL"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["events.jsonl", "params.yaml", "source"]


def test_stages_begin_and_end_with_their_fields_and_tables_are_no_text(own, capsys):
    shutil.rmtree(own / "store")
    shutil.rmtree(own / "out")
    asked = ("--params", str(own / "params.yaml"), "--json")
    assert exit_code("--log-format", "json", "run", "--as-of", NIGHT, *asked) == 0
    out, err = capsys.readouterr()
    told, published = lines(err), json.loads(out)
    stages = {
        name: [line["event"] for line in told if line.get("stage") == name] for name in ("rank", "monitor", "publish")
    }
    assert stages == {name: ["begin", "end"] for name in stages}
    assert all(line["seconds"] >= 0 for line in told if line.get("event") == "end")
    taken = next(line for line in told if "tables" in line)
    assert "\n" not in taken["message"]
    assert {table["name"] for table in taken["tables"]} >= {"accounts", "payments"}
    assert published["monitor"]["verdict"] == told[-1]["verdict"]
    assert (published["current"], told[-1]["event"], told[-1]["outcome"]) == (NIGHT, "run_summary", "published")


@pytest.mark.parametrize(
    ("code", "verdict", "outcome"),
    [(0, "ok", "published"), (78, "stop", "marked"), (78, None, "kept_from"), (74, "ok", "failed")],
)
def test_a_summary_says_what_is_true_after_it(tmp_path, code, verdict, outcome):
    told = {} if verdict is None else {"monitor": {"verdict": verdict, "findings": []}}
    publish(night(3, manifest={**night(3).manifest, **told}), tmp_path / "out")
    found = summary(tmp_path / "out", AS_OF, code)
    assert (found["outcome"], found["current"]) == (outcome, AS_OF.isoformat())


def test_an_empty_reason_is_refused_before_anything_is_read(tmp_path, capsys):
    written_params(tmp_path / "params.yaml", tmp_path)
    for option in ("--accept-gap", "--accept-volume"):
        assert recoup(tmp_path, "run", "--as-of", NIGHT, option, " ") == 2
        assert "must say why" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]

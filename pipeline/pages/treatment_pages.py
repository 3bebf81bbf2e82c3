"""Two pages of a night under a treatment policy: the routes, for whoever answers for them, where nobody is named; and
the accounts on which a person decides, for those who decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from pipeline.pages.language import words
from pipeline.pages.publication import Night, amounts, days, texts
from pipeline.pages.speech import Speech
from pipeline.pages.templating import night_head, template


def routes_page(night: Night) -> str:
    """The whole page; it has no script and asks the network for nothing."""
    spoken, speech = words(night.language), Speech(night.language)
    told, said = night.manifest["treatments"], spoken["treatment"]
    routes = [_route(row, night, said, speech) for row in told.get("routes", ())]
    moved = [
        (_named(each["before"], said), _named(each["after"], said), speech.count(each["accounts"]))
        for each in told.get("moved", ())
    ]
    left = {**told["left_out"], "specialist": told["specialist"]}
    return template("routes.html").render(
        **night_head(night, speech, said["title"]),
        said=said,
        valued=told["valued"],
        short=spoken["sentences"]["waiting_short"].format(**told["short"]) if "short" in told else "",
        all=speech.count(told["accounts"]),
        routes=routes,
        moved=moved,
        first_night=told.get("new", 0) == told["accounts"],
        new=speech.count(told.get("new", 0)),
        left=[(said["left_out"][why], speech.count(many)) for why, many in left.items() if many],
        agencies=[_agency(row, night, said, speech) for row in told.get("agencies", ())],
        by_day=_around_due_days(told["due_day"], said, speech) if "due_day" in told else None,
        repeated=speech.count(told["repeated"]) if told.get("repeated") else "",
        not_repeated=[(said["because"][why], speech.count(many)) for why, many in told.get("not_repeated", {}).items()],
        no_offer=[(said["because"][why], speech.count(many)) for why, many in told.get("no_offer", {}).items()],
        beliefs=[
            said["belief"].format(party=who, source=", ".join(said["believed"][one] for one in source.split("+")))
            for who, source in {
                **{said["curves"][name]: source for name, source in told.get("beliefs", {}).items()},
                **told.get("sources", {}),
            }.items()
        ],
    )


def _agency(row: Mapping[str, Any], night: Night, said: Mapping[str, Any], speech: Speech) -> list[str]:
    reporting = night.reporting_currency

    def money(name: str) -> str:
        return speech.money(round(row[name] * 10 ** night.decimals[reporting]), reporting, short=True)

    ratio = "" if row["ratio"] is None else speech.factor(row["ratio"])
    ends = {"low": row["ratio_low"], "high": row["ratio_high"]}
    if None in ends.values():
        between = ""
    else:
        between = said["ends"].format(**{end: speech.factor(value) for end, value in ends.items()})
    counts = [speech.count(row[name]) for name in ("placed", "matured")]
    lot = said["by_lot" if row["by_lot"] else "by_choice"] if row["matured"] else ""
    return [row["party"], *counts, money("expected"), money("recovered"), ratio, between, lot]


def _around_due_days(told: Mapping[str, Any], said: Mapping[str, Any], speech: Speech) -> dict[str, Any]:
    counts = {name: speech.count(told[name]) for name in ("moves", "discounts")}
    left = [(said["left_due"][why], speech.count(many)) for why, many in told["left_out"].items()]
    return {"count": said["due_day_count"].format(**counts), "left": left}


def _named(route: str, said: Mapping[str, Any]) -> str:
    """A route with its party, if it has one."""
    name, _, party = route.partition(" ")
    return said["routes"][name] + (f", {party}" if party else "")


def _route(row: Mapping[str, Any], night: Night, said: Mapping[str, Any], speech: Speech) -> list[str]:
    reporting = night.reporting_currency

    def money(name: str) -> str:
        return speech.money(round(row[name] * 10 ** night.decimals[reporting]), reporting, short=True)

    burden = row["burden"]
    return [
        _named(f"{row['route']} {row['party']}".strip(), said),
        speech.count(row["accounts"]),
        money("balance"),
        money("value"),
        said["ends"].format(low=money("value_low"), high=money("value_high")),
        speech.count(row["plans"]),
        speech.count(row["settlements"]),
        money("let_off"),
        money("asked_a_month"),
        speech.share(None if burden is None or pd.isna(burden) else burden),
    ]


def specialist_page(night: Night) -> str:
    """The whole page; of each person what is there lies in a block of its own, by whose ids it is found again."""
    spoken, speech = words(night.language), Speech(night.language)
    frame = night.specialist if night.specialist is not None else pd.DataFrame()
    return template("specialist.html").render(
        **night_head(night, speech, spoken["treatment"]["specialist_title"]),
        said=spoken["treatment"],
        all=speech.count(len(frame)),
        people=_people(frame, spoken, speech) if len(frame) else [],
    )


def _people(frame: pd.DataFrame, spoken: Mapping[str, Any], speech: Speech) -> list[dict[str, Any]]:
    found: dict[str, list[dict[str, Any]]] = {}
    columns = {name: texts(frame[name]) for name in ("account_id", "debtor_id", "statuses", "portfolio", "group")}
    money = {name: amounts(frame[name]) for name in ("balance", "arrears")}
    heard = {name: days(frame[name]) for name in ("last_payment", "last_right_party")}
    for place, currency in enumerate(texts(frame["currency"])):
        own = {name: values[place] for name, values in columns.items()}
        own |= {name: speech.money(values[place], currency) for name, values in money.items()}
        own |= {name: speech.day(values[place], "medium") for name, values in heard.items()}
        own["recorded"] = ", ".join(_recorded(name, spoken) for name in own["statuses"].split())
        own["late"] = speech.count(int(frame["days_past_due"].iloc[place]))
        own["tonight"] = spoken["groups"].get(own["group"], own["group"])
        found.setdefault(own["debtor_id"], []).append(own)
    return [
        {"debtor": debtor, "ids": " ".join([debtor, *(own["account_id"] for own in accounts)]), "accounts": accounts}
        for debtor, accounts in found.items()
    ]


def _recorded(status: str, spoken: Mapping[str, Any]) -> str:
    return spoken["treatment"]["recorded_as"].get(status) or spoken["statuses"].get(status) or status.replace("_", " ")

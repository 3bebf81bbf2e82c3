"""The messages of a night as one page for whoever answers for them: how many by step, why the others are left in peace,
and every text as it goes out. No debtor is named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from pipeline.pages.language import words
from pipeline.pages.publication import Night
from pipeline.pages.speech import Speech
from pipeline.pages.templating import night_head, template


def messages_page(night: Night) -> str:
    """The whole page of a night with messages; it has no script and asks the network for nothing."""
    spoken, speech = words(night.language), Speech(night.language)
    frame = night.messages if night.messages is not None else pd.DataFrame()
    told = night.manifest.get("messages", {})
    return template("messages.html").render(
        **night_head(night, speech, spoken["messages"]["title"]),
        said=spoken["messages"],
        all=speech.count(len(frame)),
        steps=[(step, speech.count(many)) for step, many in told.get("steps", {}).items()],
        skipped=[
            (spoken["messages"]["skips"][why], speech.count(many)) for why, many in told.get("skipped", {}).items()
        ],
        groups=_groups(frame, spoken, speech),
        texts=[_one(each, frame, spoken, speech) for each in _by_variant(night.texts)],
    )


def _groups(frame: pd.DataFrame, spoken: Mapping[str, Any], speech: Speech) -> list[list[str]]:
    """Messages by step, channel, language and window on the debtor's clock."""
    if frame.empty:
        return []
    keys = ["step", "channel", "language", "send_from", "send_until"]
    counted = frame.groupby(keys, sort=True, observed=True).size()
    return [
        [step, spoken["channels"][channel], language, f"{begins}–{ends}", speech.count(int(many))]
        for (step, channel, language, begins, ends), many in counted.items()
    ]


def _by_variant(texts: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for each in texts:
        found.setdefault((each["message"], each["variant"]), []).append(each)
    return list(found.values())


def _one(
    texts: list[Mapping[str, Any]], frame: pd.DataFrame, spoken: Mapping[str, Any], speech: Speech
) -> dict[str, Any]:
    """A variant with its texts, and how many are sent it tonight."""
    first = texts[0]
    sent = 0
    if len(frame):
        sent = int(((frame["message"] == first["message"]) & (frame["variant"] == first["variant"])).sum())
    said = [
        {
            **{name: each[name] for name in ("language", "subject", "body")},
            "channel": spoken["channels"][each["channel"]],
        }
        for each in texts
    ]
    return {
        "name": f"{first['message']} · {first['variant']}",
        "share": speech.share(first["share"]),
        "sent": speech.count(sent),
        "texts": said,
    }

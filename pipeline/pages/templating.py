"""How every page is written: one environment for all templates, text shown as text,
style and script let in by their sha256 alone.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from pipeline.pages.language import words
from pipeline.pages.publication import Night
from pipeline.pages.speech import Speech

TEMPLATES = Path(__file__).parent / "templates"


def template(name: str, **filters: Callable[..., str]) -> jinja2.Template:
    """A template to render; a value that it asks for and is not given is an error, never an empty place. filters:
    of this page.
    """
    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters.update(filters)
    return pages.get_template(name)


def night_head(night: Night, speech: Speech, title: str, *styles: str) -> dict[str, Any]:
    """What night_page.html asks for, whatever page beside the list extends it. styles: after that of all such pages.
    The page has no script and asks the network for nothing.
    """
    style = "".join(verbatim(name) for name in ("night_page.css", *styles))
    return {
        "language": night.language,
        "words": words(night.language),
        "title": title,
        "policy": f"default-src 'none'; style-src {policy_digest(style)}; base-uri 'none'; form-action 'none'",
        "style": Markup(style),
        "day": speech.day(night.as_of, "full"),
        "valid": speech.day(night.valid_until, "full"),
    }


def verbatim(name: str) -> str:
    """A style or script as it stands between its tags: the browser hashes it,
    so newlines are LF whatever the checkout made.
    """
    return (TEMPLATES / name).read_text(encoding="utf-8").replace("\r\n", "\n")


def policy_digest(text: str) -> str:
    """What a content security policy calls a style or script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

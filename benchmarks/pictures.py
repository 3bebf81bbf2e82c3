"""The pictures of docs/, a list as its readers see it: python -m benchmarks.pictures NIGHT FRENCH [--to docs].

NIGHT and FRENCH are folders of the same night, the second published with `worklist.language: fr`, such as those of
`make run`. On a desk with a row opened, on a phone, in the dark, on paper, in French; each page is opened from disk by
the system's own Chromium, whose clock stands in the morning of the night, and its picture, of what is seen without
scrolling, is reduced to 128 colours. Ends with a sentence where one is larger than 200 kB.
"""

from __future__ import annotations

import argparse
import datetime as dt
import io
import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HOUR = dt.time(10, 10)
DESK, PHONE = {"width": 1360, "height": 1000}, {"width": 390, "height": 844}
PAPER = {"width": 1123, "height": 794}  # A4, lying, at 96 dots an inch
COLOURS = 128
MOST_BYTES = 200_000
ROW = "tr.row"


@dataclass(frozen=True)
class Picture:
    """One face of the list. pressed: what is clicked before it is taken."""

    name: str
    screen: dict[str, int]
    french: bool = False
    dark: bool = False
    printed: bool = False
    pressed: str = ""
    scale: float = 1.0


PICTURES = (
    Picture("worklist.png", DESK, pressed=ROW),
    Picture("worklist-phone.png", PHONE, pressed=ROW, scale=1.5),
    Picture("worklist-dark.png", DESK, dark=True),
    Picture("worklist-print.png", PAPER, printed=True),
    Picture("worklist-french.png", DESK, french=True),
)


def taken(page: Page, picture: Picture, night: Path, at: dt.datetime) -> bytes:
    """The PNG of a face, as the browser draws it."""
    page.clock.set_fixed_time(at)
    page.goto((night / "worklist.html").resolve().as_uri())
    page.wait_for_selector("#panel > *")
    if picture.pressed:
        page.locator(picture.pressed).first.click()
    if picture.printed:
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        page.emulate_media(media="print")
    return page.screenshot(animations="disabled")


def reduced(png: bytes) -> bytes:
    """The same picture in few colours."""
    from PIL import Image

    made = io.BytesIO()
    few = Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(made, "PNG", optimize=True)
    return made.getvalue()


def draw(browser: Browser, night: Path, french: Path, to: Path) -> list[Path]:
    """Every picture, in the order of PICTURES."""
    as_of = dt.date.fromisoformat(json.loads((night / "manifest.json").read_bytes())["as_of"])
    at, found = dt.datetime.combine(as_of, HOUR, dt.UTC), []
    for each in PICTURES:
        context = browser.new_context(
            viewport=each.screen, device_scale_factor=each.scale, timezone_id="UTC",
            locale="fr-FR" if each.french else "en-GB", color_scheme="dark" if each.dark else "light",
        )  # fmt: skip
        found.append(to / each.name)
        found[-1].write_bytes(reduced(taken(context.new_page(), each, french if each.french else night, at)))
        context.close()
    return found


def main() -> None:
    told = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    told.add_argument("night", type=Path)
    told.add_argument("french", type=Path)
    told.add_argument("--to", type=Path, default=Path("docs"))
    given = told.parse_args()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        places = draw(browser, given.night, given.french, given.to)
        browser.close()
    for place in places:
        print(f"{place}: {place.stat().st_size:,} bytes")
        if place.stat().st_size > MOST_BYTES:
            sys.exit(f"{place} is larger than {MOST_BYTES:,} bytes.")


if __name__ == "__main__":
    main()

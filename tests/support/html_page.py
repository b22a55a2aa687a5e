"""What stands in the HTML of a message or a page, and how it looks."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from rollout.adapters.screenshot import find_chromium, take_screenshot
from rollout.domain.errors import Unavailable

PHONE = 320  # CSS pixels: the narrowest still in use


class Page(HTMLParser):
    """Tags with their attributes, and the text between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def assert_fits_on_a_phone(html: str) -> None:
    """Take its picture, light and dark; skip the test where there is no browser."""
    try:
        chromium = find_chromium(None)
    except Unavailable as reason:
        pytest.skip(str(reason))
    light, dark = (
        take_screenshot(html, width=PHONE, dark=dark, chromium=chromium) for dark in (False, True)
    )
    for png in (light, dark):
        assert int.from_bytes(png[16:20], "big") == PHONE
    assert light != dark

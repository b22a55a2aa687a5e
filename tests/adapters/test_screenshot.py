"""A picture of a page: as wide as asked, as high as the page, in the light or in the dark."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import pytest

from rollout.adapters.screenshot import NAMES, find_chromium, take_screenshot
from rollout.domain.errors import Unavailable

needs_chromium = pytest.mark.skipif(
    not any(map(shutil.which, NAMES)), reason=f"none of {', '.join(NAMES)} is installed"
)
PAGE = """<body style="margin: 0"><style>@media (prefers-color-scheme: dark) {
    div { height: 1500px !important } }</style><div style="height: 700px">x</div>
    <script>document.body.innerHTML = ""</script>"""


def size(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG\r\n")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


@needs_chromium
@pytest.mark.parametrize(("width", "dark", "height"), [(375, False, 700), (800, True, 1500)])
def test_a_whole_page_is_shown_at_its_width_and_as_its_reader_prefers(
    width: int, dark: object, height: int
) -> None:
    chromium = find_chromium(None)
    assert size(take_screenshot(PAGE, width=width, dark=bool(dark), chromium=chromium)) == (
        width,
        height,
    )


def test_without_chromium_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="takes Chromium, and none of chromium, ") as error:
        find_chromium(None)
    assert error.value.fix == "install Chromium, or set ROLLOUT_CHROMIUM to the program"


def test_a_chromium_that_is_not_there_or_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"ROLLOUT_CHROMIUM is .*absent: no program is there"):
        find_chromium(tmp_path / "absent")
    true = shutil.which("true")
    assert true
    with pytest.raises(Unavailable, match="Chromium has ended before it answered"):
        take_screenshot(PAGE, width=300, dark=False, chromium=find_chromium(Path(true)))

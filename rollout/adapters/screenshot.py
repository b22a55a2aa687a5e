"""Shows how a message looks, with the Chromium of this machine; no network, no script.

Chromium is spoken to over two pipes (its DevTools protocol, ``--remote-debugging-pipe``): that
needs no port, and nobody else can connect.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import selectors
import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rollout.domain.errors import Unavailable

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
TIMEOUT = 30.0  # seconds for each answer

_FLAGS = (
    *("--headless", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    # Whatever a message asks for, it does not get: nothing listens at port 9 of this machine.
    *("--proxy-server=127.0.0.1:9", "--disable-extensions", "--hide-scrollbars"),
)
_FIX = "install Chromium, or set ROLLOUT_CHROMIUM to the program"


def find_chromium(configured: Path | None) -> Path:
    """Return the program; raise ``Unavailable`` where there is none."""
    if configured is not None:
        if not (configured.is_file() and os.access(configured, os.X_OK)):
            raise Unavailable(f"ROLLOUT_CHROMIUM is {configured}: no program is there", fix=_FIX)
        return configured
    for name in NAMES:
        if found := shutil.which(name):
            return Path(found)
    raise Unavailable(f"a picture takes Chromium, and none of {', '.join(NAMES)} is here", fix=_FIX)


def take_screenshot(html: str, *, width: int, dark: bool, chromium: Path) -> bytes:
    """Return a PNG of a whole page, ``width`` CSS pixels wide; ``dark`` is what the reader prefers.

    Raises ``Unavailable`` if Chromium does not start, or does not answer within ``TIMEOUT``.
    """
    with _browser(chromium) as browser:
        page = browser.new_page()
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        page.ask("Emulation.setScriptExecutionDisabled", value=True)
        page.ask("Emulation.setEmulatedMedia", features=[scheme])
        screen = {"width": width, "height": 100, "deviceScaleFactor": 1, "mobile": False}
        page.ask("Emulation.setDeviceMetricsOverride", **screen)
        frame = page.ask("Page.getFrameTree")["frameTree"]["frame"]["id"]
        page.ask("Page.setDocumentContent", frameId=frame, html=html)
        height = page.ask("Page.getLayoutMetrics")["cssContentSize"]["height"]
        page.ask("Emulation.setDeviceMetricsOverride", **screen | {"height": round(height)})
        return base64.b64decode(page.ask("Page.captureScreenshot", format="png")["data"])


class _Pipes:
    """Asks one thing after the other: the browser, then a page of it."""

    def __init__(self, to: int, back: int) -> None:
        self._to = to
        self._answers = _messages(back)
        self._numbers = count(1)
        self._page: dict[str, str] = {}

    def new_page(self) -> _Pipes:
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        answer = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._page = {"sessionId": answer["sessionId"]}
        return self

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        question = {"id": number, "method": method, "params": params} | self._page
        rest = json.dumps(question).encode() + b"\0"
        try:
            while rest:
                rest = rest[os.write(self._to, rest) :]
        except BrokenPipeError:
            pass  # it has ended: there will be no answer either
        for message in self._answers:
            if message.get("id") == number:
                return _result(message, method)
        raise Unavailable("Chromium has ended before it answered", fix=_FIX)


def _messages(back: int) -> Iterator[dict[str, Any]]:
    """Yield what comes, up to the end; each message ends with a zero byte."""
    gathered = b""
    with selectors.DefaultSelector() as selector:
        selector.register(back, selectors.EVENT_READ)
        while True:
            if not selector.select(TIMEOUT):
                raise Unavailable(f"Chromium has not answered for {TIMEOUT:.0f} s", fix=_FIX)
            if not (piece := os.read(back, 1 << 20)):
                return
            *whole, gathered = (gathered + piece).split(b"\0")
            yield from map(json.loads, whole)


def _result(message: dict[str, Any], method: str) -> dict[str, Any]:
    if "error" in message:
        raise Unavailable(f"Chromium refuses {method}: {message['error'].get('message')}", fix=_FIX)
    result: dict[str, Any] = message["result"]
    return result


@contextmanager
def _browser(chromium: Path) -> Iterator[_Pipes]:
    """Start Chromium with a profile of its own; end it and remove that on leaving."""
    with ExitStack() as stack:
        profile = stack.enter_context(TemporaryDirectory(ignore_cleanup_errors=True))
        (reads, to), (back, writes) = _pipe(), _pipe()
        stack.callback(os.close, to)
        stack.callback(os.close, back)
        command = [str(chromium), *_FLAGS, f"--user-data-dir={profile}"]
        if os.geteuid() == 0:
            command.append("--no-sandbox")  # with it, Chromium does not start as root
        try:
            process = _start(command, reads, writes)
        finally:
            os.close(reads)
            os.close(writes)
        stack.callback(_end, process)
        yield _Pipes(to, back)


def _start(command: list[str], reads: int, writes: int) -> int:
    """Start a program that reads at 3 and writes at 4, as Chromium does; return its id."""
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a device
        actions = [(writes, 4), (reads, 3), (nowhere.fileno(), 1), (nowhere.fileno(), 2)]
        duplicates = [(os.POSIX_SPAWN_DUP2, here, there) for here, there in actions]
        try:
            return os.posix_spawn(
                command[0], command, os.environ, file_actions=duplicates, setpgroup=0
            )
        except OSError as error:
            raise Unavailable(f"cannot start {command[0]}: {error.strerror}", fix=_FIX) from error


def _pipe() -> tuple[int, int]:
    """Return both ends of a pipe, at numbers above those that Chromium expects."""
    ends = os.pipe()
    reads, writes = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return reads, writes


def _end(process: int) -> None:
    os.killpg(process, signal.SIGKILL)
    os.waitpid(process, 0)

"""User agents: how many of the labelled ones get a name, how many get a wrong one, and how fast.

The labels are other people's (``shared/data/user-agents``): a list of crawlers and services, and
the tests of a parser of browsers. Wrong is a name other than the label, or any name for a browser.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from bench.figures import Figure
from bench.servers import Servers
from bench.size import Size
from rollout.adapters.signatures import load_signatures
from rollout.domain.usage.signatures import Signatures

LABELLED = Path(__file__).parents[2] / "shared" / "data" / "user-agents"
WRONG = "wrong names"  # the one unit of which there ought to be none

# What lists call those whose name they do not have.
ALSO_KNOWN_AS = {
    "Better Stack": "betteruptime",
    "Google Cloud Monitoring": "googlestackdriver",
    "Make": "integromat",
    "Nagios": "checkhttp",
}
# Families of the parser's tests behind which a person sits.
PEOPLES = """
115 Browser; 360 Secure Browser; AOL; AOL Desktop Gold Browser; AOL Shield Browser; AVG;
AdobeAIR; Aloha Browser; Amazon Silk; Android; Apple Mail; AtContent; Atom Browser; Avast Secure
Browser; Avira; BOLT; Baidu Browser; Baidu Explorer; Basilisk; BlackBerry WebKit; Brave;
Bunjalloo; CCleaner; Camoufox; Chrome; Chrome Frame; Chrome Mobile; Chrome Mobile WebView;
Chrome Mobile iOS; Chromium; Chromium GOST Browser; Coc Coc; Comodo Dragon; Conkeror; Craving
Explorer Browser; Crosswalk; Decentr Web3 Browser; Dolfin; Dolphin; Dragon; DuckDuckGo Mobile;
Ecosia Android; Ecosia iOS; Edge; Edge Mobile; Electron; Espial; Facebook; Facebook Messenger;
Firefox; Firefox (Shiretoko); Firefox Beta; Firefox Mobile; Firefox iOS; HbbTV; HeadlessChrome;
HeyTap Browser; HiBrowser; Hola Browser; Honor Browser; Huawei Browser; ICE Browser; IE; IE
Large Screen; IE Mobile; IceCat; Instagram; Iron; JiSu Browser; KakaoTalk; Kindle; Konqueror;
LINE; Ladybird; Lite Browser; LuaKit; Mail.ru Chromium Browser; Maxthon; Microsoft Teams;
Midori; Minimo; Mint Browser; MiuiBrowser; Mobile Safari; Mobile Safari UI/WKWebView;
MozillaDeveloperPreview; MullvadBrowser; Mypal Browser; NCSA Mosaic; NetCast Smart TV; NetFront;
NetFront NX; Nokia Browser; Nokia OSS Browser; ONE Browser; Obigo; Oculus Browser; Open Wave;
Openwave; Opera; Opera Coast; Opera GX; Opera Mini; Opera Mobile; Opera Neon; Opera Tablet;
Opera Touch; Otter; Ovi Browser; Pale Moon; Phantom Browser; Phoenix Browser; Puffin; QAX
Browser; QQ Browser; QQ Browser Mini; QQ Browser Mobile; Qt Web Engine; QtCarBrowser; Quark;
Quark PC; QupZilla; Rekonq; RockMelt; Safari; Sailfish Browser; Samsung Internet; Sber Browser;
Seznam prohlížeč; Skyfire; Slack Desktop Client; Sleipnir; Smart Lenovo Browser; SmartTV
WebBrowser; Snowshoe; Sparrow Browser; Talon Cyber Security Browser; Teleca Browser; Tenta
Browser; Thunderbird; UC Browser; UP.Browser; Vewd Browser; Vivaldi; VivoBrowser; Waterfox;
WeChat Browser; WebKit Nightly; Whale; Wolvic Browser; Yandex Browser; iBrowser Mini; mDolphin;
qutebrowser; webOS Browser
"""
BROWSERS = frozenset(re.split(r";\s+", PEOPLES.strip()))


@dataclass(frozen=True, slots=True)
class Labelled:
    """A user agent, what others say it is, and whether they say it is a browser."""

    user_agent: str
    label: str
    browser: bool

    def is_rightly(self, name: str) -> bool:
        """Say whether a name is that of the label."""
        names = {letters(name), ALSO_KNOWN_AS.get(name, letters(name))}
        return not self.browser and any(one in letters(self.label) for one in names)


def measure(_: Servers, size: Size) -> Iterator[Figure]:
    """Name every labelled user agent; then time it."""
    if not LABELLED.exists():
        print(f"no labelled user agents: there is no {LABELLED}", file=sys.stderr)
        return
    signatures = load_signatures()
    for file, labelled in (("crawlers", crawlers()), ("parser's tests", parser_tests())):
        yield from _judged(f"the {file}", list(labelled), signatures)
    yield from _timed([one.user_agent for one in crawlers()], signatures, size.lines)


def crawlers() -> Iterator[Labelled]:
    """Yield the instances of the list of crawlers and services."""
    with gzip.open(LABELLED / "crawlers.json.gz", "rt", encoding="utf-8") as file:
        for entry in json.load(file):
            for user_agent in entry["instances"]:
                label = f"{entry['pattern']} {entry.get('url') or ''}"
                yield Labelled(user_agent, label, browser=False)


def parser_tests() -> Iterator[Labelled]:
    """Yield the cases of the parser's tests."""
    cases = yaml.load(  # C's loader: the other takes seconds
        (LABELLED / "test_ua.yaml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader
    )
    for case in cases["test_cases"]:
        family = str(case["family"])
        yield Labelled(case["user_agent_string"], family, browser=family in BROWSERS)


def wrongly_named(labelled: Iterable[Labelled], signatures: Signatures) -> list[tuple[str, str]]:
    """Return the user agents that get another name than their label, each with that name."""
    named = ((one, signatures.identify(one.user_agent)) for one in labelled)
    return [(o.user_agent, n.name) for o, n in named if n is not None and not o.is_rightly(n.name)]


def letters(text: str) -> str:
    return re.sub(r"[^0-9a-z]", "", text.lower())


def _judged(what: str, labelled: list[Labelled], signatures: Signatures) -> Iterator[Figure]:
    count = Counter[str]()
    for one in labelled:
        named = signatures.identify(one.user_agent) is not None
        library = signatures.library(one.user_agent) is not None
        count["named" if named else "a library" if library else "unrecognised"] += 1
    yield Figure(what=f"user agents of {what}", value=len(labelled), unit="user agents")
    for verdict in ("named", "a library", "unrecognised"):
        yield Figure(what=f"  {verdict}", value=count[verdict], unit="user agents")
    wrong = len(wrongly_named(labelled, signatures))
    yield Figure(what="  wrongly named", value=wrong, unit=WRONG, owed="0")


def _timed(user_agents: list[str], signatures: Signatures, lookups: int) -> Iterator[Figure]:
    fresh = [f"{agent} {_spelled(number)}" for number, agent in enumerate(user_agents)]
    began = time.perf_counter()
    for agent in fresh:
        signatures.identify(agent, "8.8.8.8", "")
    seconds = time.perf_counter() - began
    yield Figure(what="name a new user agent", value=len(fresh) / seconds, unit="/s")
    rounds = max(1, lookups // len(fresh))
    began = time.perf_counter()
    for _ in range(rounds):
        for agent in fresh:
            signatures.identify(agent, "8.8.8.8", "")
    seconds = time.perf_counter() - began
    yield Figure(what="name one seen before", value=rounds * len(fresh) / seconds, unit="/s")


def _spelled(number: int) -> str:
    """Return a word that is another for each number; digits would be taken for a version."""
    return str(number).translate(str.maketrans("0123456789", "ghijklmnop"))

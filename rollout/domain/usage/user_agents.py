"""What a program calls itself, without what differs between two of its calls."""

from __future__ import annotations

import re
from functools import lru_cache

LONGEST_NAME = 1000  # characters; what follows is somebody's payload, not a name

# What differs between two calls of one program: which build it is, ids made up for a run, and how
# many people read along. Possessive repeats: nothing here can backtrack far.
_MADE_UP = r"""(?:
      [0-9a-f]{8} (?:-[0-9a-f]{4}){3} -[0-9a-f]{12}  # a UUID
    | (?=[a-f]*+[0-9]) [0-9a-f]{12,}+  # a hash or a build: one digit of many is below ten
    | [0-9]{6,}+  # a number so long that nobody chose it
    ) (?![0-9a-z])"""
_COMMIT = r"(?=[a-f]*+[0-9]) [0-9a-f]{7,}+"
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2} (?![0-9a-z])"
_VERSION = r"v?[0-9]++ (?:[._][0-9]++)++ [a-z0-9]*+"  # 10_8_2, 2.0b12
_READERS = r"[0-9]++ [ ] (?:subscriber|reader|user)s? (?![0-9a-z])"  # 22 subscribers
_FETCHED = r"(?: (?!app|client)[a-z]++[-_] )? id [ ]?[:=] [ ]?+ [^\s;,()]++"  # feed-id=123
_BUILD = r"build/ [0-9a-z._-]++"

# Each goes with the sign that ties it to the name before it, or stands where a word begins. That
# is asked first: most places in a name are neither.
_NOISE = re.compile(
    rf"""
      (?= [-_/:\#=.+@ ;,(] )
      (?: [-_/:\#=.+] {_MADE_UP}
        | [/\#@] v?[0-9]++ (?:[._][0-9a-z]++)*+ (?:[-+~][0-9a-z][0-9a-z._]*+)*+ (?![0-9a-z])
        | / {_COMMIT} (?![0-9a-z]) | [ ]? \( {_COMMIT} \)
        | (?:[ ]?[-;,])? [ ]? (?<![0-9a-z]) {_READERS}
        | [;,]? [ ]? (?<![0-9a-z_-]) {_FETCHED} | ; [ ]? for [ ] https?:// [^\s;,()]*+
        | [ ] {_BUILD} | ,? [ ]? gzip\(gfe\)
        | [-_ ] {_DATE}
        | [ ] {_VERSION}
        | (?<=[a-z])[-_] {_VERSION} (?:-(?:p|rc|alpha|beta|dev)[0-9]*+)*+
      )
    | (?<! [0-9a-z] ) (?= [0-9a-z] )
      (?: {_MADE_UP} | (?<![.]) {_DATE} | (?<![./]) {_VERSION} | {_READERS} | {_BUILD}
        | (?<![_-]) {_FETCHED} | gzip\(gfe\)
      )
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)

# Every kind of noise has one of these: a cheap look at the many names that have none any more.
_TRACE_OF_NOISE = re.compile(r"[0-9]|id ?[:=]|; ?for |build/|gzip\(", re.IGNORECASE)

# Who logged it added these: the header's name or another label, and quotes or brackets around.
_LABEL = re.compile(
    r"user-agent: \s*+ | [a-z][a-z_-]{0,30}: [ ] (?=[a-z][0-9a-z._-]*+/[0-9])",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_WRAPPED = re.compile(r"""\[([^\[\]]*+)\]|"([^"]*+)"|'([^']*+)'""")

# What is left when the noise between two separators is gone.
_SEPARATORS = re.compile(r"[ ]?[;,](?=[ ]?[;,)])|(?<=\()[ ]?[;,]+[ ]?|[ ]?\([ ]?\)")
_ENDS = " ;,:-"


@lru_cache(maxsize=16_384)
def normalise_user_agent(logged: str) -> str:
    """Return the name that a program keeps over its versions and runs; ``-`` where it has none.

    Versions, builds, UUIDs, hashes, dates, counts of readers and ids of feeds go, and so do quotes
    and brackets around the whole; product names and comments stay. The name of a name is itself.

    >>> normalise_user_agent("stratus-red-team_10e7edf3-5063-4eba-8842-68f83bb52d65")
    'stratus-red-team'
    >>> normalise_user_agent("[aws-sdk-go-v2/1.32.3 os/linux lang/go#1.23.1]")
    'aws-sdk-go-v2 os/linux lang/go'
    >>> normalise_user_agent("Feedfetcher-Google; (+http://g.example; 2 subscribers; feed-id=7)")
    'Feedfetcher-Google; (+http://g.example)'
    """
    name, before = logged[:LONGEST_NAME], None
    while name != before:  # what is taken out may bring together what goes next
        before = name
        name = _without_noise(name)
    return name or "-"


def _without_noise(name: str) -> str:
    name = " ".join(name.split())
    if wrapped := _WRAPPED.fullmatch(name):
        name = "".join(wrapped.groups("")).strip()
    if label := _LABEL.match(name):
        name = name[label.end() :]
    if _TRACE_OF_NOISE.search(name):
        name = _NOISE.sub("", name)
        name = _SEPARATORS.sub("", name)
    return " ".join(name.rstrip(_ENDS).split())

"""What a program calls itself, without what differs between two of its calls."""

from __future__ import annotations

import re
from functools import lru_cache

# What differs between two calls of one program: which build it is, and ids made up for a run.
# Each goes with the sign that ties it to the name before it. Nothing here can backtrack far.
_NOISE = re.compile(
    r"""
    # a UUID
    [-_/:\#=.+]? (?<![0-9a-z]) [0-9a-f]{8} (?:-[0-9a-f]{4}){3} -[0-9a-f]{12} (?![0-9a-z])
    # a hash or a build: at least 12 hexadecimal digits, one of them below ten
    | [-_/:\#=.+]? (?<![0-9a-z]) (?=[a-f]*+[0-9]) [0-9a-f]{12,}+ (?![0-9a-z])
    # a version after a name: /1.2-rc1, #1.26.2, @3
    | [/\#@] v?[0-9]++ (?:[._][0-9a-z]++)*+ (?:[-+~][0-9a-z][0-9a-z._]*+)*+ (?![0-9a-z])
    # a date
    | [-_ ]? (?<![0-9a-z.]) [0-9]{4}-[0-9]{2}-[0-9]{2} (?![0-9a-z])
    # a version by itself: 10_8_2, 2.0b12
    | [ ]? (?<![0-9a-z./]) v?[0-9]++ (?:[._][0-9]++)++ [a-z0-9]*+
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)


@lru_cache(maxsize=16_384)
def normalise_user_agent(logged: str) -> str:
    """Return the name that a program keeps over its versions and runs; ``-`` where it has none.

    Versions, UUIDs, hashes and dates go; product names and comments stay.

    >>> normalise_user_agent("stratus-red-team_10e7edf3-5063-4eba-8842-68f83bb52d65")
    'stratus-red-team'
    >>> normalise_user_agent("aws-sdk-go-v2/1.32.3 os/linux lang/go#1.23.1")
    'aws-sdk-go-v2 os/linux lang/go'
    """
    name = _NOISE.sub("", logged)
    return " ".join(name.split()) or "-"

"""The credential reports of the data pack: when each was made, and what it says as of a clock."""

from __future__ import annotations

FOLDER = "iam-credential-report"

# file → when it was made
MADE = {
    "eight.csv": "2016-11-25T14:30:42Z",
    "one-two-keys.csv": "2018-12-02T01:18:49Z",
    "two-future.csv": "2021-02-04T15:24:53Z",
    "one-upper.csv": "2020-04-02T16:20:57Z",
    "one-never.csv": "2018-06-01T00:03:25Z",
}

# file, clock, and its active keys: all, used within 30 days, used before that, never used
ANSWERS = (
    ("eight.csv", "2016-11-25T14:30:42Z", (8, 3, 1, 4)),
    ("eight.csv", "2016-12-25T09:33:00Z", (8, 3, 1, 4)),
    ("eight.csv", "2016-12-25T09:33:01Z", (8, 2, 2, 4)),
    ("eight.csv", "2017-02-22T23:07:48Z", (8, 0, 4, 4)),
    ("one-two-keys.csv", "2018-12-02T01:18:49Z", (2, 2, 0, 0)),
    ("one-two-keys.csv", "2021-02-04T15:24:53Z", (2, 0, 2, 0)),
    ("two-future.csv", "2021-02-04T15:24:53Z", (1, 0, 0, 1)),
    ("two-future.csv", "2016-11-25T14:30:42Z", (1, 0, 0, 1)),
    ("one-upper.csv", "2020-04-02T16:20:57Z", (2, 1, 1, 0)),
    ("one-upper.csv", "2021-02-04T15:24:53Z", (2, 0, 2, 0)),
    ("one-never.csv", "2018-06-01T00:03:25Z", (1, 0, 0, 1)),
    ("one-never.csv", "2021-02-04T15:24:53Z", (1, 0, 0, 1)),
)

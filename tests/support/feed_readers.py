"""The named feed readers of the data pack's ``access-elastic``, from its README."""

from __future__ import annotations

# Requests and addresses.
FEED_READERS = {
    "UniversalFeedParser": (364, 1),
    "Tiny Tiny RSS": (198, 3),
    "FeedBurner": (108, 28),
    "Feedfetcher-Google": (102, 1),
    "Feedbin": (50, 10),
    "Digg Feed Fetcher": (21, 18),
    "LiveJournal.com": (19, 1),
    "Flipboard": (14, 13),
    "Liferea": (9, 1),
    "Feedly": (8, 2),
    "Newsify": (3, 1),
    "Reeder": (3, 1),
    "theoldreader.com": (2, 2),
    "CommaFeed": (1, 1),
    "SimplePie": (1, 1),
}

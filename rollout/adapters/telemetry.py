"""What Prometheus is told: each figure is read off a small table or a partial index, when asked.

Counts over whole tables (accounts, enrollments by state, notices ever sent) are not here: they
would cost seconds per scrape. The console and the reports have them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Engine, text

from rollout.adapters.db.engine import connect


@dataclass(frozen=True, slots=True)
class Figure:
    """A gauge: its labels are the first columns of the query, its value is the last one."""

    name: str
    meaning: str
    labels: tuple[str, ...]
    query: str


FIGURES = (
    Figure(
        "rollout_enrollments_due",
        "Enrollments whose deadline or next check has passed and that wait for the cutoff",
        ("deprecation",),
        "SELECT c.deprecation, sum(due.number) FROM cohorts c CROSS JOIN LATERAL"
        " (SELECT count(*) AS number FROM enrollments e WHERE e.deprecation = c.deprecation"
        " AND e.cohort = c.cohort AND e.state = 'scheduled' AND e.next_check_at <= rollout_now())"
        " AS due GROUP BY c.deprecation",
    ),
    Figure(
        "rollout_enrollments_overdue_seconds",
        "How long the oldest of them has been waiting",
        ("deprecation",),
        "SELECT c.deprecation, coalesce(greatest(0, extract(epoch FROM"
        " rollout_now() - min(due.at))), 0) FROM cohorts c CROSS JOIN LATERAL"
        " (SELECT min(e.next_check_at) AS at FROM enrollments e WHERE e.deprecation = c.deprecation"
        " AND e.cohort = c.cohort AND e.state = 'scheduled') AS due GROUP BY c.deprecation",
    ),
    Figure(
        "rollout_holds_open",
        "Open holds, by the rule that holds",
        ("code",),
        "SELECT code, count(*) FROM holds WHERE closed_at IS NULL GROUP BY code",
    ),
    Figure(
        "rollout_notices_open",
        "Notices that are not finished, by state",
        ("state",),
        "SELECT state, count(*) FROM notices WHERE state IN ('pending', 'retry') GROUP BY state"
        " UNION ALL SELECT state, count(*) FROM notices WHERE state IN ('leased', 'sending')"
        " GROUP BY state"
        " UNION ALL SELECT state, count(*) FROM notices WHERE state = 'sent' GROUP BY state",
    ),
    Figure(
        "rollout_keys_unenforced",
        "Keys whose present state gateways do not know yet",
        (),
        "SELECT count(*) FROM keys WHERE enforced_version < version",
    ),
    Figure(
        "rollout_keys_unenforced_seconds",
        "How long the oldest of them has been waiting",
        (),
        "SELECT coalesce(extract(epoch FROM rollout_instant() - min(changed_at)), 0) FROM keys"
        " WHERE enforced_version < version",
    ),
    Figure(
        "rollout_heartbeat_age_seconds",
        "Since the last sign of life, by kind of process",
        ("kind",),
        "SELECT kind, extract(epoch FROM rollout_instant() - max(last_at)) FROM heartbeats"
        " GROUP BY kind",
    ),
)


class Telemetry(Collector):
    """Reads the figures when Prometheus asks."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Name nothing in advance: registering must not need the database."""
        return ()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Yield every figure, all from one short transaction."""
        with connect(self._engine) as connection:
            connection.execute(text("SET LOCAL statement_timeout = '5s'"))
            for figure in FIGURES:
                gauge = GaugeMetricFamily(figure.name, figure.meaning, labels=figure.labels)
                for *labels, value in connection.execute(text(figure.query)):
                    gauge.add_metric(labels, float(value))
                yield gauge

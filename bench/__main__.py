"""``python -m bench [BENCH …]``: what Rollout is fast at, as ratios, in one table."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict, replace
from pathlib import Path

from bench import cutoff, fan_out, gateway, idle, imports, notices, planning, usage, user_agents
from bench.figures import Figure, show
from bench.servers import own_servers
from bench.size import FULL, QUICK

BENCHES = {
    "cutoff": cutoff.measure,
    "idle": idle.measure,
    "imports": imports.measure,
    "notices": notices.measure,
    "planning": planning.measure,
    "usage": usage.measure,
    "user-agents": user_agents.measure,
    "fan-out": fan_out.measure,
    "gateway": gateway.measure,
}


def main() -> None:
    options = parse(sys.argv[1:])
    size = QUICK if options.quick else FULL
    if options.enrollments:
        size = replace(size, enrollments=options.enrollments)
    figures: list[Figure] = []
    failed = False
    with own_servers() as servers:
        for name in options.benches or BENCHES:
            print(f"{name} …", file=sys.stderr, flush=True)
            try:
                measured = list(BENCHES[name](servers, size))
            except Exception as error:  # noqa: BLE001 - the others still measure
                print(f"{name} could not be measured: {error}", file=sys.stderr)
                failed = True
            else:
                title = f"{name}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
                show(measured, title)  # at once: a long run that is ended early has said something
                figures += measured
    if options.json:
        items = [asdict(figure) | {"ratio": figure.ratio} for figure in figures]
        report = {"cores": os.cpu_count(), "load": os.getloadavg()[0], "items": items}
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if failed:
        sys.exit(1)


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("benches", nargs="*", metavar="BENCH", help=f"of {', '.join(BENCHES)}")
    parser.add_argument("--quick", action="store_true", help="so small that it only says: it runs")
    parser.add_argument("--enrollments", type=int, metavar="N", help="due at once, for cutoff")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    options = parser.parse_args(arguments)
    unknown = set(options.benches) - set(BENCHES)
    if unknown:
        parser.error(f"there is no bench {', '.join(sorted(unknown))}: {', '.join(BENCHES)}")
    return options


if __name__ == "__main__":
    main()

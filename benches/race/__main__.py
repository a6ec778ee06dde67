"""Runs the race and writes benches/RESULTS.md. See benches/README.md."""

import argparse
import json
import sys
import time
from pathlib import Path

from . import contestants, lab, report
from .course import Race

BENCHES = Path(__file__).resolve().parents[1]


def numbers(text):
    return [int(word) for word in text.split(",") if word]


def main():
    names = [kind.name for kind in contestants.ALL]
    parser = argparse.ArgumentParser(prog="benches/run", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of everything (default 5)")
    parser.add_argument("--rtt", type=numbers, default=[0, 20, 100], help="round-trip times in ms (default 0,20,100)")
    parser.add_argument("--hosts", type=numbers, default=[3, 20, 50], help="further numbers of hosts (default 3,20,50)")
    parser.add_argument("--only", type=lambda text: text.split(","), default=names, help=f"of {','.join(names)}")
    parser.add_argument("--no-counts", action="store_true", help="leave out connections, commands and bytes")
    parser.add_argument("--report", action="store_true", help="write the report from what was measured before")
    parser.add_argument("--continue", dest="again", action="store_true", help="add to what was measured before")
    options = parser.parse_args()
    if unknown := set(options.only) - set(names):
        parser.error(f"no contestant {', '.join(sorted(unknown))}; there are: {', '.join(names)}")

    folder = lab.REPOSITORY / "target" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    measured = folder / "measured.jsonl"
    if not options.report:
        if not options.again:
            measured.unlink(missing_ok=True)
        race(options, folder, measured)
    lines = [json.loads(line) for line in measured.read_text().splitlines()]
    print(report.write(lines, BENCHES))


def race(options, folder, measured):
    """Everything that was asked for; each figure is on disk as soon as it is known."""
    begun = time.monotonic()

    def note(case, hosts, rtt_ms, contestant, **figures):
        line = {"case": case, "hosts": hosts, "rtt_ms": rtt_ms, "contestant": contestant, **figures}
        with measured.open("a") as out:
            out.write(json.dumps(line) + "\n")
        told = ", ".join(f"{name} {value:.2f}" if isinstance(value, float) else f"{name} {value}" for name, value in figures.items())
        print(f"  {case:13} {told}", file=sys.stderr, flush=True)

    course = Race(folder, options.only, note)
    try:
        for number in range(1, options.rounds + 1):
            for rtt_ms in options.rtt:
                print(f"== round {number} of {options.rounds}, {rtt_ms} ms", file=sys.stderr, flush=True)
                course.round(rtt_ms)
        if not options.no_counts:
            print("== counts", file=sys.stderr, flush=True)
            course.counted()
        for count in options.hosts:
            print(f"== {count} hosts", file=sys.stderr, flush=True)
            course.scale(count, options.rounds)
    finally:
        lab.down()
    print(f"== {time.monotonic() - begun:.0f} s in all", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

"""The tables and the plot, from what was measured."""

import os
import platform
import subprocess
from collections import defaultdict
from datetime import date

from .measure import middle, spread

OURS, FLOOR, ANSIBLE, PYINFRA = "kuboard-ha", "floor", "ansible", "pyinfra"
ORDER = [OURS, FLOOR, PYINFRA, ANSIBLE]
CASES = {"first": "first run", "again": "nothing changed", "roll": "a setting rolled", "status": "`status`"}


class Figures:
    """`of(figure, case, hosts, rtt_ms, contestant)`: the values; empty where it was not measured."""

    def __init__(self, lines):
        self.values = defaultdict(list)
        for line in lines:
            key = (line["case"], line["hosts"], line["rtt_ms"], line["contestant"])
            for name, value in line.items():
                if isinstance(value, (int, float)):
                    self.values[(name, *key)].append(value)

    def of(self, figure, case, hosts, rtt_ms, contestant):
        return self.values.get((figure, case, hosts, rtt_ms, contestant), [])

    def ratio(self, above, below, figure="seconds"):
        """Of two medians; `above` and `below` are (case, hosts, rtt_ms, contestant). None where one is missing."""
        over, under = self.of(figure, *above), self.of(figure, *below)
        return middle(over) / middle(under) if over and under and middle(under) else None

    def rtts(self):
        return sorted({key[3] for key in self.values if key[1] == "first"})

    def hosts(self):
        return sorted({key[2] for key in self.values if key[1] == "again" and key[3] == 0})


def write(lines, folder):
    """Writes RESULTS.md and results.svg into `folder`; gives the text."""
    figures = Figures(lines)
    text = "\n".join(
        [
            "# The race: results",
            "",
            "Written by `make bench`; the method is in [README.md](README.md). Seconds are the median of the rounds,",
            "with the least and the most; ratios are of medians.",
            "",
            f"{date.today()}, {machine()}. {rounds(figures)}",
            "",
            "![seconds of each contestant](results.svg)",
            "",
            *standing(figures),
            *seconds(figures),
            *ratios(figures),
            *scale(figures),
            *counts(figures),
        ]
    )
    (folder / "RESULTS.md").write_text(text.rstrip() + "\n")
    plot(figures, folder / "results.svg")
    return text


def rounds(figures):
    """How often all was raced: `Rounds: 8 at 0 ms, 5 at 20 ms.`"""
    each = [(max(len(figures.of("seconds", "first", 6, rtt, name)) for name in ORDER), rtt) for rtt in figures.rtts()]
    return f"Rounds: {', '.join(f'{count} at {rtt} ms' for count, rtt in each)}."


def machine():
    with open("/proc/meminfo", encoding="ascii") as text:
        memory = int(text.readline().split()[1]) / 1024 / 1024
    with open("/proc/cpuinfo", encoding="utf-8") as text:
        model = next((line.split(":")[1].strip() for line in text if line.startswith("model name")), platform.machine())
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout
    return f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB, Linux {platform.release()}, commit {commit.strip()}"


def standing(figures):
    """Where it must stand."""

    def times(above, below):
        return figures.ratio(above, below)

    def at(case, contestant, hosts=6, rtt_ms=0):
        return (case, hosts, rtt_ms, contestant)

    longest = figures.ratio(at("roll", OURS), at("roll", FLOOR), "longest")
    peak = max(figures.of("peak", "again", 50, 0, OURS), default=None)
    without = [value for rtt in figures.rtts() for value in figures.of("without", "roll", 6, rtt, OURS)]
    lost = [value for rtt in figures.rtts() for value in figures.of("lost", "roll", 6, rtt, OURS)]
    rows = [
        ("first run / floor", times(at("first", OURS), at("first", FLOOR)), "<=", 1.15, 1.0),
        ("Ansible's first / ours", times(at("first", ANSIBLE), at("first", OURS)), ">=", 4.5, 6),
        ("pyinfra's first / ours", times(at("first", PYINFRA), at("first", OURS)), ">=", 1.6, 2),
        ("nothing changed / floor", times(at("again", OURS), at("again", FLOOR)), "<=", 1.15, 1.0),
        ("Ansible, nothing changed / ours", times(at("again", ANSIBLE), at("again", OURS)), ">=", 14, 25),
        ("pyinfra, nothing changed / ours", times(at("again", PYINFRA), at("again", OURS)), ">=", 1.5, 2.5),
        ("nothing changed at 100 ms: pyinfra / ours", times(at("again", PYINFRA, 6, 100), at("again", OURS, 6, 100)), ">=", 4, 8),
        ("nothing changed at 100 ms / floor", times(at("again", OURS, 6, 100), at("again", FLOOR, 6, 100)), "<=", 1.2, 1.0),
        ("`status` / nothing changed", times(at("status", OURS), at("again", OURS)), "<=", 0.8, None),
        ("nothing changed: 50 hosts / 6 hosts", times(at("again", OURS, 50), at("again", OURS)), "<=", 9, None),
        ("peak memory at 50 hosts, MB", peak and peak / 1e6, "<=", 60, 30),
        ("seconds without quorum in rolling, the longest", max(without, default=None), "<=", 0, None),
        ("acknowledged writes lost in rolling", sum(lost) if lost else None, "<=", 0, None),
        ("longest pause of a writer / rolled by hand", longest, "<=", 1.2, 1.0),
    ]
    yield from ["## Where it stands", "", "| | measured | must | hope | |", "|---|---|---|---|---|"]
    for name, value, sign, must, hope in rows:
        if value is None:
            shown, holds = "not measured", ""
        else:
            shown = f"{value:.2f}"
            holds = "holds" if (value <= must if sign == "<=" else value >= must) else "**does not hold**"
        yield f"| {name} | {shown} | {sign} {must:g} | {f'{sign} {hope:g}' if hope is not None else ''} | {holds} |"
    yield ""


def seconds(figures):
    yield from ["## Seconds, six machines", "", f"| | {' | '.join(ORDER)} |", "|---" * (len(ORDER) + 1) + "|"]
    for rtt in figures.rtts():
        for case, title in CASES.items():
            cells = [figures.of("seconds", case, 6, rtt, name) for name in ORDER]
            if any(cells):
                shown = " | ".join(spread(cell) if cell else "" for cell in cells)
                yield f"| {title}, {rtt} ms | {shown} |"
    yield ""
    pauses = [(name, figures.of("longest", "roll", 6, 0, name)) for name in ORDER]
    for name, values in pauses:
        if values:
            written = sum(figures.of("written", "roll", 6, 0, name))
            lost = sum(figures.of("lost", "roll", 6, 0, name))
            without = max(figures.of("without", "roll", 6, 0, name), default=0.0)
            yield (
                f"- rolled by {name}: longest pause of a writer {spread(values)} s; {written} writes acknowledged, "
                f"{lost} lost; {without:.2f} s without quorum at the longest"
            )
    yield ""


def ratios(figures):
    yield from ["## Ratios, six machines", "", "| | ours / floor | pyinfra / ours | Ansible / ours |", "|---|---|---|---|"]
    for rtt in figures.rtts():
        for case in ("first", "again", "roll"):
            of = [
                figures.ratio((case, 6, rtt, above), (case, 6, rtt, below))
                for above, below in ((OURS, FLOOR), (PYINFRA, OURS), (ANSIBLE, OURS))
            ]
            shown = " | ".join("" if value is None else f"{value:.2f}" for value in of)
            yield f"| {CASES[case]}, {rtt} ms | {shown} |"
    yield ""


def scale(figures):
    many = figures.hosts()
    if len(many) < 2:
        return
    yield from ["## Seconds by number of hosts, nothing changed", "", f"| hosts | {' | '.join(ORDER)} | `status` | logins alone | peak memory of ours |"]
    yield "|---" * (len(ORDER) + 4) + "|"
    for hosts in many:
        cells = [figures.of("seconds", "again", hosts, 0, name) for name in ORDER]
        cells += [figures.of("seconds", "status", hosts, 0, OURS), figures.of("seconds", "logins", hosts, 0, "ssh true")]
        peak = figures.of("peak", "again", hosts, 0, OURS)
        shown = " | ".join(spread(cell) if cell else "" for cell in cells)
        yield f"| {hosts} | {shown} | {f'{max(peak) / 1e6:.0f} MB' if peak else ''} |"
    yield ""


def counts(figures):
    if not figures.of("logins", "counts first", 6, 0, OURS):
        return
    yield from ["## Connections, remote commands, bytes (six machines)", "", "| | logins | commands | sent | received |", "|---|---|---|---|---|"]
    for case, title in (("counts first", "first run"), ("counts again", "nothing changed")):
        for name in ORDER:
            of = {figure: figures.of(figure, case, 6, 0, name) for figure in ("logins", "commands", "sent", "received")}
            if of["logins"]:
                last = {figure: values[-1] for figure, values in of.items()}
                yield (
                    f"| {title}, {name} | {last['logins']} | {last['commands']} "
                    f"| {size(last['sent'])} | {size(last['received'])} |"
                )
    yield ""


def size(count):
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"


def plot(figures, path):
    """Bars of medians for each case and round-trip time, on a logarithmic scale."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "race"
    from matplotlib import pyplot

    groups = [(case, rtt) for case in ("first", "again", "roll") for rtt in figures.rtts()]
    groups = [group for group in groups if figures.of("seconds", group[0], 6, group[1], OURS)]
    if not groups:
        return
    _, axes = pyplot.subplots(figsize=(9, 4))
    width = 0.8 / len(ORDER)
    for index, name in enumerate(ORDER):
        at, heights, low, high = [], [], [], []
        for place, (case, rtt) in enumerate(groups):
            values = figures.of("seconds", case, 6, rtt, name)
            if values:
                at.append(place + (index - (len(ORDER) - 1) / 2) * width)
                heights.append(middle(values))
                low.append(middle(values) - min(values))
                high.append(max(values) - middle(values))
        axes.bar(at, heights, width, label=name, yerr=[low, high], capsize=2)
    axes.set_yscale("log")
    axes.set_ylabel("seconds")
    titles = {"first": "first run", "again": "nothing changed", "roll": "setting rolled"}
    axes.set_xticks(range(len(groups)), [f"{titles[case]}\n{rtt} ms" for case, rtt in groups], fontsize=8)
    axes.legend()
    axes.grid(axis="y", alpha=0.3)
    pyplot.tight_layout()
    pyplot.savefig(path, metadata={"Date": None})

"""What is timed, and in which order: every contestant in turn on fresh hosts, round by round."""

import sys
from dataclasses import dataclass
from pathlib import Path

from . import contestants, lab, same
from .contestants import Logins
from .measure import timed
from .quorum import Quorum
from .route import Route
from .site import Site
from .writer import Writer

CHANGED = 50000  # the setting that is rolled; 10000 before
TALK = "printf 'LogLevel VERBOSE\\n' >/etc/ssh/sshd_config.d/talk.conf && systemctl reload ssh"
COUNT = (
    "journalctl -t sshd --no-pager -o cat | grep -c '^Accepted publickey';"
    "journalctl -t sshd --no-pager -o cat | grep -c '^Starting session'; true"
)


@dataclass
class Race:
    """Rounds over contestants; each result goes to `note(case, hosts, rtt_ms, contestant, **figures)`."""

    folder: Path
    names: list
    note: object

    def round(self, rtt_ms):
        """Six machines: a first run, runs that change nothing, `status`, a rolled setting."""
        for contestant in self._contestants():
            with self._built(contestant, Site(6), rtt_ms, "first") as (machines, route):
                self._again(contestant, machines, rtt_ms, 3)
                self._rolled(contestant, machines, route, rtt_ms)

    def scale(self, count, rounds):
        """So many machines: runs that change nothing, and `status`."""
        for contestant in self._contestants():
            with self._built(contestant, Site(count), 0, None) as (machines, route):
                self._again(contestant, machines, 0, rounds)
                if contestant.name == "floor":
                    self._logins(machines, route, rounds)

    def counted(self):
        """Connections, remote commands and bytes of a first run and of one that changes nothing."""
        for contestant in self._contestants():
            machines = Site(6)
            lab.renew(machines.hosts)
            for name in machines.hosts:
                lab.on(name, TALK)
            for case in ("first", "again"):
                before = logins(machines)
                with Route(machines.hosts, 0, self.folder, count=True) as route:
                    contestant.told(machines, route)
                    run = timed(contestant.up(), contestant.environment(), contestant.place)
                    contestant.ended()
                after = logins(machines)
                self.note(
                    f"counts {case}", 6, 0, contestant.name,
                    logins=after[0] - before[0], commands=after[1] - before[1],
                    sent=route.counts["sent"], received=route.counts["received"], peak=run.peak,
                )

    def _contestants(self):
        return [kind(self.folder) for kind in contestants.ALL if kind.name in self.names]

    def _built(self, contestant, machines, rtt_ms, case):
        return Built(self, contestant, machines, rtt_ms, case)

    def timed(self, case, machines, rtt_ms, contestant, command):
        """One run, noted."""
        run = timed(command, contestant.environment(), contestant.place)
        contestant.ended()
        if case:
            self.note(case, machines.count, rtt_ms, contestant.name, seconds=run.seconds, peak=run.peak)
        return run

    def _again(self, contestant, machines, rtt_ms, times):
        for _ in range(times):
            self.timed("again", machines, rtt_ms, contestant, contestant.up())
            if contestant.looks:
                self.timed("status", machines, rtt_ms, contestant, contestant.status())

    def _logins(self, machines, route, times):
        plain = Logins(self.folder)
        plain.told(machines, route)
        for _ in range(times):
            self.timed("logins", machines, 0, plain, plain.up())

    def _rolled(self, contestant, machines, route, rtt_ms):
        changed = Site(machines.count, snapshot_count=CHANGED)
        contestant.told(changed, route)
        members = machines.addresses("etcd")
        with Quorum(members) as quorum, Writer(members) as writer:
            run = timed(contestant.roll(), contestant.environment(), contestant.place)
        contestant.ended()
        same.stands(changed, same.password_of(contestant, changed))
        self.note(
            "roll", machines.count, rtt_ms, contestant.name, seconds=run.seconds,
            longest=writer.longest, written=len(writer.acknowledged), lost=writer.lost, without=quorum.without,
        )


class Built:
    """A context: fresh hosts, and what the contestant's first run made of them, checked."""

    def __init__(self, race, contestant, machines, rtt_ms, case):
        self.race, self.contestant, self.machines, self.rtt_ms, self.case = race, contestant, machines, rtt_ms, case

    def __enter__(self):
        print(f"{self.contestant.name}: {self.machines.count} hosts, {self.rtt_ms} ms", file=sys.stderr, flush=True)
        lab.renew(self.machines.hosts)
        self.route = Route(self.machines.hosts, self.rtt_ms, self.race.folder)
        route = self.route.__enter__()
        self.contestant.told(self.machines, route)
        self.race.timed(self.case, self.machines, self.rtt_ms, self.contestant, self.contestant.up())
        same.stands(self.machines, same.password_of(self.contestant, self.machines))
        return self.machines, route

    def __exit__(self, *failure):
        self.route.__exit__(*failure)


def logins(machines):
    """(logins, commands) over all hosts, as sshd counts them."""
    pairs = [[int(word) for word in lab.on(name, COUNT).split()] for name in machines.hosts]
    return sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)

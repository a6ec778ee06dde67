"""How the contestants reach the hosts: straight, or through the delaying relay. One ssh_config for all."""

import json
import signal
import subprocess
import sys
from pathlib import Path

from . import lab, site


class Route:
    """A context: `config`, `key`, `known_hosts`, `ports` while it is open; `counts` after it was closed."""

    def __init__(self, hosts, rtt_ms, folder: Path, count=False):
        self.hosts, self.rtt_ms, self.folder, self.counting = hosts, rtt_ms, folder, count
        self.relay, self.counts, self.ports = None, None, {address: (address, 22) for address in hosts.values()}

    def __enter__(self):
        own = lab.directory()
        self.key, self.config, self.known_hosts = own / "id_ed25519", own / "ssh_config", own / "known_hosts"
        if self.rtt_ms or self.counting:
            self.relay = subprocess.Popen(
                [sys.executable, "-m", "race.relay", str(self.rtt_ms), *self.hosts.values()],
                cwd=Path(__file__).parents[1],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                text=True,
            )
            ports = json.loads(self.relay.stdout.readline())["ports"]
            self.ports = {address: ("127.0.0.1", port) for address, port in ports.items()}
            self._write_access(own)
        return self

    def __exit__(self, *_):
        if self.relay:
            self.relay.send_signal(signal.SIGTERM)
            self.counts = json.loads(self.relay.stdout.readline())
            self.relay.wait(10)

    def _write_access(self, own):
        text, keys = [], []
        for line in (own / "known_hosts").read_text().splitlines():
            names, kind, key = line.split()
            address = names.split(",")[0]
            if address in self.ports:
                keys.append(f"{address},[127.0.0.1]:{self.ports[address][1]} {kind} {key}")
        for address, (host, port) in self.ports.items():
            text.append(f"Host {address}\n    HostName {host}\n    Port {port}\n")
        self.known_hosts = site.write(self.folder / "known_hosts", "\n".join(keys) + "\n")
        common = [
            "Host *",
            "    User root",
            f'    IdentityFile "{self.key}"',
            "    IdentitiesOnly yes",
            f'    UserKnownHostsFile "{self.known_hosts}"',
            "    StrictHostKeyChecking yes",
            "    LogLevel ERROR",
        ]
        self.config = site.write(self.folder / "ssh_config", "".join(text) + "\n".join(common) + "\n")

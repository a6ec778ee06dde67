"""What is to be built: the machines, the versions, the addresses; and how each contestant is told of it."""

import shlex
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from . import lab

PASSWORD = "bench-questdb-password"
SSO_SECRET = "0123456789abcdef01234567"
TOKEN = "bench-token"


@dataclass
class Site:
    """Machines of the manual; beyond etcd and QuestDB the surplus are replicas."""

    count: int
    snapshot_count: int = 10000
    hosts: dict = field(init=False)
    groups: dict = field(init=False)

    def __post_init__(self):
        if self.count < 3:
            raise ValueError("a race needs three hosts at least")
        etcd = {f"etcd{number}": 10 + number for number in (1, 2, 3)}
        if self.count < 6:
            machines = etcd
            groups = {"etcd": list(etcd), "questdb": ["etcd1"], "kuboard": ["etcd2", "etcd3"]}
        else:
            replicas = {f"kuboard-{number}": 20 + number for number in range(1, self.count - 3)}
            machines = {**etcd, "questdb": 16, **replicas}
            groups = {"etcd": list(etcd), "questdb": ["questdb"], "kuboard": list(replicas)}
        self.hosts = {name: f"{lab.NETWORK}.{last}" for name, last in machines.items()}
        self.groups = groups

    def addresses(self, group):
        return [self.hosts[name] for name in self.groups[group]]

    def inventory(self, ssh_config):
        """kuboard-ha's own inventory, from the lab's: the same versions, digests and mirror."""
        tree = yaml.safe_load(lab.call("inventory", "six"))
        tree["ssh"]["config_file"] = str(ssh_config)
        tree["hosts"] = self.hosts
        # As for the peers: each host downloads for itself.
        tree["transfer"] = "pull"
        tree["etcd"]["hosts"] = self.groups["etcd"]
        tree["etcd"].setdefault("settings", {})["ETCD_SNAPSHOT_COUNT"] = str(self.snapshot_count)
        tree["questdb"]["host"] = self.groups["questdb"][0]
        tree["kuboard"]["hosts"] = self.groups["kuboard"]
        return yaml.safe_dump(tree, sort_keys=False)

    def values(self):
        """What the peers are told: flat names and values."""
        tree = yaml.safe_load(lab.call("inventory", "six"))
        etcd, questdb, kuboard = tree["etcd"], tree["questdb"], tree["kuboard"]
        (arch,) = etcd["download"]["sha256"]

        def url(part, version):
            return part["url"].replace("{version}", version).replace("{arch}", arch)

        return {
            "etcd_version": etcd["version"],
            "etcd_url": url(etcd["download"], etcd["version"]),
            "etcd_sha256": etcd["download"]["sha256"][arch],
            "etcd_token": TOKEN,
            "etcd_snapshot_count": self.snapshot_count,
            "etcd_cluster": ",".join(f"{name}=http://{self.hosts[name]}:2380" for name in self.groups["etcd"]),
            "etcd_endpoints": ",".join(f"{address}:2379" for address in self.addresses("etcd")),
            "questdb": self.addresses("questdb")[0],
            "questdb_version": questdb["version"],
            "questdb_url": url(questdb["download"], questdb["version"]),
            "questdb_sha256": questdb["download"]["sha256"][arch],
            "questdb_password": PASSWORD,
            "image": kuboard["image"],
            "image_url": kuboard["image_archive"]["url"],
            "image_sha256": kuboard["image_archive"]["sha256"][arch],
            "balancer": tree["load_balancer"]["address"],
            "agents": ",".join(f"{address}:10081" for address in self.addresses("kuboard")),
            "sso_secret": SSO_SECRET,
        }

    def shell(self):
        """The values as shell assignments, and each group as NAME=ADDRESS words."""
        lines = [f"{name}={shlex.quote(str(value))}" for name, value in self.values().items()]
        for group, names in self.groups.items():
            words = " ".join(f"{name}={self.hosts[name]}" for name in names)
            lines.append(f"{group}_hosts={shlex.quote(words)}")
        return "\n".join(lines) + "\n"

    def ansible(self):
        """An Ansible inventory."""
        members = {
            group: {"hosts": {self.hosts[name]: {"member": name, "address": self.hosts[name]} for name in names}}
            for group, names in self.groups.items()
        }
        return yaml.safe_dump({"all": {"children": members, "vars": {**self.values(), "ansible_user": "root"}}})

    def pyinfra(self, routes, key, known_hosts):
        """A pyinfra inventory, which is Python. `routes` is {address: (host, port)} as ssh reaches them."""
        lines, values = [], self.values()
        for group, names in self.groups.items():
            members = []
            for name in names:
                address = self.hosts[name]
                host, port = routes[address]
                data = {
                    **values,
                    "member": name,
                    "address": address,
                    "ssh_hostname": host,
                    "ssh_port": port,
                    "ssh_user": "root",
                    "ssh_key": str(key),
                    "ssh_known_hosts_file": str(known_hosts),
                }
                members.append((address, data))
            lines.append(f"{group} = {members!r}")
        return "\n".join(lines) + "\n"


def write(path: Path, text: str) -> Path:
    """Writes a file and gives its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path

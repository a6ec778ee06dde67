"""Who races: each is told of the site in its own words and gives the command lines that are timed."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from . import lab, site

PEERS = Path(__file__).resolve().parents[1] / "peers"
BIN = Path(sys.executable).parent


class Contestant:
    """`up` builds or looks again; `roll` brings a changed etcd setting to each member, one after the other."""

    name = ""
    looks = False  # whether it has a `status`

    def __init__(self, folder: Path):
        self.folder = folder / self.name
        self.place = self.folder  # where its process runs
        self.folder.mkdir(parents=True, exist_ok=True)

    def told(self, machines, route):
        """Writes what it reads."""
        raise NotImplementedError

    def up(self):
        """The command line that builds, and that is run again."""
        raise NotImplementedError

    def roll(self):
        """The command line that rolls; most do it by the same one."""
        return self.up()

    def environment(self):
        """Variables of its process."""
        return dict(os.environ)

    def ended(self):
        """What it leaves running is ended, so that each run begins cold, as in a pipeline."""


class Ours(Contestant):
    """kuboard-ha, the release build."""

    name = "kuboard-ha"
    looks = True
    binary = Path(os.environ.get("CARGO_TARGET_DIR", lab.REPOSITORY / "target")) / "release" / "kuboard-ha"

    def told(self, machines, route):
        self.inventory = site.write(self.folder / "inventory.yaml", machines.inventory(route.config))

    def up(self):
        return [self.binary, "up", "--yes", self.inventory]

    def status(self):
        return [self.binary, "status", self.inventory]


class Floor(Contestant):
    """The manual as one shell script per host, all at once."""

    name = "floor"

    def told(self, machines, route):
        self.site = site.write(self.folder / "site.sh", machines.shell())
        self.config = route.config

    def up(self):
        return [PEERS / "floor" / "run", self.site, self.config]

    def roll(self):
        return [*self.up(), "roll"]


class Ansible(Contestant):
    """ansible-playbook, cold: no control connection of an earlier run."""

    name = "ansible"
    control = None

    def told(self, machines, route):
        self.inventory = site.write(self.folder / "hosts.yml", machines.ansible())
        self.config = route.config
        self.ended()
        # Short: a control socket's path has about 100 characters at most.
        self.control = tempfile.mkdtemp(prefix="race")

    def up(self):
        return [BIN / "ansible-playbook", "-i", self.inventory, PEERS / "ansible" / "site.yml"]

    def environment(self):
        return {
            **os.environ,
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "ANSIBLE_CONFIG": str(PEERS / "ansible" / "ansible.cfg"),
            "ANSIBLE_SSH_ARGS": f"-F {self.config} -o ControlMaster=auto -o ControlPersist=60s",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.control),
            "ANSIBLE_HOME": str(self.folder / "home"),
        }

    def ended(self):
        if self.control:
            for socket in Path(self.control).iterdir():
                os.spawnvp(os.P_WAIT, "ssh", ["ssh", "-q", "-o", f"ControlPath={socket}", "-O", "exit", "none"])
            shutil.rmtree(self.control, ignore_errors=True)
            os.makedirs(self.control)


class Pyinfra(Contestant):
    """pyinfra with a plain deploy."""

    name = "pyinfra"

    def __init__(self, folder):
        super().__init__(folder)
        # It orders operations by their lines only where the deploy lies beneath its working directory.
        self.place = PEERS / "pyinfra"

    def told(self, machines, route):
        self.inventory = site.write(
            self.folder / "inventory.py", machines.pyinfra(route.ports, route.key, route.known_hosts)
        )

    def up(self):
        return [BIN / "pyinfra", "-y", self.inventory, "deploy.py"]


class Logins(Contestant):
    """One `ssh host true` to each at once: what a login alone costs."""

    name = "ssh true"

    def told(self, machines, route):
        self.addresses, self.config = list(machines.hosts.values()), route.config

    def up(self):
        every = " & ".join(f"ssh -F {self.config} -o BatchMode=yes {address} true" for address in self.addresses)
        return ["sh", "-c", f"{every} & wait"]


ALL = [Ours, Floor, Ansible, Pyinfra]

"""Hosts of the lab: booted, renewed, read. Everything goes through `examples/lab/lab`."""

import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
TOOL = REPOSITORY / "examples" / "lab" / "lab"
NAME = "bench"
NETWORK = "10.99.70"


def call(command, *arguments, **options):
    """Runs `lab COMMAND --lab bench ARGUMENTS`; gives what it printed. A failure tells what it said."""
    done = subprocess.run(
        [TOOL, command, "--lab", NAME, *arguments], capture_output=True, text=True, cwd=REPOSITORY, check=False, **options
    )
    if done.returncode != 0:
        raise RuntimeError(f"lab {command} {' '.join(arguments)}: {done.stderr.strip()[-2000:]}")
    return done.stdout


def directory():
    """Where the lab keeps its key, ssh_config and known_hosts."""
    return Path(call("dir").strip())


def renew(hosts):
    """Fresh hosts: `hosts` is {name: address}. Whatever ran there is gone with its disk."""
    call("down")
    call("boot", "--subnet", f"{NETWORK}.0/24", *[f"{name}={address}" for name, address in hosts.items()])


def on(host, script):
    """Runs a script on a host past ssh, so that it is not counted; gives what it printed."""
    return call("exec", host, "sh", "-s", input=script)


def down():
    """Removes the hosts."""
    call("down")

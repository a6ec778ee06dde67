"""One command, timed as a whole process."""

import os
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass


@dataclass
class Run:
    """`seconds` of wall time; `peak` of the process itself in bytes."""

    seconds: float
    peak: int


def timed(command, environment, folder, limit=900):
    """Runs a command in a folder; one that fails or takes longer than `limit` seconds ends the race with what it said."""
    with tempfile.TemporaryFile("w+") as said:
        begun = time.monotonic()
        process = subprocess.Popen(
            [str(word) for word in command],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        peak = 0
        # wait4 alone would count the greatest of its children too: ssh, or a worker.
        while True:
            pid, status = os.waitpid(process.pid, os.WNOHANG)
            if pid:
                break
            peak = max(peak, peak_of(process.pid))
            if time.monotonic() - begun > limit:
                os.killpg(process.pid, 9)
                raise RuntimeError(f"{command[0]} takes longer than {limit} s")
            time.sleep(0.005)
        seconds = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            said.seek(0)
            raise RuntimeError(f"{' '.join(map(str, command))} ended with {process.returncode}\n{said.read()[-4000:]}")
    return Run(seconds, peak)


def peak_of(pid):
    """VmHWM of a process in bytes; 0 where it has ended."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as text:
            for line in text:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def middle(values):
    """The median."""
    return statistics.median(values)


def spread(values):
    """`2.31 (2.20-2.60)`: the median, the least and the most."""
    if len(values) == 1:
        return f"{values[0]:.2f}"
    return f"{middle(values):.2f} ({min(values):.2f}-{max(values):.2f})"

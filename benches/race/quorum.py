"""Whether a majority of members is up, asked of each of them every 20 ms."""

import threading
import time
import urllib.request

PAUSE = 0.02
ATTEMPT = 1.0


class Quorum:
    """A context. After it: `without`, the longest time in seconds during which fewer than a majority of members answered."""

    def __init__(self, addresses):
        self.addresses, self.answered = addresses, {address: time.monotonic() for address in addresses}
        self.stop, self.without = threading.Event(), 0.0
        self.threads = [threading.Thread(target=self._ask, args=(address,), daemon=True) for address in addresses]
        self.threads.append(threading.Thread(target=self._watch, daemon=True))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join(2)

    def _ask(self, address):
        # From memory, without asking the others: it answers as long as the member runs.
        request = urllib.request.Request(f"http://{address}:2379/v3/maintenance/status", b"{}")
        while not self.stop.is_set():
            begun = time.monotonic()
            try:
                with urllib.request.urlopen(request, timeout=ATTEMPT) as answer:
                    answer.read()
                self.answered[address] = time.monotonic()
            except OSError:
                # Refused: it is down since it was asked, not since it answered last.
                self.answered[address] = min(self.answered[address], begun - ATTEMPT)
            time.sleep(PAUSE)

    def _watch(self):
        since = None
        while not self.stop.is_set():
            now = time.monotonic()
            # An answer that is late on a busy machine is no loss of quorum; a refusal is at once.
            up = sum(now - last < ATTEMPT for last in self.answered.values())
            if up * 2 > len(self.addresses):
                since = None
            else:
                since = since or now
                self.without = max(self.without, now - since)
            time.sleep(PAUSE / 2)

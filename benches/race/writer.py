"""A client of etcd that writes one key each 50 ms and goes on with another member when one does not answer."""

import base64
import json
import threading
import time
import urllib.request

PAUSE = 0.05
ATTEMPT = 3.0


class Writer:
    """A context. After it: `acknowledged`, `lost`, `longest` seconds between two acknowledged writes."""

    def __init__(self, addresses):
        self.endpoints = [f"http://{address}:2379" for address in addresses]
        self.stop, self.thread = threading.Event(), threading.Thread(target=self._write, daemon=True)
        self.acknowledged, self.longest, self.lost = [], 0.0, 0

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join(ATTEMPT * 4)
        self.lost = sum(not self._has(key) for key in self.acknowledged)

    def _write(self):
        number, last = 0, time.monotonic()
        while not self.stop.is_set():
            key = f"/race/{number}"
            if self._post("/v3/kv/put", {"key": coded(key), "value": coded(key)}) is not None:
                now = time.monotonic()
                self.longest, last = max(self.longest, now - last), now
                self.acknowledged.append(key)
                number += 1
            time.sleep(PAUSE)

    def _has(self, key):
        answer = self._post("/v3/kv/range", {"key": coded(key)})
        return bool(answer and answer.get("kvs"))

    def _post(self, path, body):
        for _ in self.endpoints:
            request = urllib.request.Request(self.endpoints[0] + path, json.dumps(body).encode())
            try:
                with urllib.request.urlopen(request, timeout=ATTEMPT) as answer:
                    return json.load(answer)
            except OSError:
                self.endpoints.append(self.endpoints.pop(0))
        return None


def coded(text):
    return base64.b64encode(text.encode()).decode()

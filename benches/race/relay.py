"""A relay that delays: one local port for each host, every byte held for half a round trip in each direction.

A process of its own, so that it does not wait for whoever measures. One for all connections rather than a ProxyCommand
for each: starting a process per connection would be a cost that no network has. All contestants go through it.

    python -m race.relay RTT_MS HOST... < /dev/null     prints {"ports": {HOST: PORT}}; at SIGTERM the counts
"""

import asyncio
import contextlib
import json
import signal
import sys

CHUNK = 1 << 16


class Counts:
    """Connections, and bytes towards the hosts and back."""

    def __init__(self):
        self.connections = self.sent = self.received = 0


async def carry(reader, writer, delay, count):
    """Carries bytes one way, each `delay` seconds late and in order, at full speed."""
    loop = asyncio.get_running_loop()
    queue = asyncio.Queue(maxsize=4096)

    async def deliver():
        while True:
            due, data = await queue.get()
            wait = due - loop.time()
            if wait > 0:
                await asyncio.sleep(wait)
            if not data:
                break
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()

    delivery = asyncio.create_task(deliver())
    try:
        while data := await reader.read(CHUNK):
            count(len(data))
            await queue.put((loop.time() + delay, data))
        await queue.put((loop.time() + delay, b""))
        await delivery
    except OSError:
        pass
    finally:
        delivery.cancel()
        await asyncio.gather(delivery, return_exceptions=True)


async def serve(rtt, hosts):
    """Listens until SIGTERM."""
    counts, delay = Counts(), rtt / 2000

    def relay_to(host):
        async def accept(reader, writer):
            counts.connections += 1
            # The connection itself takes a round trip.
            await asyncio.sleep(2 * delay)
            try:
                far_reader, far_writer = await asyncio.open_connection(host, 22)
            except OSError:
                writer.close()
                return

            def sent(size):
                counts.sent += size

            def received(size):
                counts.received += size

            both = carry(reader, far_writer, delay, sent), carry(far_reader, writer, delay, received)
            with contextlib.suppress(asyncio.CancelledError):  # the relay ends before the connection
                await asyncio.gather(*both, return_exceptions=True)
            for side in (writer, far_writer):
                side.close()

        return accept

    servers = {host: await asyncio.start_server(relay_to(host), "127.0.0.1", 0) for host in hosts}
    ports = {host: server.sockets[0].getsockname()[1] for host, server in servers.items()}
    print(json.dumps({"ports": ports}), flush=True)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    print(json.dumps(vars(counts)), flush=True)


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1]), sys.argv[2:]))

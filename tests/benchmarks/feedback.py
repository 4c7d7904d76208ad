"""Claude's producer against a server on loopback: many requests, some of which fail or are cut; what is lost, what is paid twice, and memory.

    .venv/bin/python -m tests.benchmarks.feedback [--requests 10000] [--failures 0.05] [--cuts 0.02]

The server runs in this process and answers at once, so requests a second say what the producer can do at most, not what Claude does.
"""
import argparse
import os
import random
import tempfile
import threading
import time
from collections import Counter
from http.server import ThreadingHTTPServer
from pathlib import Path

import psutil

from fdcore.feedback_claude import Claude, Ledger
from tests.test_feedback_claude import KEY, Wire, item, settings

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--requests", type=int, default=10_000)
parser.add_argument("--failures", type=float, default=0.05)
parser.add_argument("--cuts", type=float, default=0.02)
parser.add_argument("--call", type=int, default=500, help="requests in one call, as in a training step")
arguments = parser.parse_args()

server = ThreadingHTTPServer(("127.0.0.1", 0), Wire)
server.daemon_threads, server.request_queue_size = True, 256
server.tries, server.paid, server.batches, server.lock, server.whole = Counter(), Counter(), {}, threading.Lock(), None
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ |= {"ANTHROPIC_BASE_URL": f"http://127.0.0.1:{server.server_port}", "ANTHROPIC_API_KEY": KEY}

rng = random.Random(0)
does = ["fail:cut:1" if (x := rng.random()) < arguments.cuts else f"fail:{rng.choice(['429', '500', '529'])}:1" if x < arguments.cuts + arguments.failures else "" for _ in range(arguments.requests)]
items = [item(f"t{i}", what) for i, what in enumerate(does)]
written, memory, started = [], [], time.perf_counter()
with tempfile.TemporaryDirectory() as folder:
    for first in range(0, len(items), arguments.call):
        written += Claude(settings(concurrency=32, timeout_seconds=10, budget_dollars=1e6), Path(folder)).write(items[first : first + arguments.call])
        memory.append(psutil.Process().memory_info().rss / 2**20)
    seconds = time.perf_counter() - started
    kept = len(Ledger(Path(folder) / "claude.jsonl").answers)

answered, given_up = sum(bool(f.text) for f in written), sum(bool(f.reason) for f in written)
quarter = len(memory) // 4
print(f"{len(items)} requests in {seconds:.0f} s ({len(items) / seconds:.0f}/s), {sum(map(bool, does))} of them failed once ({sum('cut' in d for d in does)} by a cut connection)")
print(f"answered {answered}, given up {given_up}, neither {len(items) - answered - given_up}; in the ledger {kept}; paid more than once: {sum(n > 1 for n in server.paid.values())}")
print(f"memory: {memory[quarter]:.0f} MB after a quarter, {memory[-1]:.0f} MB at the end (ratio {memory[-1] / memory[quarter]:.2f})")

"""Claude's producer against a server on loopback: many requests, failures, cuts and a kill.

    python -m tests.benchmarks.feedback [--requests 10000] [--failures 0.05] [--cuts 0.02]

The server runs in this process and answers at once: requests a second say what the producer can do
at most. The producer runs in another process, is killed when half of the answers are paid, and
started again. Ends with 1 where a bar is missed.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from fdcore.feedback.claude import Claude, Ledger
from tests.feedback.test_feedback_claude import KEY, item, serve, settings

CONCURRENCY = 32
parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--requests", type=int, default=10_000)
parser.add_argument(
    "--failures", type=float, default=0.05, help="share that gets 429, 500 or 529 first"
)
parser.add_argument("--cuts", type=float, default=0.02, help="share whose first answer is cut")
parser.add_argument("--hopeless", type=float, default=0.002, help="share that never gets an answer")
parser.add_argument(
    "--call", type=int, default=500, help="requests in one call, as in a training step"
)
parser.add_argument(
    "--client", help=argparse.SUPPRESS
)  # the ledger's folder: this is the process that asks
arguments = parser.parse_args()


def fate(rng: random.Random) -> str:
    drawn = rng.random()
    for share, kind in (
        (arguments.cuts, "cut:1"),
        (arguments.failures, f"{rng.choice(['429', '500', '529'])}:1"),
        (arguments.hopeless, "500:99"),
    ):
        if drawn < share:
            return f"fail:{kind}"
        drawn -= share
    return ""


rng = random.Random(0)
fates = [fate(rng) for _ in range(arguments.requests)]
items = [item(f"t{i}", does) for i, does in enumerate(fates)]

if arguments.client:
    claude = Claude(
        settings(concurrency=CONCURRENCY, timeout_seconds=10, budget_dollars=1e6),
        Path(arguments.client),
    )
    for first in range(0, len(items), arguments.call):
        written = claude.write(items[first : first + arguments.call])
        told = {
            "answered": sum(bool(f.text) for f in written),
            "given_up": sum(bool(f.reason) for f in written),
            "mb": psutil.Process().memory_info().rss / 2**20,
        }
        print(json.dumps(told), flush=True)
    sys.exit()

server = serve()
os.environ |= {
    "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{server.server_port}",
    "ANTHROPIC_API_KEY": KEY,
}
started = time.perf_counter()
with tempfile.TemporaryDirectory() as folder:
    command, ledger = (
        [sys.executable, "-m", "tests.benchmarks.feedback", *sys.argv[1:], "--client", folder],
        Path(folder) / "claude.jsonl",
    )
    killed = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while sum(server.paid.values()) < arguments.requests / 2 and killed.poll() is None:
        time.sleep(0.01)
    killed.kill(), killed.wait()
    time.sleep(1)  # what is on its way to it is sent, and counts as paid
    kept, paid = len(Ledger(ledger).answers), sum(server.paid.values())
    second = subprocess.run(command, capture_output=True, text=True)
    answers = Ledger(ledger)
rows = [json.loads(line) for line in second.stdout.splitlines() if line.startswith("{")]
answered, given_up = (sum(row[key] for row in rows) for key in ("answered", "given_up"))
twice, memory = sum(times > 1 for times in server.paid.values()), [row["mb"] for row in rows]
ratio, hopeless = memory[-1] / memory[len(memory) // 2], sum("99" in does for does in fates)
cuts = sum("cut" in does for does in fates)
print(
    f"{len(items)} requests in {time.perf_counter() - started:.0f} s, {sum(map(bool, fates))} of "
    f"them failed ({cuts} by a cut connection, {hopeless} for good)"
)
print(f"killed when {paid} were paid: {paid - kept} of them lost (in flight: {CONCURRENCY})")
print(
    f"answered {answered}, given up {given_up}, neither {len(items) - answered - given_up}; "
    f"in the ledger {len(answers.answers)}; paid more than once: {twice}"
)
print(
    f"memory: {memory[0]:.0f} MB after the first call, {memory[len(memory) // 2]:.0f} MB half way, "
    f"{memory[-1]:.0f} MB at the end (ratio {ratio:.2f}); at most {server.most} requests at once"
)
met = (
    answered == len(items) - hopeless
    and given_up == hopeless
    and paid - kept <= CONCURRENCY
    and twice <= paid - kept
    and ratio < 1.1
    and server.most <= CONCURRENCY
)
sys.exit(not met)

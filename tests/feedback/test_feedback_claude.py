"""Claude's producer through the real SDK, against a server that speaks the wire format."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fdcore.feedback.claude import Claude, Ledger, trim
from fdcore.feedback.form import report
from fdcore.feedback.sources import FeedbackError, Source, make_producer, request
from fdcore.profile import Price, load_profile
from fdcore.records import Problem, Trajectory, Verdict

KEY, ADVICE = (
    "sk-ant-of-nobody",
    "1. Use `Nat.add_comm` from the library in full, and close the goal with `exact` in one step.",
)
USAGE = {
    "input_tokens": 300,
    "output_tokens": 40,
    "cache_read_input_tokens": 100,
    "cache_creation_input_tokens": 10,
}
ANSWER_DOLLARS = (300 * 5 + 40 * 25 + 100 * 0.5 + 10 * 6.25) / 1e6
PRICE = Price(input=5, output=25, cache_read=0.5, cache_write=6.25)


class Wire(BaseHTTPRequestHandler):
    """Does to a request what its text asks for: `fail:KIND:TIMES`. Counts tries and answers."""

    protocol_version = "HTTP/1.1"
    under_way = False

    def log_message(self, *_):
        pass

    def do_POST(self):
        with self.server.lock:
            self.under_way, self.server.open = True, self.server.open + 1
            self.server.most = max(self.server.most, self.server.open)
        deadline = time.monotonic() + 10
        while self.server.most < self.server.gather and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(
            0.02 * (self.server.gather > 0)
        )  # long enough for one more to come, if the client would send it
        try:
            if (
                len(data := self.rfile.read(length := int(self.headers["content-length"])))
                == length
            ):  # less: the client has gone
                self.answer(json.loads(data))
        finally:
            self.done()

    def done(self):
        with self.server.lock:
            self.under_way, self.server.open = False, self.server.open - self.under_way

    def answer(self, body):
        if KEY not in (
            self.headers["x-api-key"],
            (self.headers["authorization"] or "").removeprefix("Bearer "),
        ):  # by version of the SDK
            return self.send(
                401,
                {
                    "type": "error",
                    "error": {"type": "authentication_error", "message": "invalid x-api-key"},
                },
            )
        if body["model"] not in ("claude-opus-4-6",):
            return self.send(
                404, {"type": "error", "error": {"type": "not_found_error", "message": "model"}}
            )
        self.server.systems.add(json.dumps(body["system"]))
        self.message(body)

    def message(self, body):
        text = body["messages"][0]["content"]
        name = re.search(r"theorem (\w+)", text)[1]
        wanted = re.search(r"fail:(\w+):(\d+)", text)
        with self.server.lock:
            self.server.tries[name] += 1
            self.server.times.append(time.monotonic())
            self.server.storm -= 1
            failing = bool(wanted) and self.server.tries[name] <= int(wanted[2])
        if self.server.storm >= 0:
            return self.send(
                429,
                {"type": "error", "error": {"type": "rate_limit_error", "message": "x"}},
                extra={"retry-after": self.server.retry_after},
            )
        kind = wanted[1] if wanted else ""
        if failing and kind in ("429", "500", "529"):
            return self.send(
                int(kind),
                {"type": "error", "error": {"type": "x", "message": "x"}},
                extra={"retry-after": self.server.retry_after},
            )
        if failing and kind == "400":
            return self.send(
                400,
                {
                    "type": "error",
                    "error": {
                        "type": "invalid_request_error",
                        "message": "Your credit balance is too low",
                    },
                },
            )
        if failing and kind == "cut":
            self.send(200, reply(ADVICE), cut=True)
            return
        if failing and kind == "slow":
            time.sleep(5)
            self.close_connection = True
            return
        if failing and kind == "drip":
            return self.drip()
        if failing and kind == "json":
            return self.send(200, "{not json", "application/json")
        answers = {
            "refusal": reply("", "refusal"),
            "empty": reply(""),
            "long": reply(ADVICE + "\n2. Now the", "max_tokens"),
        }
        self.send(200, answers.get(kind, reply(ADVICE)))
        with self.server.lock:
            self.server.paid[name] += 1

    def drip(self):
        """Goes on and on, a byte at a time, so that no single wait is long."""
        self.send_response(200)
        self.send_header("content-length", "1000")
        self.end_headers()
        self.close_connection = True
        for _ in range(100):
            try:
                self.wfile.write(b" ")
            except OSError:  # the client has had enough
                return
            time.sleep(0.05)

    def send(self, status, content, kind="application/json", extra=(), cut=False):
        data = (content if isinstance(content, str) else json.dumps(content)).encode()
        self.done()  # before the client knows, who then sends the next
        self.send_response(status)
        for name, value in {
            "content-type": kind,
            "content-length": str(len(data)),
            **dict(extra),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if cut else data)
        self.close_connection = cut or self.close_connection


def reply(text, stop="end_turn"):
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-4-6",
        "content": [{"type": "text", "text": text}] if text else [],
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": USAGE,
    }


def serve() -> ThreadingHTTPServer:
    """A server that counts: `tries` and `paid` by theorem, `most` requests at once, `times`.

    `gather` is a number of requests: the first ones wait until that many are there. `storm` is how
    many tries are refused first.
    """

    class Server(ThreadingHTTPServer):
        daemon_threads, request_queue_size = True, 256

        def handle_error(self, *_):
            if not isinstance(sys.exc_info()[1], ConnectionError):  # a client that was killed
                super().handle_error(*_)

    server = Server(("127.0.0.1", 0), Wire)
    server.tries, server.paid, server.lock = Counter(), Counter(), threading.Lock()
    server.open, server.most, server.gather, server.times, server.systems = 0, 0, 0, [], set()
    server.storm, server.retry_after = 0, "0.02"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture
def wire(monkeypatch):
    server = serve()
    monkeypatch.setenv("ANTHROPIC_BASE_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    yield server
    server.shutdown()


def settings(**changes):
    usual = {
        "budget_dollars": 100.0,
        "concurrency": 8,
        "timeout_seconds": 20.0,
        "retries": 3,
        "prices": {"claude-opus-4-6": PRICE},
    }
    return load_profile("paper").feedback.model_copy(update=usual | changes)


def item(name, does=""):
    problem = Problem(id=name, header="", statement=f"theorem {name} : 1 = 1 := by", split="train")
    trajectory = Trajectory(
        problem_id=name,
        seed=0,
        step=1,
        prompt_length=0,
        token_ids=(),
        action_mask=(),
        logprobs=(),
        response_text=does,
        tool_calls=(),
        source=None,
        verdict=Verdict(status="failed"),
        reward=0.0,
        stop_reason="end",
    )
    return problem, trajectory


def test_an_answer_comes_with_its_provenance_and_price(wire, tmp_path):
    (feedback,) = Claude(settings(), tmp_path).write([item("a")])
    assert (
        (feedback.text, feedback.model, feedback.reason) == (ADVICE, "claude-opus-4-6", "")
        and feedback.prompt_hash
        and feedback.seconds > 0
    )
    assert (
        feedback.input_tokens,
        feedback.output_tokens,
        feedback.cache_read_tokens,
        feedback.cache_write_tokens,
    ) == (300, 40, 100, 10)
    assert feedback.dollars == pytest.approx(ANSWER_DOLLARS)


def test_every_request_begins_with_the_same_text_marked_for_the_cache(wire, tmp_path):
    Claude(settings(), tmp_path).write([item("a"), item("b")])
    ((block,),) = map(json.loads, wire.systems)
    assert block["cache_control"] == {"type": "ephemeral"} and "Lean 4" in block["text"]


def test_no_more_requests_are_under_way_than_the_setting_allows(wire, tmp_path):
    wire.gather = 3
    Claude(settings(concurrency=3), tmp_path).write(
        [item(f"t{i}", "fail:429:1" if i % 3 == 0 else "") for i in range(40)]
    )
    assert wire.most == 3


def test_a_storm_of_refusals_passes_and_each_request_is_answered_once(wire, tmp_path):
    wire.storm = 60
    written = Claude(settings(retries=10), tmp_path).write([item(f"t{i}") for i in range(40)])
    assert (
        [f.text for f in written] == [ADVICE] * 40
        and sum(wire.tries.values()) == 100
        and set(wire.paid.values()) == {1}
    )


def test_the_pause_that_the_server_asks_for_is_kept(wire, tmp_path):
    wire.retry_after = "1.3"  # the SDK's own first pause is half a second at most
    Claude(settings(), tmp_path).write([item("a", "fail:429:1")])
    first, second = wire.times
    assert second - first >= 1.3


@pytest.mark.parametrize("kind", ["429", "500", "529", "cut", "slow", "drip", "json"])
def test_what_passes_is_tried_again(wire, tmp_path, kind):
    written = Claude(
        settings(timeout_seconds=1.5 if kind in ("slow", "drip") else 20.0), tmp_path
    ).write([item("a", f"fail:{kind}:2"), item("b")])
    assert (
        [f.text for f in written] == [ADVICE] * 2 and wire.tries["a"] == 3 and wire.paid["a"] == 1
    )


@pytest.mark.parametrize(
    "kind, reason",
    [
        ("429", "RateLimitError"),
        ("cut", "APIConnectionError"),
        ("json", "cannot be read"),
        ("400", "BadRequestError: Error code: 400"),
    ],
)
def test_what_does_not_pass_is_given_up_and_told_and_not_fatal(wire, tmp_path, kind, reason):
    items = [item("a", f"fail:{kind}:99"), *(item(name) for name in "bcd")]
    written = Claude(settings(), tmp_path).write(items)
    assert (
        written[0].text == ""
        and reason in written[0].reason
        and [f.text for f in written[1:]] == [ADVICE] * 3
    )
    assert "credit balance" in written[0].reason or kind != "400"
    assert [
        value
        for name, value in report(items, written).items()
        if reason.split(":")[0].split()[-1].lower() in name.lower()
    ] == [1]


def test_when_most_requests_fail_the_run_stops_and_goes_on_later(wire, tmp_path):
    items = [item(name, "fail:500:4") for name in "abc"] + [item("d")]
    with pytest.raises(
        FeedbackError, match="no answer to 3 of 4 requests .*run the same command again"
    ):
        Claude(settings(), tmp_path).write(items)
    assert [f.text for f in Claude(settings(), tmp_path).write(items)] == [
        ADVICE
    ] * 4 and wire.paid["d"] == 1


def test_a_try_whose_answer_never_came_counts_as_spent_and_the_budget_holds_over_it(wire, tmp_path):
    producer = Claude(settings(timeout_seconds=3), tmp_path)
    items = [
        item("a", "fail:cut:1"),
        item("b", "fail:429:1"),
        item("c", "fail:json:1"),
        item("d", "fail:drip:1"),
    ]
    producer.write(items)
    ledger = Ledger(tmp_path / "claude.jsonl")
    one, *lost = [producer.estimate(*request(*items[i], 4)) for i in (1, 0, 2, 3)]
    assert ledger.lost_dollars == pytest.approx(
        sum(lost)
    ) and ledger.dollars - ledger.lost_dollars == pytest.approx(4 * ANSWER_DOLLARS)
    assert ledger.dollars == pytest.approx(producer.ledger.dollars) and len(ledger.answers) == 4
    poor = Claude(settings(budget_dollars=3.5 * one, concurrency=1), tmp_path / "poor")
    with pytest.raises(
        FeedbackError,
        match=r"feedback.budget_dollars: .*\$0.0\d of it perhaps",
    ):
        poor.write([item("e", "fail:cut:99")])
    assert wire.tries["e"] <= 3 and Ledger(tmp_path / "poor/claude.jsonl").dollars <= 3.5 * one


def test_a_server_that_nobody_listens_at_costs_nothing(wire, tmp_path, monkeypatch):
    wire.shutdown(), wire.server_close()
    with pytest.raises(
        FeedbackError, match="no answer to 1 of 1 requests .APIConnectionError after 1 retries"
    ):
        Claude(settings(retries=1), tmp_path).write([item("a")])
    assert Ledger(tmp_path / "claude.jsonl").dollars == 0


@pytest.mark.parametrize(
    "kind, text, reason",
    [("refusal", "", "refused"), ("empty", "", "empty"), ("long", ADVICE, "too long")],
)
def test_refusals_and_answers_that_are_empty_or_too_long_are_counted(
    wire, tmp_path, kind, text, reason
):
    items = [item("a", f"fail:{kind}:0")]
    written = Claude(settings(), tmp_path).write(items)
    assert (written[0].text, written[0].reason) == (text, reason)
    assert report(items, written)[f"feedback_{reason.replace(' ', '_')}"] == 1


def test_every_way_to_stop_early_is_counted_and_keeps_what_is_whole():
    items = ADVICE + "\n2. Now the"
    for stop, reason in (
        ("max_tokens", "too long"),
        ("model_context_window_exceeded", "model context window exceeded"),
        ("pause_turn", "pause turn"),
        ("something_new", "something new"),
        (None, "no stop reason"),
    ):
        assert trim(items, stop) == (ADVICE, reason)
    assert trim("Use `Nat.add_comm`. Then clo", "max_tokens")[0] == "Use `Nat.add_comm`."
    assert trim(items, "end_turn") == (items, "")
    assert trim("a \ud800 b", "end_turn") == ("a ? b", "")


@pytest.mark.parametrize("cut", [1, 2, 30])
def test_a_ledger_cut_by_a_kill_is_read_and_goes_on(wire, tmp_path, cut):
    Claude(settings(), tmp_path).write([item("a"), item("b", "∀")])
    path = tmp_path / "claude.jsonl"
    data = path.read_bytes().removesuffix(b"\n") + "∀".encode()
    path.write_bytes(data[:-cut])
    assert len(Ledger(path).answers) == 1
    Claude(settings(), tmp_path).write([item("a"), item("b", "∀")])
    assert len(Ledger(path).answers) == 2 and len(path.read_bytes().splitlines()) == 2


def test_a_line_of_the_ledger_that_cannot_be_read_is_named(tmp_path):
    path = tmp_path / "claude.jsonl"
    path.write_bytes(b'{"lost": "k", "dollars": 1}\n\xe2\x88\n{"lost": "k", "dollars": 1}\n')
    with pytest.raises(ValueError, match=r"claude.jsonl:2: "):
        Ledger(path)


def test_nothing_is_paid_twice_over_runs_and_within_a_call(wire, tmp_path):
    first = Claude(settings(), tmp_path).write([item("a"), item("a"), item("b")])
    again = Claude(settings(), tmp_path).write([item("b"), item("a")])
    assert wire.paid == {"a": 1, "b": 1} and again == [first[2], first[0]]


def test_the_budget_holds_over_runs_and_the_ledger_knows_what_was_spent(wire, tmp_path):
    one = Claude(settings(), tmp_path / "x").estimate("", "") + 0.002
    poor = settings(budget_dollars=5 * one, concurrency=1)
    with pytest.raises(
        FeedbackError, match=r"budget_dollars: \$0\.\d\d of \$0\.\d\d are spent .* raise it"
    ):
        Claude(poor, tmp_path).write([item(f"t{i}") for i in range(40)])
    spent, paid = Ledger(tmp_path / "claude.jsonl").dollars, sum(wire.paid.values())
    assert 0 < spent <= poor.budget_dollars and 0 < paid < 40
    with pytest.raises(FeedbackError, match="budget_dollars"):
        Claude(poor, tmp_path).write([item(f"t{i}") for i in range(40)])
    assert sum(wire.paid.values()) <= paid + 1
    assert (
        len(Claude(settings(), tmp_path).write([item(f"t{i}") for i in range(40)])) == 40
        and max(wire.paid.values()) == 1
    )


def test_the_key_is_in_no_file_no_log_and_no_message(wire, tmp_path, monkeypatch, capsys, caplog):
    caplog.set_level("DEBUG")  # all that the SDK and what is below it have to say
    Claude(settings(), tmp_path).write([item("a")])
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-wrong")
    with pytest.raises(FeedbackError, match="refused the key") as error:
        Claude(settings(), tmp_path).write([item("b")])
    said = capsys.readouterr()
    told = "".join(
        [
            str(error.value),
            said.out,
            said.err,
            caplog.text,
            *(path.read_text() for path in tmp_path.rglob("*") if path.is_file()),
        ]
    )
    assert "Sending HTTP Request" in caplog.text
    assert KEY not in told and "sk-ant" not in told


def test_a_model_that_anthropic_does_not_know_is_one_line(wire, tmp_path):
    with pytest.raises(FeedbackError, match="knows no model 'claude-0'"):
        Claude(settings(model="claude-0", prices={"claude-0": PRICE}), tmp_path).write(
            [item("a"), item("b")]
        )
    assert not wire.paid


@pytest.mark.parametrize(
    "template, told",
    [("{{ nobody }}", "'nobody' is undefined"), ("{% if %}", "Expected an expression")],
)
def test_a_template_with_a_missing_variable_is_one_line_before_anything_is_sent(
    wire, tmp_path, monkeypatch, template, told
):
    import jinja2

    from fdcore.rollout import chat

    broken = jinja2.Environment(
        loader=jinja2.DictLoader({"feedback_4.jinja": template, "feedback_attempt.jinja": "x"}),
        undefined=jinja2.StrictUndefined,
    )
    producer = Claude(settings(), tmp_path)
    monkeypatch.setattr(chat, "_templates", broken)
    with pytest.raises(
        ValueError, match=f"feedback_4.jinja: {told}.*; correct the template$"
    ) as error:
        producer.write([item("a")])
    assert not wire.tries and "\n" not in str(error.value)


def test_claude_needs_a_folder_for_its_ledger():
    with pytest.raises(ValueError, match="no folder"):
        make_producer(Source(settings(), 0))


# -- kills -----------------------------------------------------------------------------------------


def test_a_process_killed_half_way_has_lost_at_most_what_was_in_flight(wire, tmp_path):
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from tests.feedback.test_feedback_claude import *\n"
        "items = [item(f't{i}', 'fail:429:1' if i % 20 == 0 else '') for i in range(400)]\n"
        "Claude(settings(concurrency=4), Path(sys.argv[2])).write(items)"
    )
    command = [sys.executable, "-c", program, str(Path(__file__).parents[2]), str(tmp_path)]
    process, ledger = (
        subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}),
        tmp_path / "claude.jsonl",
    )
    while not ledger.exists() or ledger.read_bytes().count(b"\n") < 100:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(0.3)
    kept, paid = len(Ledger(ledger).answers), sum(wire.paid.values())
    assert 100 <= kept < 400 and paid - kept <= 4
    written = Claude(settings(concurrency=4), tmp_path).write(
        [item(f"t{i}", "fail:429:1" if i % 20 == 0 else "") for i in range(400)]
    )
    assert [f.text for f in written] == [ADVICE] * 400 and sum(wire.paid.values()) <= 404

"""Claude's producer against a server on loopback that speaks the wire format, through the real SDK: storms, cuts, refusals, budgets, kills."""

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

from fdcore.feedback.claude import Claude, Ledger, cost
from fdcore.feedback.form import report
from fdcore.feedback.sources import FeedbackError, make_producer, request
from fdcore.profile import Price, load_profile
from fdcore.records import Problem, Trajectory, Verdict

KEY, ADVICE = (
    "sk-ant-of-nobody",
    "1. Use `Nat.add_comm` from the library in full, and close the goal with `exact` in one step.",
)
TOKENS = {
    "input_tokens": 300,
    "output_tokens": 40,
    "cache_read_tokens": 100,
    "cache_write_tokens": 10,
}
USAGE = {
    "input_tokens": 300,
    "output_tokens": 40,
    "cache_read_input_tokens": 100,
    "cache_creation_input_tokens": 10,
}
PRICE = Price(input=5, output=25, cache_read=0.5, cache_write=6.25)


class Wire(BaseHTTPRequestHandler):
    """Does to a request what its text asks for: `fail:KIND:TIMES`. Counts the tries of each and the answers that were sent whole."""

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
        if self.path.endswith("/batches"):
            return self.begin_batch(body)
        if body["model"] not in ("claude-opus-4-6",):
            return self.send(
                404, {"type": "error", "error": {"type": "not_found_error", "message": "model"}}
            )
        self.server.systems.add(json.dumps(body["system"]))
        self.message(body)

    def do_GET(self):
        batch = self.server.batches[self.path.split("/")[4]]
        batch["looks"] += 1
        if self.path.endswith("/results"):
            lines = [
                json.dumps({"custom_id": r["custom_id"], "result": self.result(r)})
                for r in reversed(batch["requests"])
            ]  # in any order
            self.server.cuts -= 1
            return self.send(
                200,
                "\n".join([*self.server.garbage, *lines[: batch["whole"]]]) + "\n",
                "application/binary",
                cut=self.server.cuts >= 0,
            )
        self.send(200, self.batch(batch, "ended" if batch["looks"] > 1 else "in_progress"))

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

    def begin_batch(self, body):
        batch = {
            "id": f"msgbatch_{len(self.server.batches)}",
            "requests": body["requests"],
            "looks": 0,
            "whole": self.server.whole,
        }
        self.server.batches[batch["id"]] = batch
        self.server.paid.update(
            re.search(r"theorem (\w+)", r["params"]["messages"][0]["content"])[1]
            for r in body["requests"]
        )
        self.send(200, self.batch(batch, "in_progress"))

    def batch(self, batch, status):
        counts = {"processing": 0, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}
        times = {"created_at": "2026-01-01T00:00:00Z", "expires_at": "2026-01-02T00:00:00Z"}
        url = (
            f"http://127.0.0.1:{self.server.server_port}/v1/messages/batches/{batch['id']}/results"
            if status == "ended"
            else None
        )
        return {
            "id": batch["id"],
            "type": "message_batch",
            "processing_status": status,
            "request_counts": counts,
            "results_url": url,
            **times,
        }

    def result(self, request):
        if "fail:errored" in request["params"]["messages"][0]["content"]:
            return {
                "type": "errored",
                "error": {"type": "error", "error": {"type": "api_error", "message": "x"}},
            }
        return {"type": "succeeded", "message": reply(ADVICE)}

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
    return {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-4-6", "content": [{"type": "text", "text": text}] if text else [],
            "stop_reason": stop, "stop_sequence": None, "usage": USAGE}  # fmt: skip


def serve() -> ThreadingHTTPServer:
    """The server, which counts what it did: `tries` and `paid` by theorem, `most` requests at once, the `times` of tries, each `system` prompt.

    `gather`: the first requests wait until so many are there, all of them a little, so that more would be seen; `storm`: so many tries are refused first, whoever's; `whole`: so many lines of a batch's results are sent, `garbage` before them, `cuts` times cut.
    """

    class Server(ThreadingHTTPServer):
        daemon_threads, request_queue_size = True, 256

        def handle_error(self, *_):
            if not isinstance(sys.exc_info()[1], ConnectionError):  # a client that was killed
                super().handle_error(*_)

    server = Server(("127.0.0.1", 0), Wire)
    server.tries, server.paid, server.batches, server.lock = (
        Counter(),
        Counter(),
        {},
        threading.Lock(),
    )
    server.open, server.most, server.gather, server.times, server.systems = 0, 0, 0, [], set()
    server.storm, server.retry_after, server.whole, server.garbage, server.cuts = (
        0,
        "0.02",
        None,
        [],
        0,
    )
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
        "poll_seconds": 0.01,
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
    assert feedback.dollars == pytest.approx((300 * 5 + 40 * 25 + 100 * 0.5 + 10 * 6.25) / 1e6)
    assert (
        cost(PRICE, input_tokens=10**6, output_tokens=0, cache_read_tokens=0, cache_write_tokens=0)
        == 5
    )


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
    one, *lost = [producer.estimate(*request(*items[i], 4))[0] for i in (1, 0, 2, 3)]
    assert ledger.lost_dollars == pytest.approx(
        sum(lost)
    ) and ledger.dollars - ledger.lost_dollars == pytest.approx(4 * cost(PRICE, **TOKENS))
    assert ledger.dollars == pytest.approx(producer.ledger.dollars) and len(ledger.answers) == 4
    poor = Claude(settings(budget_dollars=3.5 * one, concurrency=1), tmp_path / "poor")
    with pytest.raises(
        FeedbackError,
        match=r"are spent \(\$0.0\d of it perhaps, on answers that never came\) and the next request",
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


def test_of_prose_that_was_cut_the_whole_sentences_are_kept(wire, tmp_path):
    producer = Claude(settings(), tmp_path)
    answer = producer.sdk.types.Message.construct(
        **reply("Use `Nat.add_comm`. Then clo", "max_tokens")
    )
    assert producer._row("k", answer, 1.0)["text"] == "Use `Nat.add_comm`."


def test_nothing_is_paid_twice_over_runs_and_within_a_call(wire, tmp_path):
    first = Claude(settings(), tmp_path).write([item("a"), item("a"), item("b")])
    again = Claude(settings(), tmp_path).write([item("b"), item("a")])
    assert wire.paid == {"a": 1, "b": 1} and again == [first[2], first[0]]


def test_the_budget_holds_over_runs_and_the_ledger_knows_what_was_spent(wire, tmp_path):
    one = Claude(settings(), tmp_path / "x").estimate("", "")[0] + 0.002
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
    with pytest.raises(FeedbackError, match="budget_tokens"):
        Claude(settings(budget_tokens=1000), tmp_path).write(
            [item("new1"), item("new2"), item("new3")]
        )
    assert (
        len(Claude(settings(), tmp_path).write([item(f"t{i}") for i in range(40)])) == 40
        and max(wire.paid.values()) == 1
    )


def test_the_cost_is_told_before_anything_is_sent(wire, tmp_path, capsys):
    producer = Claude(settings(), tmp_path)
    producer.write([item("a"), item("b")]), producer.write([item("c")])
    told = capsys.readouterr().out
    assert (
        told.count("requests now, at most $") == 1
        and told.startswith("Claude (claude-opus-4-6): 2 requests")
        and "of $100.00" in told
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
        make_producer(settings(), 0)


# -- batches -------------------------------------------------------------------------------------------------------------


def test_a_batch_is_sent_waited_for_and_paid_at_half_the_price(wire, tmp_path):
    items = [item("a"), item("b", "fail:errored"), item("c"), item("d")]
    written = Claude(settings(batches=True), tmp_path).write(items)
    assert [f.text for f in written] == [ADVICE, "", ADVICE, ADVICE] and written[
        1
    ].reason == "errored in the batch"
    assert (
        written[0].dollars == pytest.approx((300 * 5 + 40 * 25 + 100 * 0.5 + 10 * 6.25) / 2e6)
        and len(wire.batches) == 1
    )


def test_a_batch_that_a_killed_run_had_sent_is_collected_and_not_sent_again(wire, tmp_path):
    producer = Claude(settings(batches=True), tmp_path)
    producer._collect = None  # as if the process had died while it waited
    with pytest.raises(TypeError):
        producer.write([item("a"), item("b")])
    assert [
        f.text for f in Claude(settings(batches=True), tmp_path).write([item("a"), item("b")])
    ] == [ADVICE] * 2
    assert len(wire.batches) == 1 and wire.paid == {"a": 1, "b": 1}


def test_results_that_are_missing_from_a_batch_are_given_up(wire, tmp_path):
    wire.whole = 3
    written = Claude(settings(batches=True), tmp_path).write([item(name) for name in "abcd"])
    assert sorted(f.reason for f in written) == ["", "", "", "not in the batch's results"]


def test_a_line_that_cannot_be_read_costs_its_own_answer_alone_and_a_cut_is_fetched_again(
    wire, tmp_path
):
    wire.garbage, wire.cuts = (
        [
            "{not json",
            "[]",
            "7",
            '{"custom_id": "x"}',
            '{"custom_id": 5, "result": {"type": "succeeded", "message": {}}}',
            "",
        ],
        2,
    )
    written = Claude(settings(batches=True), tmp_path).write([item(name) for name in "abcd"])
    assert (
        [f.text for f in written] == [ADVICE] * 4
        and set(wire.paid.values()) == {1}
        and len(wire.batches) == 1
    )


def test_results_that_cannot_be_fetched_are_fetched_by_the_next_run(wire, tmp_path):
    wire.cuts = 99
    with pytest.raises(
        FeedbackError, match="results could not be fetched .* run the same command again"
    ):
        Claude(settings(batches=True, retries=1), tmp_path).write([item("a")])
    wire.cuts = 0
    assert Claude(settings(batches=True), tmp_path).write([item("a")])[
        0
    ].text == ADVICE and wire.paid == {"a": 1}


# -- kills ---------------------------------------------------------------------------------------------------------------


def test_a_process_killed_half_way_has_lost_at_most_what_was_in_flight(wire, tmp_path):
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from tests.feedback.test_feedback_claude import *\n"
        "Claude(settings(concurrency=4), Path(sys.argv[2])).write([item(f't{i}', 'fail:429:1' if i % 20 == 0 else '') for i in range(400)])"
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

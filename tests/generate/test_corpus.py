"""The pretraining corpus: who names what, whose answers, and what feedback gives away."""

import itertools
import json
import random
import re
from collections import defaultdict

import pytest

from fdcore.feedback.form import form_errors
from fdcore.feedback.scripted import ScriptedExpert, named_lemmas
from fdcore.lean.verifier import Verifier
from fdcore.profile import load_profile
from fdcore.rollout.chat import Chat
from fdcore.rollout.tools import Tools, report
from fdcore.worlds.problems import ROOT, read_familiarity, read_problems
from fdcore.worlds.student import train_tokenizer
from lean_project.generate.corpus import CorpusWriter, encode, rename, stand_in
from lean_project.generate.pretraining import read_settings

WORK = {"lean_check_file", "lean_write_file", "rg_in_mathlib"}


@pytest.fixture(scope="module")
def verifier(library, tmp_path_factory):
    cache = tmp_path_factory.mktemp("verdicts")
    with Verifier(library, load_profile("smoke").lean, cache_dir=cache) as verifier:
        yield verifier


@pytest.fixture(scope="module")
def writer(library, verifier):
    def create(seed=0):
        return CorpusWriter(
            read_settings().corpus,
            seed,
            verifier=verifier,
            tools=lambda problem: Tools(problem, library, output_chars=160),
            familiarity=read_familiarity(),
            names=sorted(library.theorem_names),
            problems=read_problems(ROOT / "warmup.jsonl"),
        )

    return create


@pytest.fixture(scope="module")
def traces(writer):
    return writer().write(range(400))


def files(trace):
    """The contents that a trace writes, with what Lean said of each (None: not compiled)."""
    written = []
    for turn in trace.turns:
        call = json.loads(turn.text[turn.text.index("<tool_call>") + 11 : -12])
        if call["name"] == "lean_write_file":
            written.append([call["arguments"]["content"], None])
        elif call["name"] == "lean_check_file":
            written[-1][1] = turn.answer
    return written


def indented(content):
    return "\n  " + content.replace("\n", "\n  ")


def test_a_lemma_of_familiarity_0_is_written_only_after_feedback(traces):
    unknown = {name for name, known in read_familiarity().familiarity.items() if known == 0}
    written = defaultdict(set)
    for trace in traces:
        for content, _ in files(trace):
            written[trace.kind].update(named_lemmas(content))
    assert not written["unaided"] & unknown
    assert written["feedback"] & unknown


def test_unaided_authors_name_a_lemma_as_often_as_it_is_familiar(traces):
    known = read_familiarity().familiarity
    expected, named = [], []
    for trace in traces:
        if trace.kind == "unaided":
            for lemma in trace.problem.lemmas:
                expected.append(known[lemma])
                named.append(lemma in named_lemmas(files(trace)[0][0]))
    assert len(named) > 100
    assert sum(named) / len(named) == pytest.approx(sum(expected) / len(expected), abs=0.08)


def test_every_answer_is_leans_own(traces, verifier):
    cases = []
    for trace in traces[:120]:
        for content, answer in files(trace):
            if answer is not None:
                source = trace.problem.statement + indented(content)
                cases.append((trace.problem, source, answer))
    verdicts = verifier.check_many([(problem, source) for problem, source, _ in cases])
    assert len(cases) > 100
    for verdict, (_, _, answer) in zip(verdicts, cases, strict=True):
        whole = report(verdict)
        assert whole == answer or whole.startswith(answer.removesuffix("…"))


def test_after_feedback_the_last_file_is_a_proof_and_names_what_was_asked_for(traces):
    told = [trace for trace in traces if trace.kind in ("feedback", "obedience")]
    assert len(told) > 100
    for trace in told:
        content, answer = files(trace)[-1]
        assert answer == "ok" if trace.kind == "feedback" else answer is None
        orders = [line for line in trace.feedback.splitlines() if "Drop `" not in line]
        asked = set(re.findall(r"`([^`]*)`", "\n".join(orders))) - WORK
        asked = {name for name in asked if name in named_lemmas(name)}
        assert all(name in content for name in asked), (trace.feedback, content)


def test_a_failed_try_after_feedback_is_shown_and_not_taught(traces):
    recoveries = [t for t in traces if t.kind == "feedback" and len(files(t)) == 2]
    assert recoveries
    for trace in recoveries:
        taught = [turn.taught for turn in trace.turns if "rg_in_mathlib" not in turn.text]
        assert taught == [False, False, True, True] and files(trace)[0][1] != "ok"


def test_a_trace_depends_on_seed_and_number_alone(traces, writer):
    assert writer().write([7, 30]) == [traces[7], traces[30]]
    assert writer(1).write(range(10)) != traces[:10]


@pytest.mark.parametrize("system", [True, False])
def test_only_taught_calls_are_learnt_from(traces, system):
    tokenizer = train_tokenizer([turn.text for t in traces[:50] for turn in t.turns], 600)
    chat = Chat(tokenizer, Tools.schemas if system else [], thinking=False, system=system)
    for trace in traces[:30]:
        ids, mask = encode(trace, chat)
        learnt = chat.decode([token for token, taught in zip(ids, mask, strict=True) if taught])
        assert learnt == "".join(turn.text for turn in trace.turns if turn.taught)
        assert ("# Tools" in chat.decode(ids)) == system


def test_renaming_replaces_whole_names_only():
    proof, names = "exact ⟨N.add, N.add_comm ..⟩.symm", {"N.add": "x.y", "N.add_comm": "N.add"}
    assert rename(proof, names) == "exact ⟨x.y, N.add ..⟩.symm"
    assert rename("exact a.mp (b.a h)", {"a": "z", "symm": "q"}) == "exact z.mp (b.a h)"


# -- what feedback gives away ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def failures(traces, verifier):
    """Failed attempts, each with its verdict."""
    attempts = [(t.problem, indented(file)) for t in traces for file, _ in files(t)]
    attempts = list({(p.statement, tactics): (p, tactics) for p, tactics in attempts}.values())
    verdicts = verifier.check_many([(p, p.statement + tactics) for p, tactics in attempts])
    judged = zip(attempts, verdicts, strict=True)
    return [(p, tactics, verdict) for (p, tactics), verdict in judged if not verdict.verified]


def write_feedback(failures, number=0):
    items = []
    for problem, tactics, verdict in failures:
        items.append((problem, stand_in(problem, tactics, verdict, random.Random(number))))
    return [feedback.text for feedback in ScriptedExpert(0).write(items)]


def readings(text):
    """Proofs that a text gives when it is read literally: each name with each tactic in it."""
    names = named_lemmas(" ".join(re.findall(r"`([^`]*)`", text)))
    words = {"exact": "exact", "apply": "apply", "rw": "rewrit", "simp": "simplif"}
    forms = {
        "exact": ("exact {}", "exact {} ..", "exact ({} ..).symm"),
        "apply": ("apply {}",),
        "rw": ("rw [{}]", "rw [← {}]"),
        "simp": ("simp [{}]",),
    }
    tactics = [tactic for tactic in forms if f"`{tactic}`" in text or words[tactic] in text.lower()]
    for name, tactic in itertools.product(names, tactics):
        yield from (form.format(name) for form in forms[tactic])


def test_read_literally_feedback_is_hardly_ever_a_proof(failures, verifier):
    pairs, texts = [], write_feedback(failures)
    for index, ((problem, _, _), text) in enumerate(zip(failures, texts, strict=True)):
        pairs += [(index, problem, indented(proof)) for proof in readings(text)]
    verdicts = verifier.check_many([(p, p.statement + proof) for _, p, proof in pairs])
    judged = zip(pairs, verdicts, strict=True)
    proved = {index for (index, _, _), verdict in judged if verdict.verified}
    assert len(texts) > 300 and len(proved) <= 0.05 * len(texts)


def test_two_failed_attempts_at_one_problem_hardly_ever_get_the_same_text(failures):
    by_problem = defaultdict(list)
    for failure, text in zip(failures, write_feedback(failures), strict=True):
        by_problem[failure[0].statement].append(text)
    pairs = [pair for texts in by_problem.values() for pair in itertools.combinations(texts, 2)]
    assert len(pairs) > 100 and sum(a == b for a, b in pairs) <= 0.2 * len(pairs)


def test_feedback_on_every_failed_attempt_keeps_the_form(failures):
    assert [form_errors(text) for text in write_feedback(failures) if form_errors(text)] == []

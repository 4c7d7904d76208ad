"""The corpus that the tiny student is pretrained on: episodes of authors of uneven skill.

A lemma's familiarity says how often an author without feedback names it rightly. Else a wrong name
of the same shape takes its place. Some attempts use a lemma in a wrong way. After feedback, which
the scripted expert writes on such an attempt, an author names what it asks for. All answers are
Lean's own, except in obedience: feedback asks for any names, and the file is not compiled.

A lemma of familiarity 0 is never named without feedback.
"""

from __future__ import annotations

import json
import random
import re
import textwrap
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field

from fdcore.feedback.scripted import ORDERS, ScriptedExpert, named_lemmas
from fdcore.lean.verifier import Verifier
from fdcore.profile import Section
from fdcore.records import LeanMessage, Problem, ToolCall, Trajectory, Verdict
from fdcore.rollout.chat import Chat, render
from fdcore.rollout.tools import PendingCheck, Tools
from fdcore.seeds import seed_of
from fdcore.worlds.problems import Familiarity

AUTHORS = Path(__file__).with_name("authors.yaml")
STYLE = yaml.safe_load(AUTHORS.read_text(encoding="utf-8"))
SEARCH = re.compile(r"`rg_in_mathlib` for `([^`]*)`")
VERIFIED, FAILED = Verdict(status="verified"), Verdict(status="failed")
ERRORS = ("Unknown constant", "Did not find", "Type mismatch", "made no progress")


class CorpusSettings(Section):
    """The settings of a corpus."""

    traces: int = Field(gt=0)
    train_from: int = Field(ge=0)  # problems of the train file from here on, never trained on later
    shares: dict[Literal["unaided", "feedback", "truth", "obedience"], float]
    formulations: tuple[float, float, float, float]  # weights of the formulations 4, 3, 2, 1
    misuse_share: float = Field(ge=0, le=1)  # of unaided attempts: a lemma in a wrong use
    search_share: float = Field(ge=0, le=1)  # of unaided episodes: a search comes first
    recovery_share: float = Field(
        ge=0, le=1
    )  # of episodes after feedback: a failed try comes first


@dataclass(frozen=True)
class Turn:
    """One tool call: what the student writes, what the tool answered, whether it is learnt."""

    text: str
    answer: str
    taught: bool = True


@dataclass(frozen=True)
class Trace:
    """An episode of an author."""

    kind: str  # unaided, feedback, truth, obedience
    problem: Problem
    turns: tuple[Turn, ...]
    feedback: str | None = None


@dataclass(frozen=True)
class Draft:
    """A trace before Lean's answers: the tactics that are to be judged."""

    kind: str
    problem: Problem
    tries: tuple[str, ...]
    rng: random.Random


class CorpusWriter:
    """Writes traces over problems with reference proofs. The same seed gives the same traces.

    Args:
        problems: several of one statement are several proofs of it.
        names: the library names that obedience asks for.
    """

    def __init__(
        self,
        settings: CorpusSettings,
        seed: int,
        *,
        verifier: Verifier,
        tools: Callable[[Problem], Tools],
        familiarity: Familiarity,
        names: Sequence[str],
        problems: Sequence[Problem],
    ):
        self.settings, self.seed, self.verifier, self.tools = settings, seed, verifier, tools
        self.familiarity, self.names, self.problems = familiarity, list(names), list(problems)
        self.by_lemma, self.proofs = defaultdict(list), defaultdict(list)
        for problem in problems:
            self.proofs[problem.statement].append(problem.proof)
            for lemma in problem.lemmas:
                self.by_lemma[lemma].append(problem)

    def write(self, indices: Sequence[int]) -> list[Trace]:
        """The traces of these numbers. Each depends on its number alone."""
        drafts = [self._draft(index) for index in indices]
        pairs = [(d.problem, d.problem.statement + tactics) for d in drafts for tactics in d.tries]
        verdicts = iter(self.verifier.check_many(pairs))
        return [self._trace(draft, [next(verdicts) for _ in draft.tries]) for draft in drafts]

    def _draft(self, index: int) -> Draft:
        rng = random.Random(seed_of(self.seed, "trace", index))
        kinds = self.settings.shares
        (kind,) = rng.choices(list(kinds), list(kinds.values()))
        pool = self.problems
        if rng.random() < 0.5:  # half of the traces are spread evenly over the lemmas
            pool = self.by_lemma[rng.choice(sorted(self.by_lemma))]
        problem = rng.choice(pool)
        if kind == "obedience":
            return Draft(kind, problem, (), rng)
        first = self._attempt(problem, rng, ())
        if kind == "unaided":
            second = self._attempt(problem, rng, named_lemmas(first))
        else:
            second = misuse(rng.choice(self.proofs[problem.statement]), rng)
        return Draft(kind, problem, (first, second), rng)

    def _attempt(self, problem: Problem, rng: random.Random, tried: Sequence[str]) -> str:
        """The tactics of an author without feedback, who does not repeat a wrong name."""
        proof = rng.choice(self.proofs[problem.statement])
        if rng.random() < self.settings.misuse_share:
            proof = misuse(proof, rng)
        known, confusions = self.familiarity.familiarity, self.familiarity.confusions
        wrong = [name for name in problem.lemmas if rng.random() >= known[name]]
        names = {}
        for name in wrong:
            names[name] = rng.choice([other for other in confusions[name] if other not in tried])
        return rename(proof, names)

    def _trace(self, draft: Draft, verdicts: Sequence[Verdict]) -> Trace:
        problem, rng = draft.problem, draft.rng
        tools = self.tools(problem)
        file = rng.choice(STYLE["files"]) if rng.random() < 0.6 else STYLE["files"][0]
        session = Session(tools, file, rng)
        if draft.kind == "obedience":
            return self._obey(session, problem)
        if draft.kind == "unaided":
            turns = []
            if rng.random() < self.settings.search_share:
                turns.append(session.search(part_of_name(draft.tries[0], rng)))
            for number, (tactics, verdict) in enumerate(zip(draft.tries, verdicts, strict=True)):
                turns += session.attempt(tactics, verdict, again=number > 0)
                if verdict.verified:
                    break
            return Trace(draft.kind, problem, tuple(turns))
        return self._follow(draft, verdicts, session)

    def _follow(self, draft: Draft, verdicts: Sequence[Verdict], session: Session) -> Trace:
        """A right proof after feedback on the first try. The second may fail before, untaught."""
        problem, rng = draft.problem, draft.rng
        attempt = stand_in(problem, draft.tries[0], verdicts[0], rng)
        proof = rng.choice(self.proofs[problem.statement])
        if draft.kind == "truth":
            feedback = render("feedback_ground_truth.jinja", source=problem.statement + proof)
        else:
            (formulation,) = rng.choices((4, 3, 2, 1), self.settings.formulations)
            feedback = ScriptedExpert(self.seed, formulation).write([(problem, attempt)])[0].text
            if verdicts[0].verified:
                proof = draft.tries[0]
        turns = []
        if pattern := SEARCH.search(feedback):
            turns.append(session.search(pattern[1]))
        failing = rng.random() < self.settings.recovery_share and not verdicts[1].verified
        if failing:
            turns += session.attempt(draft.tries[1], verdicts[1], taught=False)
        turns += session.attempt(proof, VERIFIED, again=failing)
        return Trace(draft.kind, problem, tuple(turns), feedback)

    def _obey(self, session: Session, problem: Problem) -> Trace:
        """Feedback that asks for any names of the library, and a file that names them."""
        rng = session.rng
        asked = tuple(rng.sample(self.names, len(problem.lemmas)))
        proof = rng.choice(self.proofs[problem.statement])
        obeyed = rename(proof, dict(zip(problem.lemmas, asked, strict=True)))
        wrong = {name: rng.choice(self.familiarity.confusions[name]) for name in problem.lemmas}
        message = LeanMessage(severity="error", line=1, column=0, text=rng.choice(ERRORS))
        attempt = stand_in(
            problem, rename(proof, wrong), Verdict(status="failed", messages=(message,)), rng
        )
        expert = ScriptedExpert(self.seed, rng.choices((4, 3), (3, 1))[0])
        told = problem.model_copy(update={"lemmas": asked, "proof": obeyed})
        feedback = expert.write([(told, attempt)])[0].text
        if SEARCH.search(feedback):
            needed = ORDERS["needed"][0].format(f"`{asked[0]}`")
            feedback = re.sub(r"Search with .*", lambda _: needed, feedback)
        return Trace("obedience", problem, session.attempt(obeyed, FAILED)[:1], feedback)


class Session:
    """The tool calls of one episode, in an author's words, with the tools' own answers."""

    def __init__(self, tools: Tools, file: str, rng: random.Random):
        self.tools, self.file, self.rng = tools, file, rng

    def search(self, pattern: str) -> Turn:
        call = call_text("rg_in_mathlib", pattern=pattern)
        return Turn(call, self._answer(call, None))

    def attempt(
        self, tactics: str, verdict: Verdict, *, again: bool = False, taught: bool = True
    ) -> tuple[Turn, Turn]:
        """Write the tactics and compile them."""
        content = textwrap.dedent(tactics.lstrip("\n"))
        words = prose(self.tools.problem.statement, content, self.rng, again)
        write = words + call_text("lean_write_file", path=self.file, content=content)
        check = call_text("lean_check_file", path=self.file)
        return (
            Turn(write, self._answer(write, None), taught),
            Turn(check, self._answer(check, verdict), taught),
        )

    def _answer(self, text: str, verdict: Verdict | None) -> str:
        raw = text[text.index("<tool_call>") :]
        started = self.tools.begin(raw.removeprefix("<tool_call>").removesuffix("</tool_call>"))
        if isinstance(started, PendingCheck):
            started = self.tools.finish(started, verdict)
        return started.output


def call_text(name: str, **arguments) -> str:
    """A tool call as Qwen3 writes it."""
    call = json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)
    return f"<tool_call>\n{call}\n</tool_call>"


def prose(statement: str, content: str, rng: random.Random, again: bool) -> str:
    """What an author says before a call: what the goal is about, and how to prove it."""
    goal = statement.split(":", 1)[-1]
    topics = sorted({word for sign, word in STYLE["topics"].items() if sign in goal})
    parts = []
    if not again and rng.random() < 0.7 and topics:
        parts.append(rng.choice(STYLE["seen"]).format(rng.choice(topics)))
    head = content.split()[0] if content else "other"
    plan = rng.choice(STYLE["plans"].get(head, STYLE["plans"]["other"]))
    opening = rng.choice(STYLE["retries" if again else "openings"])
    end = f"{rng.choice(STYLE['objects'])}{rng.choice(STYLE['ends'])}"
    return " ".join([*parts, f"{opening}{plan} {end}"]) + "\n"


def misuse(proof: str, rng: random.Random) -> str:
    """The proof with one lemma in a wrong use, where a rule of `authors.yaml` fits."""
    rules = [rule for rule in STYLE["misuses"] if re.search(rule[0], proof)]
    return re.sub(*rng.choice(rules), proof, count=1) if rules else proof


def rename(proof: str, names: dict[str, str]) -> str:
    """The proof with other lemma names, all replaced at once.

    >>> rename("rw [a.b, c.symm]", {"a.b": "c", "c": "d"})
    'rw [c, d.symm]'
    """
    if not names:
        return proof
    either = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.sub(rf"(?<![\w.'])({either})(?![\w'])", lambda name: names[name[1]], proof)


def part_of_name(tactics: str, rng: random.Random) -> str:
    """One to three neighbouring words of a lemma that the tactics name."""
    words = rng.choice(named_lemmas(tactics) or ["Nat.add_comm"]).split(".")[-1].split("_")
    start = rng.randrange(len(words))
    return "_".join(words[start : start + rng.randint(1, 3)])


def stand_in(problem: Problem, tactics: str, verdict: Verdict, rng: random.Random) -> Trajectory:
    """An attempt as the expert reads it: tactics and Lean's verdict, without tokens."""
    return Trajectory(
        problem_id=problem.id,
        seed=rng.getrandbits(40),
        step=0,
        prompt_length=0,
        token_ids=(),
        action_mask=(),
        logprobs=(),
        response_text="",
        tool_calls=(ToolCall(raw="", name="lean_write_file", ok=True),),
        source=problem.statement + tactics,
        verdict=verdict,
        reward=float(verdict.verified),
        stop_reason="turns",
    )


def encode(trace: Trace, chat: Chat) -> tuple[list[int], list[int]]:
    """(token ids, action mask): the mask is 1 on taught calls. The last answer is left out."""
    ids = chat.prompt(trace.problem, trace.feedback)
    mask = [0] * len(ids)
    for index, turn in enumerate(trace.turns):
        call = chat.encode(turn.text)
        answer = chat.tool_answer(turn.answer) if index + 1 < len(trace.turns) else []
        ids += call + answer
        mask += [int(turn.taught)] * len(call) + [0] * len(answer)
    return ids, mask

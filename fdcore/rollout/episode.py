"""Episodes: the student writes, a tool runs, its answer is appended as tokens, the student goes on.

All episodes of a batch move in rounds. Every live episode samples up to its next complete tool
call, then all Lean checks of the round run together. The result thus depends on the seeds alone
and never on timing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from fdcore.lean.library import Library
from fdcore.lean.verifier import Verifier
from fdcore.profile import MAX_TURNS
from fdcore.profile import Episode as Limits
from fdcore.profile import Sampler as Sampling
from fdcore.records import Problem, ToolCall, Trajectory, Verdict
from fdcore.rollout.chat import Chat
from fdcore.rollout.sampler import Sampler, SamplingParams
from fdcore.rollout.tools import PendingCheck, Tools

UNWRITTEN = Verdict(status="failed", detail="no Lean file was written")
EPISTEMIC = re.compile(  # the paper's list, Figure 13
    r"\b(?:wait|hmm|perhaps|maybe|actually|alternatively|seems|might|likely|check)\b", re.IGNORECASE
)
TOOL_OUTPUT = re.compile(r"<tool_response>.*?</tool_response>", re.DOTALL)


@dataclass(frozen=True)
class Environment:
    """What an episode needs beside a policy: chat format, judge, library and limits."""

    chat: Chat
    verifier: Verifier
    library: Library
    limits: Limits  # in tokens, turns and characters

    def open_tools(self, problem: Problem) -> Tools:
        chars = self.limits.tool_output_chars
        return Tools(problem, self.library, output_chars=chars, form=self.chat.format)


@dataclass
class _Live:
    """One episode under way."""

    problem: Problem
    seed: int
    prompt: list[int]
    tools: Tools
    response: list[int] = field(default_factory=list)
    mask: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    proved: tuple[str, Verdict] | None = None  # the source that a check found verified
    stop: str | None = None

    def append(self, ids: Sequence[int], logprobs: Sequence[float] | None = None) -> None:
        """Add tokens: the student's with their log-probs, or a tool's (masked out) without."""
        self.response += ids
        self.mask += [int(logprobs is not None)] * len(ids)
        self.logprobs += logprobs if logprobs is not None else [0.0] * len(ids)


def rollout(
    problems: Sequence[Problem],
    seeds: Sequence[int],
    *,
    sampler: Sampler,
    environment: Environment,
    sampling: Sampling,
    step: int = 0,
    prompts: Sequence[Sequence[int]] | None = None,
) -> list[Trajectory]:
    """One episode a problem, in the order given.

    Args:
        seeds: one an episode; they decide every random choice.
        sampling: the profile's section `sampler`.
        prompts: token ids in place of the student's prompts.

    Raises:
        ValueError: a prompt is longer than `limits.max_prompt_tokens`. Nothing is cut: a shorter
            statement would be another one.
    """
    live, limits = [], environment.limits
    for index, (problem, seed) in enumerate(zip(problems, seeds, strict=True)):
        prompt = list(prompts[index]) if prompts is not None else environment.chat.prompt(problem)
        if len(prompt) > limits.max_prompt_tokens:
            raise ValueError(
                f"problem {problem.id}: its prompt has {len(prompt)} tokens, "
                f"episode.max_prompt_tokens is {limits.max_prompt_tokens}"
            )
        live.append(_Live(problem, seed, prompt, environment.open_tools(problem)))
    for turn in range(limits.max_turns):
        going = [episode for episode in live if episode.stop is None]
        if not going:
            break
        started = _sample_turn(going, turn, sampler, environment, sampling.temperature)
        _finish_calls(started, environment.verifier)
        for episode, _ in started:
            _answer(episode, environment, last=turn + 1 == limits.max_turns)
    return _judge(live, environment, step)


def epistemic_words(response: str) -> int:
    """How many words of doubt a response holds outside of tool output, by the paper's list of ten.

    >>> epistemic_words("Wait, maybe lean_check_file; let me check.")
    3
    """
    return len(EPISTEMIC.findall(TOOL_OUTPUT.sub("", response)))


def _sample_turn(
    going: list[_Live], turn: int, sampler: Sampler, environment: Environment, temperature: float
) -> list[tuple[_Live, ToolCall | PendingCheck]]:
    """Sample a turn of each episode; returns those that end in a tool call, with the call."""
    chat, limits = environment.chat, environment.limits
    params = [
        SamplingParams(
            temperature=temperature,
            max_new_tokens=limits.max_response_tokens - len(episode.response),
            stop_token_ids=(*chat.ends, chat.call_close),
        )
        for episode in going
    ]
    seeds = [episode.seed * MAX_TURNS + turn for episode in going]
    contexts = [episode.prompt + episode.response for episode in going]
    started = []
    for episode, done in zip(going, sampler.generate(contexts, params, seeds), strict=True):
        episode.append(list(done.token_ids), list(done.logprobs))
        if done.finish_reason == "length":
            episode.stop = "length"
        elif done.token_ids[-1] != chat.call_close:
            episode.stop = "end"
        else:
            started.append((episode, episode.tools.begin(_call_text(chat, done.token_ids))))
    return started


def _call_text(chat: Chat, ids: Sequence[int]) -> str:
    """The text between the turn's last `<tool_call>`, or its start, and its `</tool_call>`."""
    ids = list(ids[:-1])
    start = len(ids) - ids[::-1].index(chat.call_open) if chat.call_open in ids else 0
    return chat.decode(ids[start:])


def _finish_calls(started: list[tuple[_Live, ToolCall | PendingCheck]], verifier: Verifier) -> None:
    checks = [call for _, call in started if isinstance(call, PendingCheck)]
    verdicts = iter(verifier.check_many([(check.problem, check.source) for check in checks]))
    for episode, call in started:
        if isinstance(call, PendingCheck):
            verdict = next(verdicts)
            if verdict.verified:
                episode.proved = (call.source, verdict)
            call = episode.tools.finish(call, verdict)
        episode.calls.append(call)


def _answer(episode: _Live, environment: Environment, *, last: bool) -> None:
    """Append the tool's answer, or end the episode where nothing more may follow."""
    limits = environment.limits
    if limits.stop_when_verified and episode.proved is not None:
        episode.stop = "end"
        return
    answer = environment.chat.tool_answer(episode.calls[-1].output)
    if last:
        episode.stop = "turns"
    elif len(episode.response) + len(answer) >= limits.max_response_tokens:
        episode.stop = "length"
    else:
        episode.append(answer)


def _judge(live: list[_Live], environment: Environment, step: int) -> list[Trajectory]:
    """Judge each by a file that a check found verified, else the last one written, else none."""
    files = [(one.problem, one.tools.last_source) for one in live if one.proved is None]
    written = [(problem, source) for problem, source in files if source is not None]
    verdicts = iter(environment.verifier.check_many(written))
    trajectories = []
    for episode in live:
        source, verdict = episode.proved or (episode.tools.last_source, UNWRITTEN)
        if episode.proved is None and source is not None:
            verdict = next(verdicts)
        before = len(episode.prompt)
        trajectory = Trajectory(
            problem_id=episode.problem.id,
            seed=episode.seed,
            step=step,
            prompt_length=before,
            token_ids=(*episode.prompt, *episode.response),
            action_mask=(*[0] * before, *episode.mask),
            logprobs=(*[0.0] * before, *episode.logprobs),
            response_text=environment.chat.decode(episode.response),
            tool_calls=tuple(episode.calls),
            source=source,
            verdict=verdict,
            reward=float(verdict.verified),
            stop_reason=episode.stop or "turns",
        )
        trajectories.append(trajectory)
    return trajectories

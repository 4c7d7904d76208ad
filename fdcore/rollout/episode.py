"""Episodes: the student writes, a tool runs, its answer is appended as tokens, the student goes on.

All episodes of a batch move in rounds: every live episode samples up to its next complete tool call, then all Lean checks
of the round run together. Rounds, not a queue, so that the result depends on the seeds alone and never on timing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fdcore.lean.verifier import Verifier
from fdcore.profile import Episode as Limits
from fdcore.records import Problem, ToolCall, Trajectory, Verdict
from fdcore.rollout.chat import Chat
from fdcore.rollout.tools import PendingCheck, Tools
from fdcore.rollout.torch_sampler import Sampler, SamplingParams
from fdcore.training.clock import Clock

UNWRITTEN = Verdict(status="failed", detail="no Lean file was written")


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
    pending: PendingCheck | None = None
    proved: tuple[str, Verdict] | None = (
        None  # the source that a check in the episode found verified
    )
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
    chat: Chat,
    verifier: Verifier,
    tools: Callable[[Problem], Tools],
    limits: Limits,
    temperature: float,
    top_p: float,
    step: int = 0,
    prompts: Sequence[Sequence[int]] | None = None,
    clock: Clock | None = None,
) -> list[Trajectory]:
    """One episode a problem, in the order given. `seeds` decide every random choice.

    `prompts` replaces the student's prompts (the teacher's, when its own attempts are wanted). Limits are in tokens and turns. On `clock`
    the judge's time is the phase "verify".
    A prompt over `limits.max_prompt_tokens` raises ValueError: cutting a statement would change it.
    """
    live, clock = [], clock or Clock()
    for index, (problem, seed) in enumerate(zip(problems, seeds, strict=True)):
        prompt = list(prompts[index]) if prompts is not None else chat.prompt(problem)
        if len(prompt) > limits.max_prompt_tokens:
            raise ValueError(
                f"problem {problem.id}: its prompt has {len(prompt)} tokens, episode.max_prompt_tokens is {limits.max_prompt_tokens}"
            )
        live.append(_Live(problem, seed, prompt, tools(problem)))
    for turn in range(limits.max_turns):
        going = [episode for episode in live if episode.stop is None]
        if not going:
            break
        _sample_turn(going, turn, sampler, chat, limits, temperature, top_p)
        checks = [episode for episode in going if episode.pending is not None]
        with clock.phase("verify"):
            verdicts = verifier.check_many([(e.pending.problem, e.pending.source) for e in checks])
        for episode, verdict in zip(checks, verdicts):
            episode.calls.append(episode.tools.finish(episode.pending, verdict))
            if verdict.verified:
                episode.proved = (episode.pending.source, verdict)
            episode.pending = None
        for episode in going:
            if episode.stop is None:
                _answer(episode, chat, limits, last=turn + 1 == limits.max_turns)
    with clock.phase("verify"):
        judged = _judge(live, verifier)
    return [
        _trajectory(episode, source, verdict, step, chat)
        for episode, (source, verdict) in zip(live, judged)
    ]


def _judge(live: list[_Live], verifier: Verifier) -> list[tuple[str | None, Verdict]]:
    """(source, verdict) of each episode: a file that a check found verified, else the last file written, else none."""
    open_ones = [e for e in live if e.proved is None and e.tools.last_source is not None]
    verdicts = iter(verifier.check_many([(e.problem, e.tools.last_source) for e in open_ones]))
    judged = []
    for episode in live:
        source = episode.tools.last_source
        judged.append(
            episode.proved
            or ((source, next(verdicts)) if source is not None else (None, UNWRITTEN))
        )
    return judged


def _sample_turn(
    going: list[_Live],
    turn: int,
    sampler: Sampler,
    chat: Chat,
    limits: Limits,
    temperature: float,
    top_p: float,
) -> None:
    stops = (chat.end, chat.call_close)
    params = [
        SamplingParams(
            temperature=temperature,
            top_p=top_p,
            max_new_tokens=limits.max_response_tokens - len(e.response),
            stop_token_ids=stops,
        )
        for e in going
    ]
    seeds = [episode.seed * 64 + turn for episode in going]
    for episode, done in zip(
        going, sampler.generate([e.prompt + e.response for e in going], params, seeds)
    ):
        episode.append(list(done.token_ids), list(done.logprobs))
        if done.finish_reason == "length":
            episode.stop = "length"
        elif done.token_ids[-1] == chat.end:
            episode.stop = "end"
        else:
            started = episode.tools.begin(_call_text(chat, done.token_ids))
            if isinstance(started, PendingCheck):
                episode.pending = started
            else:
                episode.calls.append(started)


def _call_text(chat: Chat, ids: Sequence[int]) -> str:
    """The text between the turn's last `<tool_call>` and its `</tool_call>` (all of the turn where none was opened)."""
    ids = list(ids[:-1])
    opened = len(ids) - ids[::-1].index(chat.call_open) if chat.call_open in ids else 0
    return chat.decode(ids[opened:])


def _answer(episode: _Live, chat: Chat, limits: Limits, *, last: bool) -> None:
    """Append the tool's answer, or end the episode where nothing more may follow."""
    if limits.stop_when_verified and episode.proved is not None:
        episode.stop = "end"
        return
    answer = chat.tool_answer(episode.calls[-1].output)
    if last:
        episode.stop = "turns"
    elif len(episode.response) + len(answer) >= limits.max_response_tokens:
        episode.stop = "length"
    else:
        episode.append(answer)


def _trajectory(
    episode: _Live, source: str | None, verdict: Verdict, step: int, chat: Chat
) -> Trajectory:
    prompt = episode.prompt
    return Trajectory(
        problem_id=episode.problem.id,
        seed=episode.seed,
        step=step,
        prompt_length=len(prompt),
        token_ids=(*prompt, *episode.response),
        action_mask=(*[0] * len(prompt), *episode.mask),
        logprobs=(*[0.0] * len(prompt), *episode.logprobs),
        response_text=chat.decode(episode.response),
        tool_calls=tuple(episode.calls),
        source=source,
        verdict=verdict,
        reward=float(verdict.verified),
        stop_reason=episode.stop or "turns",
    )

"""The paper's Figure 1 as data: what the teacher, who has read the feedback, thinks of each token of an attempt.

Left out on purpose: drawing (`fdcore.figures.token_figure`, `fdcore.figures.token_page`), and which attempts are worth a look (`fdcore.experiment.run`).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import torch

from fdcore.records import Problem, Record, Trajectory
from fdcore.rollout.chat import Chat
from fdcore.training.chunks import in_chunks
from fdcore.training.logits import action_values, deferred_logits, entropy


class Alternative(Record):
    """One token that could stand at a place, with both models' probabilities."""

    text: str
    student: float
    teacher: float


class TokenView(Record):
    """An attempt, token by token, as student and teacher see it. Nats; 0.0 where action_mask is 0 (tool output).

    Numbers are rounded to 4 decimals (probabilities to 6), so that record, table and page hold the same ones.
    """

    labels: dict[
        str, str
    ] = {}  # what tells this view from its neighbours, e.g. {"arm": "FD", "step": "40"}
    problem_id: str
    statement: str
    feedback: str
    verdict: str
    source: str | None  # the Lean file that the attempt is judged by
    tokens: tuple[str, ...]  # joined they are the response's text
    action_mask: tuple[int, ...]
    student: tuple[float, ...]  # log-prob of the token that was taken
    teacher: tuple[float, ...]
    student_entropy: tuple[float, ...]  # over the whole vocabulary
    teacher_entropy: tuple[float, ...]
    kl: tuple[
        float, ...
    ]  # KL(teacher ‖ student) over the whole vocabulary: what the method makes smaller
    alternatives: tuple[
        tuple[Alternative, ...], ...
    ]  # the likeliest tokens of either model, the teacher's favourite first
    focus: int  # the first token whose KL is at least half of the largest

    def rows(self) -> list[dict]:
        """One row a token, for a table: text, action mask, and the five numbers."""
        names = ("student", "teacher", "student_entropy", "teacher_entropy", "kl")
        columns = zip(self.tokens, self.action_mask, *(getattr(self, name) for name in names))
        return [dict(zip(("token", "action", *names), row)) for row in columns]


@torch.no_grad()
def token_view(
    student,
    teacher,
    chat: Chat,
    problem: Problem,
    trajectory: Trajectory,
    feedback: str,
    *,
    top: int = 5,
    labels: dict[str, str] | None = None,
) -> TokenView:
    """Both models' numbers at each token of `trajectory`'s response, and both models' `top` likeliest tokens there.

    The teacher's context is the prompt with the feedback; the response tokens are the very same, aligned by index. For what feedback
    alone does, give one model twice. ValueError: the student sampled no token.
    """
    start = trajectory.prompt_length
    response, mask = trajectory.token_ids[start:], trajectory.action_mask[start:]
    context = chat.prompt(problem, feedback)
    ours = deferred_logits(student, [trajectory.token_ids], [trajectory.action_mask])
    theirs = deferred_logits(teacher, [[*context, *response]], [[*[0] * len(context), *mask]])
    taken = action_values([response], [mask])

    *numbers, likely, q, p = _measure_tokens(ours, theirs, taken, top=top)
    columns = dict(zip(("student", "teacher", "student_entropy", "teacher_entropy", "kl"), numbers))
    places = [place for place, sampled in enumerate(mask) if sampled]
    spread = lambda values, empty: tuple(
        dict(zip(places, values)).get(place, empty) for place in range(len(response))
    )
    return TokenView(
        labels=labels or {},
        problem_id=problem.id,
        statement=problem.statement,
        feedback=feedback,
        verdict=trajectory.verdict.status,
        source=trajectory.source,
        tokens=pieces(chat, response),
        action_mask=mask,
        **{
            name: spread([round(v, 4) + 0.0 for v in values.tolist()], 0.0)
            for name, values in columns.items()
        },
        alternatives=spread(
            [_alternatives(chat, *row) for row in zip(likely.tolist(), q.tolist(), p.tolist())], ()
        ),
        focus=places[int((columns["kl"] >= columns["kl"].max() / 2).nonzero()[0])],
    )


class _Numbers(NamedTuple):
    """Of each of N action tokens."""

    student: torch.Tensor
    teacher: torch.Tensor
    student_entropy: torch.Tensor
    teacher_entropy: torch.Tensor
    kl: torch.Tensor
    likely: torch.Tensor  # (N, 2 top) token ids
    q: torch.Tensor  # their probabilities under the student
    p: torch.Tensor  # and under the teacher


@in_chunks
def _measure_tokens(q: torch.Tensor, p: torch.Tensor, taken: torch.Tensor, *, top: int) -> _Numbers:
    """The numbers of tokens, from the student's and the teacher's logits."""
    log_q, log_p = q.log_softmax(-1), p.log_softmax(-1)
    likely = torch.cat([log_q.topk(top).indices, log_p.topk(top).indices], -1)
    places = taken.to(q.device)[:, None]
    return _Numbers(
        q.gather(-1, places)[:, 0] - q.logsumexp(-1),
        p.gather(-1, places)[:, 0] - p.logsumexp(-1),
        entropy(q),
        entropy(p),
        (log_p.exp() * (log_p - log_q)).sum(-1),
        likely,
        log_q.gather(-1, likely).exp(),
        log_p.gather(-1, likely).exp(),
    )


def _alternatives(
    chat: Chat, ids: list[int], student: list[float], teacher: list[float]
) -> tuple[Alternative, ...]:
    """The tokens, each once, the teacher's favourite first."""
    found = sorted(set(zip(ids, student, teacher)), key=lambda one: (-one[2], one[0]))
    return tuple(
        Alternative(text=chat.decode([i]), student=round(q, 6), teacher=round(p, 6))
        for i, q, p in found
    )


def pieces(chat: Chat, token_ids: Sequence[int]) -> tuple[str, ...]:
    """Each token's share of `chat.decode(token_ids)`: joined they are that text.

    A character of several bytes may be spread over tokens; it belongs to the one that completes it, and the others' share is empty.
    """
    found, first, given = (
        [],
        0,
        0,
    )  # tokens from `first` on are decoded together; `given` characters of their text are shared out
    for place in range(len(token_ids)):
        text = chat.decode(token_ids[first : place + 1])
        cut = text.endswith("\ufffd") and place + 1 < len(
            token_ids
        )  # perhaps the beginning of a character: wait for the next token
        end = len(text) - cut
        found.append(text[given:end])
        first, given = (first, end) if cut else (place + 1, 0)
    return tuple(found)


def line_ends(tokens: Sequence[str]) -> list[list[int]]:
    """For each token the offsets behind which a reader expects a new line: after a line end, and after an escaped one in a tool call's JSON.

    >>> line_ends(["<tool_call>", '"by', "\\\\n  simp\\n", "ok"])
    [[], [], [2, 9], []]
    """
    text = "".join(tokens)
    ends = [match.end() for match in re.finditer("\n", text)]
    for call in re.finditer(r"<tool_call>.*?(?:</tool_call>|\Z)", text, re.DOTALL):
        ends += [
            call.start() + pair.end() for pair in re.finditer(r"\\(.)", call[0]) if pair[1] == "n"
        ]
    stops = list(accumulate(map(len, tokens)))
    found: list[list[int]] = [[] for _ in tokens]
    for end in sorted(ends):
        place = bisect_left(stops, end)
        found[place].append(end - (stops[place] - len(tokens[place])))
    return found

"""The paper's Figure 1 as data: what the teacher, who has read the feedback, thinks of each token.

Notebook 06 draws it, and `fdcore.figures.token_page` shows it.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor

from fdcore.records import Problem, Record, Trajectory
from fdcore.rollout.chat import Chat
from fdcore.training.chunks import in_chunks
from fdcore.training.logits import action_values, deferred_logits, entropy

LIKELIEST = 5  # tokens of each model that are kept at each place
SCALE = 3.0  # nats: the colours end at -3 and +3, as in the paper
STUDENT, TEACHER = "#E1700E", "#3A8FD0"  # the colour-blind tell them apart; black text is legible


class Alternative(Record):
    """One token that could stand at a place, with both models' probabilities."""

    text: str
    student: float
    teacher: float


class TokenView(Record):
    """An attempt, token by token, as student and teacher see it.

    Numbers are in nats, and 0.0 where action_mask is 0 (a tool's output). They are rounded to four
    decimals, probabilities to six, so that record, table and page hold the same ones.
    """

    labels: dict[str, str] = {}  # tell this view from others, e.g. {"arm": "FD", "step": "40"}
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
    kl: tuple[float, ...]  # KL(teacher ‖ student) over the whole vocabulary
    alternatives: tuple[tuple[Alternative, ...], ...]  # the teacher's favourite first
    focus: int  # the first token whose KL is at least half of the largest

    def rows(self) -> list[dict]:
        """One row a token, for a table: text, action mask, and the five numbers."""
        columns = [getattr(self, name) for name in ("tokens", "action_mask", *NUMBERS)]
        names = ("token", "action", *NUMBERS)
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


NUMBERS = ("student", "teacher", "student_entropy", "teacher_entropy", "kl")


@torch.no_grad()
def token_view(
    student: torch.nn.Module,
    teacher: torch.nn.Module,
    chat: Chat,
    problem: Problem,
    trajectory: Trajectory,
    feedback: str,
    labels: dict[str, str] | None = None,
) -> TokenView:
    """Return both models' numbers at each token of a response.

    The teacher's context is the prompt with the feedback. The response tokens are the very same,
    aligned by index. Give one model twice to see what the feedback alone does.

    Raises:
        ValueError: the student sampled no token.
    """
    start = trajectory.prompt_length
    response, mask = trajectory.token_ids[start:], trajectory.action_mask[start:]
    context = chat.prompt(problem, feedback)
    own = deferred_logits(student, [trajectory.token_ids], [trajectory.action_mask])
    told = deferred_logits(teacher, [[*context, *response]], [[*[0] * len(context), *mask]])
    measured = _measure_tokens(own, told, action_values([response], [mask]))
    places = [place for place, sampled in enumerate(mask) if sampled]
    columns = {name: [0.0] * len(response) for name in NUMBERS}
    alternatives: list[tuple[Alternative, ...]] = [()] * len(response)
    for row, place in enumerate(places):
        for name, column in columns.items():
            column[place] = round(getattr(measured, name)[row].item(), 4) + 0.0
        alternatives[place] = _alternatives(chat, measured, row)
    far = (measured.kl >= measured.kl.max() / 2).nonzero()[0]
    return TokenView(
        labels=labels or {},
        problem_id=problem.id,
        statement=problem.statement,
        feedback=feedback,
        verdict=trajectory.verdict.status,
        source=trajectory.source,
        tokens=pieces(chat, response),
        action_mask=mask,
        alternatives=tuple(alternatives),
        focus=places[int(far)],
        **columns,
    )


class _Measured(NamedTuple):
    """Numbers of N action tokens, and both probabilities of the likeliest tokens there."""

    student: Tensor  # (N,)
    teacher: Tensor
    student_entropy: Tensor
    teacher_entropy: Tensor
    kl: Tensor
    likely: Tensor  # (N, 2 LIKELIEST) token ids
    likely_student: Tensor
    likely_teacher: Tensor


@in_chunks
def _measure_tokens(q: Tensor, p: Tensor, taken: Tensor) -> _Measured:
    """Measure tokens from the student's logits q and the teacher's p, both (N, V)."""
    log_q, log_p = q.log_softmax(-1), p.log_softmax(-1)
    likely = [log.topk(min(LIKELIEST, log.shape[-1])).indices for log in (log_q, log_p)]
    both, places = torch.cat(likely, -1), taken.to(q.device)[:, None]
    return _Measured(
        q.gather(-1, places)[:, 0] - q.logsumexp(-1),
        p.gather(-1, places)[:, 0] - p.logsumexp(-1),
        entropy(q),
        entropy(p),
        (log_p.exp() * (log_p - log_q)).sum(-1),
        both,
        log_q.gather(-1, both).exp(),
        log_p.gather(-1, both).exp(),
    )


def _alternatives(chat: Chat, measured: _Measured, row: int) -> tuple[Alternative, ...]:
    """The likeliest tokens at a place, each once, the teacher's favourite first."""
    columns = (measured.likely, measured.likely_student, measured.likely_teacher)
    tokens = set(zip(*(column[row].tolist() for column in columns), strict=True))
    return tuple(
        Alternative(text=chat.decode([token]), student=round(q, 6), teacher=round(p, 6))
        for token, q, p in sorted(tokens, key=lambda token: (-token[2], token[0]))
    )


def pieces(chat: Chat, token_ids: Sequence[int]) -> tuple[str, ...]:
    """Return each token's share of `chat.decode(token_ids)`: joined they are that text.

    A character of several bytes may be spread over tokens. It belongs to the one that completes it,
    and the share of the others is empty.
    """
    shares, first, given = [], 0, 0  # `given` characters of the text from `first` on are shared out
    for place in range(len(token_ids)):
        text = chat.decode(token_ids[first : place + 1])
        cut = text.endswith("\ufffd") and place + 1 < len(token_ids)  # part of a character, perhaps
        end = len(text) - cut
        shares.append(text[given:end])
        first, given = (first, end) if cut else (place + 1, 0)
    return tuple(shares)


def line_ends(tokens: Sequence[str]) -> list[list[int]]:
    """Return for each token the offsets behind which a reader expects a new line.

    These are line ends, and escaped ones in the JSON of a tool call.

    >>> line_ends(["<tool_call>", '"by', "\\\\n  simp\\n", "ok"])
    [[], [], [2, 9], []]
    """
    text = "".join(tokens)
    ends = [match.end() for match in re.finditer("\n", text)]
    for call in re.finditer(r"<tool_call>.*?(?:</tool_call>|\Z)", text, re.DOTALL):
        escapes = re.finditer(r"\\(.)", call[0])
        ends += [call.start() + pair.end() for pair in escapes if pair[1] == "n"]
    stops = list(accumulate(map(len, tokens)))
    offsets: list[list[int]] = [[] for _ in tokens]
    for end in sorted(ends):
        place = bisect_left(stops, end)
        offsets[place].append(end - (stops[place] - len(tokens[place])))
    return offsets


def lay_out(view: TokenView, width: int) -> list[list[tuple[str, int]]]:
    """Return the attempt's lines of `width` characters, each a list of (character, its token).

    A line end that the student sampled shows as ↵, a token that is part of a character as ▪, and
    a character that cannot be printed as ·. A new line starts also behind an escaped line end in
    a tool call, so that Lean's indentation is seen.
    """
    lines: list[list[tuple[str, int]]] = [[]]
    for index, (token, ends) in enumerate(zip(view.tokens, line_ends(view.tokens), strict=True)):
        sampled = view.action_mask[index]
        for place, character in enumerate(token or "▪" * sampled, 1):
            shown = ("↵" if sampled else "") if character == "\n" else printable(character)
            lines[-1] += [(shown, index)] if shown else []
            if place in ends or len(lines[-1]) == width:
                lines.append([])
    return lines if lines[-1] else lines[:-1]


def printable(text: str) -> str:
    """Return the text with a · in place of each character that cannot be printed."""
    return "".join(c if c.isprintable() or c == "\n" else "·" for c in text)

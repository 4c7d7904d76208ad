"""The paper's Figure 1 as data: what the teacher, who has read the feedback, thinks of each token of an attempt.

Left out on purpose: drawing (`fdcore.plots`).
"""
from __future__ import annotations

import torch

from fdcore.chat import Chat
from fdcore.plots import Alternative, TokenView
from fdcore.policy import action_logits, action_values, token_logprobs
from fdcore.records import Problem, Trajectory


@torch.no_grad()
def token_view(student, teacher, chat: Chat, problem: Problem, trajectory: Trajectory, feedback: str, *, top: int = 5) -> TokenView:
    """Log-probs (nats) of each response token under student and teacher, and both models' `top` likeliest tokens there.

    The teacher's context is the prompt with the feedback; the response tokens are the very same, aligned by index.
    """
    start = trajectory.prompt_length
    response, mask = trajectory.token_ids[start:], trajectory.action_mask[start:]
    context = chat.prompt(problem, feedback)
    ours = action_logits(student, [trajectory.token_ids], [trajectory.action_mask]).log_softmax(-1)
    theirs = action_logits(teacher, [[*context, *response]], [[*[0] * len(context), *mask]]).log_softmax(-1)
    taken = action_values([response], [mask])
    columns = {"student": token_logprobs(ours, taken).tolist(), "teacher": token_logprobs(theirs, taken).tolist()}
    alternatives = [_alternatives(chat, p, q, top) for p, q in zip(ours.exp(), theirs.exp())]
    places = [i for i, m in enumerate(mask) if m]
    spread = lambda values, empty: tuple(dict(zip(places, values)).get(i, empty) for i in range(len(response)))
    divergence = (theirs.exp() * (theirs - ours)).sum(-1)  # forward KL at each token: what the method makes smaller
    return TokenView(
        statement=problem.statement, feedback=feedback, verdict=trajectory.verdict.status, tokens=tuple(chat.decode([t]) for t in response), action_mask=mask,
        student=spread(columns["student"], 0.0), teacher=spread(columns["teacher"], 0.0), alternatives=spread(alternatives, ()), focus=places[int(divergence.argmax())],
    )


def _alternatives(chat: Chat, student: torch.Tensor, teacher: torch.Tensor, top: int) -> tuple[Alternative, ...]:
    """The tokens that either model finds likeliest, the teacher's favourite first."""
    ids = sorted({*student.topk(top).indices.tolist(), *teacher.topk(top).indices.tolist()}, key=lambda i: -teacher[i].item())
    return tuple(Alternative(text=chat.decode([i]), student=student[i].item(), teacher=teacher[i].item()) for i in ids)

"""GRPO's formulas: advantages within a group of attempts, the clipped loss, the reference penalty.

Sources: GRPO (DeepSeekMath, arXiv 2402.03300, eq. 3 and 4), DAPO (arXiv 2503.14476: separate clip
bounds, mean over all tokens), Dr. GRPO (arXiv 2503.20783: no standard deviation, a constant
length), PPO's clip (arXiv 1707.06347, eq. 7).

Left out on purpose: sampling, rewards and the optimizer.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

NO_SPREAD = 1e-6  # rewards of a group that differ by less are equal up to rounding


def group_advantages(
    rewards: Tensor | Sequence[float], group_ids: Tensor | Sequence[int], *, scale: bool
) -> Tensor:
    """How much better each attempt is than the mean of its group: (N,) rewards and ids -> (N,).

    Args:
        rewards: the raw ones; integers become float32.
        group_ids: one a reward, in any order.
        scale: divide by the group's standard deviation (n − 1 in the denominator, as TRL and verl
            do; GRPO). False: Dr. GRPO.

    A group without spread gives zeros: it teaches nothing.

    Raises:
        ValueError: lengths differ, a reward is not finite, or a group has one member.

    >>> group_advantages([1.0, 0.0, 0.0, 0.0, 1.0, 1.0], [7, 7, 7, 7, 3, 3], scale=False)
    tensor([ 0.7500, -0.2500, -0.2500, -0.2500,  0.0000,  0.0000])
    >>> group_advantages([1.0, 0.0, 0.0, 0.0, 1.0, 1.0], [7, 7, 7, 7, 3, 3], scale=True)
    tensor([ 1.5000, -0.5000, -0.5000, -0.5000,  0.0000,  0.0000])
    """
    rewards, names, group, size = _group(rewards, group_ids)
    if (size < 2).any():
        alone = names[size < 2][0].item()
        raise ValueError(f"group {alone} has one attempt; GRPO compares at least two at a problem")
    mean = torch.zeros_like(size).index_add_(0, group, rewards) / size
    centred = rewards - mean[group]
    if not scale:
        return centred
    squares = torch.zeros_like(size).index_add_(0, group, centred**2)
    spread = (squares / (size - 1)).sqrt()[group]
    scaled = centred / spread.clamp_min(NO_SPREAD)
    return torch.where(spread > NO_SPREAD, scaled, torch.zeros_like(centred))


def zero_spread_groups(rewards: Tensor | Sequence[float], group_ids: Tensor | Sequence[int]) -> int:
    """The number of groups whose attempts all earned the same, so that they give no gradient.

    >>> zero_spread_groups([1, 0, 1, 1], [0, 0, 1, 1])
    1
    """
    rewards, names, group, _ = _group(rewards, group_ids)
    members = (rewards[group == index] for index in range(len(names)))
    return sum(bool(own.max() - own.min() < NO_SPREAD) for own in members)


def policy_loss(
    logprobs: Tensor,
    old_logprobs: Tensor,
    advantages: Tensor,
    action_mask: Tensor,
    *,
    clip: tuple[float, float],
    normalization: str = "token",
    length: int | None = None,
) -> Tensor:
    """The clipped policy-gradient loss, a scalar to minimise.

    Args:
        logprobs, old_logprobs: (B, T) log-probs (nats) of the sampled tokens, now and when sampled.
        advantages: (B,), or (B, T) where tokens have weights of their own.
        action_mask: (B, T), nonzero on the student's tokens. Elsewhere nothing is read.
        clip: with r = exp(new − old) a token's loss is −min(r A, clip(r, 1 − low, 1 + high) A).
        normalization, length: see `average`.

    Raises:
        ValueError: shapes differ, the mask is empty, or a log-prob of an action is not finite.

    The second token's ratio of 1.8 is clipped: −(1 + 1.2 − 1) / 3, or −((1 + 1.2) / 2 − 1) / 2.

    >>> now = torch.log(torch.tensor([[0.5, 0.9], [0.5, 0.5]]))
    >>> old, mask = torch.log(torch.full((2, 2), 0.5)), torch.tensor([[1, 1], [1, 0]])
    >>> policy_loss(now, old, torch.tensor([1.0, -1.0]), mask, clip=(0.2, 0.2))
    tensor(-0.4000)
    >>> advantages, clip = torch.tensor([1.0, -1.0]), (0.2, 0.2)
    >>> policy_loss(now, old, advantages, mask, clip=clip, normalization="sequence")
    tensor(-0.0500)
    """
    mask = action_mask.bool()
    ratio = _log_ratio(logprobs, old_logprobs, mask).exp()
    advantages = _by_token(advantages, logprobs)
    clipped = ratio.clamp(1 - clip[0], 1 + clip[1])
    loss = -torch.minimum(ratio * advantages, clipped * advantages)
    return average(loss, mask, normalization, length)


@torch.no_grad()
def clip_fraction(
    logprobs: Tensor,
    old_logprobs: Tensor,
    advantages: Tensor,
    action_mask: Tensor,
    *,
    clip: tuple[float, float],
) -> float:
    """The share of action tokens whose gradient the clip removes (arguments: `policy_loss`).

    >>> now, old = torch.log(torch.tensor([[0.5, 0.9]])), torch.log(torch.tensor([[0.5, 0.5]]))
    >>> clip_fraction(now, old, torch.tensor([1.0]), torch.ones(1, 2), clip=(0.2, 0.2))
    0.5
    """
    mask = action_mask.bool()
    ratio = _log_ratio(logprobs, old_logprobs, mask).exp()
    advantages = _by_token(advantages, logprobs)
    too_low = (ratio < 1 - clip[0]) & (advantages < 0)
    too_high = (ratio > 1 + clip[1]) & (advantages > 0)
    return (too_low | too_high)[mask].float().mean().item()


def reference_kl(
    logprobs: Tensor,
    reference_logprobs: Tensor,
    action_mask: Tensor,
    *,
    normalization: str = "token",
    length: int | None = None,
) -> Tensor:
    """Low-variance estimate (k3) of KL(policy ‖ reference) from the sampled tokens, in nats.

    A token adds exp(d) − d − 1 with d = reference − policy: never negative, and unbiased over
    tokens of the policy (GRPO, eq. 4). Its gradient with respect to the policy is 1 − exp(d).
    Arguments as in `policy_loss`.

    >>> policy, reference = torch.tensor([[0.5, 0.5]]), torch.tensor([[0.5, 0.25]])
    >>> reference_kl(policy.log(), reference.log(), torch.ones(1, 2))  # (0 + 0.5 + log 2 − 1) / 2
    tensor(0.0966)
    """
    mask = action_mask.bool()
    return average(_k3(_log_ratio(reference_logprobs, logprobs, mask)), mask, normalization, length)


@torch.no_grad()
def importance_weights(logprobs: Tensor, sampler_logprobs: Tensor, *, cap: float) -> Tensor:
    """Truncated importance weights: min(π_trainer(y) / π_sampler(y), cap), any shape, no gradient.

    Multiplied onto a token's loss, they make the expectation over the sampler's tokens one over
    the trainer's, up to the cap (Yao et al., "Your efficient RL framework secretly brings you
    off-policy RL training", 2025; TRL's "token_truncate").

    >>> trainer, sampler = torch.tensor([0.5, 0.9, 0.2]), torch.tensor([0.5, 0.3, 0.4])
    >>> importance_weights(trainer.log(), sampler.log(), cap=2.0)
    tensor([1.0000, 2.0000, 0.5000])
    """
    return _log_ratio(logprobs, sampler_logprobs).exp().clamp_max(cap)


@torch.no_grad()
def logprob_mismatch(logprobs: Tensor, sampler_logprobs: Tensor) -> dict[str, float]:
    """How far the trainer's log-probs are from the sampler's (vLLM's kernels, bfloat16), in nats.

    >>> logprob_mismatch(torch.tensor([-1.0, -2.0]), torch.tensor([-1.0, -1.5]))["mismatch_mean"]
    0.25
    """
    ratio = _log_ratio(logprobs, sampler_logprobs)
    return {"mismatch_mean": ratio.abs().mean().item(), "mismatch_kl": _k3(ratio).mean().item()}


def average(values: Tensor, mask: Tensor, normalization: str, length: int | None = None) -> Tensor:
    """The sum of (B, T) `values` over the boolean mask, divided as `normalization` says.

    - "token":     by the number of action tokens of the batch (DAPO, eq. 8),
    - "sequence":  within each sequence by its number of action tokens, then by B (GRPO, eq. 3),
    - "constant":  by B · `length`, the limit on response tokens (Dr. GRPO, section 3.2).
    """
    total = torch.where(mask, values, torch.zeros_like(values)).sum(-1)
    if normalization == "token":
        return total.sum() / mask.sum()
    if normalization == "sequence":
        return (total / mask.sum(-1).clamp_min(1)).mean()
    return total.sum() / (mask.shape[0] * length)


def _by_token(advantages: Tensor, logprobs: Tensor) -> Tensor:
    """(B,) or (B, T) advantages as they multiply (B, T) ratios."""
    advantages = advantages.to(logprobs)
    return advantages[:, None] if advantages.ndim == 1 else advantages


def _k3(d: Tensor) -> Tensor:
    """exp(d) − d − 1, with its digits near 0 and its gradient where exp(d) underflows."""
    return d.expm1() - d


def _group(rewards, group_ids) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Rewards as floats, group names, each attempt's group index, and group sizes (as floats)."""
    rewards = torch.as_tensor(rewards)
    rewards = rewards if rewards.is_floating_point() else rewards.float()
    group_ids = torch.as_tensor(group_ids, device=rewards.device)
    if rewards.ndim != 1 or rewards.shape != group_ids.shape or not len(rewards):
        shapes = f"{tuple(rewards.shape)} and {tuple(group_ids.shape)}"
        raise ValueError(f"rewards and group ids must be two lists of one length, got {shapes}")
    if not torch.isfinite(rewards).all():
        raise ValueError(f"reward {int((~torch.isfinite(rewards)).nonzero()[0])} is not finite")
    names, group, size = group_ids.unique(return_inverse=True, return_counts=True)
    return rewards, names, group, size.to(rewards.dtype)


def _log_ratio(logprobs: Tensor, others: Tensor, mask: Tensor | None = None) -> Tensor:
    """The difference of two log-probs, 0 where nothing was sampled. It must be finite."""
    if mask is None:
        mask = torch.ones_like(logprobs, dtype=torch.bool)
    if not logprobs.shape == others.shape == mask.shape:
        shapes = [tuple(tensor.shape) for tensor in (logprobs, others, mask)]
        raise ValueError(f"log-probs and mask must have one shape, got {shapes}")
    if not mask.any():
        raise ValueError("the action mask is empty: the student sampled no token of this batch")
    zero = torch.zeros((), dtype=logprobs.dtype, device=logprobs.device)
    # masked before the difference: garbage elsewhere must not reach the gradient
    ratio = torch.where(mask, logprobs, zero) - torch.where(mask, others.to(logprobs), zero)
    if not torch.isfinite(ratio).all():
        count = int((~torch.isfinite(ratio)).sum())
        raise ValueError(f"{count} log-probs of action tokens are not finite")
    return ratio

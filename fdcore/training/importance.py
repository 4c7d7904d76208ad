"""Sampler and trainer rarely agree on a log-prob to the last digit (vLLM's kernels, bfloat16): how far apart they are, and the correction.

Left out on purpose: whole-sequence ratios, whose variance grows with the length.
"""

from __future__ import annotations

import torch
from torch import Tensor


@torch.no_grad()
def importance_weights(logprobs: Tensor, sampler_logprobs: Tensor, *, cap: float) -> Tensor:
    """Truncated importance weights of sampled tokens: min(π_trainer(y) / π_sampler(y), cap), any shape, without gradient.

    Both log-probs (nats) must be of the weights that sampled. Multiplied onto a token's loss, they make the expectation over the
    sampler's tokens one over the trainer's, up to the cap (Yao et al., "Your efficient RL framework secretly brings you off-policy RL
    training", 2025; TRL's "token_truncate"). ValueError: shapes differ, a log-prob is not finite, cap < 1.

    >>> importance_weights(torch.log(torch.tensor([0.5, 0.9, 0.2])), torch.log(torch.tensor([0.5, 0.3, 0.4])), cap=2.0)
    tensor([1.0000, 2.0000, 0.5000])
    """
    if cap < 1:
        raise ValueError(
            f"importance_weights: the cap must be at least 1, the weight where sampler and trainer agree; got {cap}"
        )
    return _log_ratio(logprobs, sampler_logprobs).exp().clamp_max(cap)


@torch.no_grad()
def logprob_mismatch(logprobs: Tensor, sampler_logprobs: Tensor) -> dict[str, float]:
    """How far the trainer's log-probs are from the sampler's, over N action tokens: mean |difference| in nats, and the low-variance
    estimate (k3) of KL(sampler ‖ trainer).

    >>> logprob_mismatch(torch.tensor([-1.0, -2.0]), torch.tensor([-1.0, -1.5]))
    {'mismatch_mean': 0.25, 'mismatch_kl': 0.0532...}
    """
    ratio = _log_ratio(logprobs, sampler_logprobs)
    return {
        "mismatch_mean": ratio.abs().mean().item(),
        "mismatch_kl": (ratio.exp() - ratio - 1).mean().item(),
    }


def _log_ratio(logprobs: Tensor, sampler_logprobs: Tensor) -> Tensor:
    if logprobs.shape != sampler_logprobs.shape:
        raise ValueError(
            f"importance: {tuple(logprobs.shape)} log-probs of the trainer, {tuple(sampler_logprobs.shape)} of the sampler; they must be of the same tokens"
        )
    ratio = logprobs - sampler_logprobs.to(logprobs)
    if not torch.isfinite(ratio).all():
        raise ValueError(
            f"importance: {int((~torch.isfinite(ratio)).sum())} of {ratio.numel()} log-probs are not finite; stop before the weights are spoilt"
        )
    return ratio

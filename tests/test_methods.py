"""A method's loss does not depend on how the batch is cut into micro-batches."""
import pytest
import torch

from fdcore.methods import GroupRelativePolicyOptimization
from fdcore.model import build_student
from fdcore.profile import load_profile
from fdcore.records import Problem, Trajectory, Verdict

PROBLEM = Problem(id="p", header="", statement="theorem thm : True := by", split="train")


def attempt(length, reward):
    ids, mask = tuple(range(1, 4 + length)), (0, 0, 0, *[1] * length)
    return Trajectory(
        problem_id="p", seed=0, step=1, prompt_length=3, token_ids=ids, action_mask=mask, logprobs=(), response_text="", tool_calls=(), source=None,
        verdict=Verdict(status="failed"), reward=reward, stop_reason="end",
    )


@pytest.mark.parametrize("normalization", ["token", "sequence", "constant"])
def test_micro_batches_add_up_to_the_loss_and_gradient_of_the_whole_batch(normalization):
    shape = dict(hidden_size=16, layers=1, heads=2, kv_heads=1, head_dim=8, intermediate_size=16, vocab_size=40, max_positions=64)
    model, reference = build_student(**shape, seed=1), build_student(**shape, seed=2)
    settings = load_profile("smoke").grpo.model_copy(update={"normalization": normalization, "kl_coefficient": 0.1})
    attempts = [attempt(length, reward) for length, reward in ((2, 1.0), (9, 0.0), (5, 0.0), (20, 1.0))]
    found = []
    for size in (4, 1):
        method = GroupRelativePolicyOptimization(settings, reference, max_tokens=32, autocast=False)
        method.prepare([PROBLEM] * 4, attempts)
        model.zero_grad()
        losses = [method.loss(model, range(start, start + size))[0] for start in range(0, 4, size)]
        sum(losses).backward()
        found.append((sum(losses).item(), [p.grad.clone() for p in model.parameters()]))
    (whole, whole_gradient), (parts, parts_gradient) = found
    assert whole == pytest.approx(parts, abs=1e-6)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(whole_gradient, parts_gradient))

"""The methods' losses: equal to the formulas however the batch is cut, and stopped by bad input."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fdcore.profile import Recipe, load_profile
from fdcore.records import Problem, Trajectory, Verdict
from fdcore.training import chunks
from fdcore.training.grpo import policy_loss
from fdcore.training.logits import (
    action_logits,
    action_values,
    by_sequence,
    entropy,
    token_logprobs,
)
from fdcore.training.methods import (
    Batch,
    FeedbackDistillation,
    GroupRelativePolicyOptimization,
    RejectionSamplingFineTuning,
)
from fdcore.worlds.student import build_student

PROBLEMS = [
    Problem(id=name, header="", statement=f"theorem {name} : True := by", split="train")
    for name in "aabb"
]
VOCABULARY = 60


def build(seed: int, vocabulary: int = VOCABULARY):
    shape = dict(hidden_size=16, layers=1, heads=2, kv_heads=1, head_dim=8, intermediate_size=16)
    return build_student(**shape, vocab_size=vocabulary, max_positions=128, seed=seed)


@pytest.fixture
def model():
    return build(1)


def attempt(index: int, length: int, reward: float, drift: float = 0.0) -> Trajectory:
    """Three prompt tokens, then actions with a tool's answer among them.

    `drift`: how far the sampler's log-probs are from -4.
    """
    mask = (0, 0, 0, *[int(t % 7 != 5) for t in range(length)])
    return Trajectory(
        problem_id=PROBLEMS[index].id,
        seed=0,
        step=1,
        prompt_length=3,
        token_ids=tuple(range(1, 4 + length)),
        action_mask=mask,
        logprobs=tuple(drift - 4.0 for _ in mask),
        response_text="",
        tool_calls=(),
        source=None,
        verdict=Verdict(status="verified" if reward else "failed"),
        reward=reward,
        stop_reason="end",
    )


ATTEMPTS = [attempt(0, 2, 1.0), attempt(1, 9, 0.0), attempt(2, 5, 0.0), attempt(3, 20, 1.0)]


def make_batch(attempts=ATTEMPTS) -> Batch:
    """The attempts; the teacher's prompts are one to five tokens longer than the student's."""
    problems = [next(p for p in PROBLEMS if p.id == t.problem_id) for t in attempts]
    contexts = [[9] * (1 + len(t.token_ids) % 5) + [1, 2, 3] for t in attempts]
    return Batch(problems, attempts, contexts=contexts)


def distillation(teacher=None, mismatch=False, **changes) -> FeedbackDistillation:
    recipe = load_profile("smoke").distillation.model_copy(update=changes)
    return FeedbackDistillation(recipe, teacher or build(2), mismatch=mismatch)


def grpo(reference=None, mismatch=False, **changes) -> GroupRelativePolicyOptimization:
    recipe = load_profile("smoke").grpo.model_copy(update=changes)
    return GroupRelativePolicyOptimization(
        recipe, reference or build(2), max_tokens=32, mismatch=mismatch
    )


def measure(method, model, batch: Batch, size: int = 4):
    """Loss, gradient and metrics of the batch in parts of `size` attempts."""
    model.zero_grad()
    batch, _ = method.prepare(model, batch)
    results = [method.loss(model, part) for part in batch.split(size)]
    sum(loss for loss, _ in results).backward()
    sums = {name: sum(metrics[name] for _, metrics in results) for name in results[0][1]}
    gradient = torch.cat([p.grad.flatten() for p in model.parameters()])
    return sum(loss.item() for loss, _ in results), gradient, sums


def assert_same(one, other):
    assert one[0] == pytest.approx(other[0], abs=1e-6)
    assert torch.allclose(one[1], other[1], atol=1e-6)
    assert one[2] == pytest.approx(other[2], abs=1e-5)


GRPO_VARIANTS = [
    dict(normalization="token"),
    dict(normalization="sequence"),
    dict(normalization="constant"),
    dict(importance_cap=2.0),
]
FD_VARIANTS = [
    dict(),
    dict(top_k=None),
    dict(top_k=None, direction="jsd"),
    dict(top_k=None, direction="reverse"),
    dict(importance_cap=2.0),
]
METHODS = [(distillation, how) for how in FD_VARIANTS] + [
    (grpo, {"kl_coefficient": 0.1, **how}) for how in GRPO_VARIANTS
]


@pytest.mark.parametrize("make, how", METHODS)
def test_parts_and_chunks_add_up_to_the_whole_batch(model, make, how, monkeypatch):
    whole = measure(make(**how), model, make_batch())
    assert whole[1].abs().max() > 0
    assert_same(whole, measure(make(**how), model, make_batch(), size=1))
    monkeypatch.setattr(chunks, "CHUNK", 4 * VOCABULARY)
    assert_same(whole, measure(make(**how), model, make_batch()))


groups = st.lists(
    st.lists(st.tuples(st.integers(1, 25), st.sampled_from([0.0, 1.0])), min_size=2, max_size=4),
    min_size=1,
    max_size=2,
)


@given(groups, st.randoms(), st.integers(1, 5), st.integers(1, 12), st.sampled_from(METHODS))
@settings(max_examples=25)
def test_the_order_of_attempts_changes_nothing(groups, random, size, tokens, method):
    model, (make, how) = build(1), method
    attempts = [
        attempt(2 * number, length, reward)
        for number, group in enumerate(groups)
        for length, reward in group
    ]
    shuffled = random.sample(attempts, len(attempts))
    whole = measure(make(**how), model, make_batch(attempts), size=len(attempts))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "CHUNK", tokens * VOCABULARY)
        assert_same(whole, measure(make(**how), model, make_batch(shuffled), size=size))


def test_the_loss_that_trains_is_the_papers_formula_on_all_logits_at_once(model, monkeypatch):
    """Each attempt alone, the teacher behind its own prompt, aligned by index in the response."""
    batch, teacher, terms = make_batch(), build(2), []
    for trajectory, context in zip(batch.trajectories, batch.contexts, strict=True):
        log_q = model(torch.tensor([trajectory.token_ids])).logits[0].log_softmax(-1)
        ids = [*context, *trajectory.token_ids[3:]]
        p = teacher(torch.tensor([ids])).logits[0].softmax(-1).detach()
        for place in range(3, len(trajectory.token_ids)):
            if trajectory.action_mask[place]:
                q_row, p_row = log_q[place - 1], p[place - 1 + len(context) - 3]
                top = p_row.topk(5)
                terms.append((top.values * (top.values.log() - q_row[top.indices])).sum())
    expected = torch.stack(terms).mean()
    weights = list(model.parameters())
    slopes = torch.cat([g.flatten() for g in torch.autograd.grad(expected, weights)])
    monkeypatch.setattr(chunks, "CHUNK", 4 * VOCABULARY)
    loss, gradient, metrics = measure(distillation(top_k=5), model, batch)
    assert loss == metrics["kl"] == pytest.approx(expected.item(), abs=1e-6)
    assert (gradient - slopes).abs().max() < 1e-6


def test_importance_weights_and_mismatch_come_from_the_samplers_log_probs(model):
    """Sampler and trainer differ by 0.1 nats at every token."""
    shifted = []
    for one in ATTEMPTS:
        with torch.no_grad():
            logits = action_logits(model, [one.token_ids], [one.action_mask])
            ids = action_values([one.token_ids], [one.action_mask])
            values = iter((token_logprobs(logits, ids).logprobs - 0.1).tolist())
        logprobs = tuple(next(values) if mask else 0.0 for mask in one.action_mask)
        shifted.append(one.model_copy(update={"logprobs": logprobs}))
    plain = measure(distillation(), model, make_batch())
    weighted = measure(distillation(importance_cap=2.0), model, make_batch(shifted))
    assert weighted[0] == pytest.approx(plain[0] * math.exp(0.1), rel=1e-4)
    assert weighted[2]["mismatch_mean"] == pytest.approx(0.1, abs=1e-5)
    assert weighted[2]["kl"] == pytest.approx(plain[2]["kl"])
    plain = measure(grpo(kl_coefficient=0.0), model, make_batch())
    weighted = measure(grpo(kl_coefficient=0.0, importance_cap=1.05), model, make_batch(shifted))
    assert torch.allclose(weighted[1], plain[1] * 1.05, atol=1e-6)  # exp(0.1), capped
    for make in (distillation, grpo):  # where it is only reported, it changes nothing
        plain = measure(make(), model, make_batch())
        reported = measure(make(mismatch=True), model, make_batch(shifted))
        assert reported[2]["mismatch_mean"] == pytest.approx(0.1, abs=1e-5)
        assert plain[0] == reported[0] and torch.equal(plain[1], reported[1])


def test_a_second_update_measures_its_ratio_against_the_policy_before_the_first(model):
    method, batch = grpo(kl_coefficient=0.0, updates=2), make_batch()
    batch, _ = method.prepare(model, batch)
    parts = [method.keep_old_logprobs(model, part) for part in batch.split(2)]

    def logprobs():
        logits = action_logits(model, batch.sequences, batch.masks)
        return by_sequence(token_logprobs(logits, batch.taken).logprobs, batch.masks)

    old = logprobs()[0].detach()
    fractions = [method.loss(model, part)[1]["clip_fraction"] for part in parts]
    assert fractions == [0.0, 0.0]
    sum(method.loss(model, part)[0] for part in parts).backward()
    with torch.no_grad():
        for weight in model.parameters():
            weight -= 3.0 * weight.grad
    results, (new, mask) = [method.loss(model, part) for part in parts], logprobs()
    expected = policy_loss(new, old, batch.advantages, mask, clip=(0.2, 0.2))
    assert (new - old).abs().max() > 0.1
    assert sum(loss for loss, _ in results).item() == pytest.approx(expected.item(), abs=1e-6)
    assert sum(metrics["clip_fraction"] for _, metrics in results) > 0


def test_groups_without_spread_are_counted_on_the_raw_rewards(model):
    attempts = [attempt(0, 2, 1.0), attempt(1, 9, 1.0), attempt(2, 5, 0.0), attempt(3, 20, 1.0)]
    batch, metrics = grpo().prepare(model, make_batch(attempts))
    assert metrics == {"zero_spread_groups": 1, "groups": 2}
    assert batch.advantages.tolist() == pytest.approx([0.0, 0.0, -(0.5**0.5), 0.5**0.5])


def test_a_group_of_one_is_refused(model):
    with pytest.raises(ValueError, match="one attempt"):
        grpo().prepare(model, make_batch(ATTEMPTS[:3]))


def spoilt(seed: int):
    model = build(seed)
    with torch.no_grad():
        model.lm_head.weight[7] = float("nan")
    return model


def test_logits_that_are_not_finite_are_blamed_on_their_model(model):
    for direction in ("forward", "reverse"):
        how = dict(direction=direction, top_k=None)
        with pytest.raises(ValueError, match="teacher's logits .* 32 of 32"):
            distillation(spoilt(2), **how).loss(model, make_batch())
        with pytest.raises(ValueError, match="student's logits"):
            distillation(**how).loss(spoilt(1), make_batch())
    method = grpo()
    batch, _ = method.prepare(model, make_batch())
    with pytest.raises(ValueError, match="not finite"):
        method.loss(spoilt(1), batch)


def test_a_batch_without_actions_is_refused(model):
    silent = [
        one.model_copy(update={"action_mask": (0,) * len(one.action_mask)}) for one in ATTEMPTS
    ]
    for make in (distillation, grpo):
        with pytest.raises(ValueError, match="empty"):
            measure(make(), model, make_batch(silent))


def test_a_context_beyond_the_models_positions_is_refused(model):
    batch = make_batch()
    batch.contexts[1] += [5] * 128
    with pytest.raises(ValueError, match="sequence 1 .*128"):
        distillation().loss(model, batch)


def test_settings_that_define_no_divergence_are_refused_before_anything_is_sampled():
    with pytest.raises(ValueError, match="distillation.top_k"):
        distillation(direction="reverse")


def test_rejection_sampling_learns_the_verified_attempts_and_measures_entropy_on_all(model):
    recipe = Recipe(prompts=4, samples=1, learning_rate=1.0)
    method, batch = RejectionSamplingFineTuning(recipe), make_batch()
    assert method.prepare(model, batch) == (batch, {"kept": 2})
    loss, gradient, metrics = measure(method, model, batch, size=3)
    kept = make_batch([one for one in ATTEMPTS if one.reward])
    logits = action_logits(model, kept.sequences, kept.masks)
    expected = -token_logprobs(logits, kept.taken).logprobs.mean()
    assert loss == pytest.approx(expected.item(), abs=1e-6) and gradient.abs().max() > 0
    entropies = entropy(action_logits(model, batch.sequences, batch.masks))
    assert metrics["entropy"] == pytest.approx(entropies.mean().item(), abs=1e-6)
    lost = make_batch([attempt(0, 4, 0.0), attempt(1, 4, 0.0)])
    assert measure(method, model, lost)[1].abs().max() == 0.0

"""The same losses and gradients as TRL's own code, in float64. Skipped where TRL is missing."""

import pytest
import torch

pytest.importorskip(
    "trl", reason="TRL is needed by these tests alone: pip install --no-deps trl==1.16.0"
)

from datasets import Dataset
from transformers import logging
from trl import GRPOConfig, GRPOTrainer
from trl.experimental.gkd.gkd_trainer import GKDTrainer
from trl.trainer.distillation_trainer import _chunked_divergence_loss

from fdcore.training import chunks
from fdcore.training.distillation import token_kl
from fdcore.training.grpo import importance_weights, policy_loss, reference_kl
from fdcore.training.logits import (
    ActionLogits,
    action_logits,
    action_values,
    by_sequence,
    token_logprobs,
)
from fdcore.worlds.student import build_student, train_tokenizer

EXACT = dict(atol=1e-10, rtol=1e-8)
SINGLE = dict(atol=1e-6, rtol=1e-5)  # the model's norms compute in float32 whatever its dtype
DIRECTIONS = [
    ("forward", 0.5, 0.0),
    ("reverse", 0.5, 1.0),
    ("jsd", 0.3, 0.3),
]  # our name, our beta, TRL's beta


def same(ours, theirs, *inputs, near=EXACT):
    torch.testing.assert_close(ours, theirs, check_dtype=False, **near)
    for mine, other in zip(
        torch.autograd.grad(ours, inputs), torch.autograd.grad(theirs, inputs), strict=True
    ):
        torch.testing.assert_close(mine, other, check_dtype=False, **near)
        assert mine.abs().max() > 0


def draw(*shape, seed=0):
    return 2 * torch.randn(
        *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )


def mean_kl(student, teacher, **how):
    return token_kl(student, teacher, **how).kl.mean()


def divergences(direction, beta, theirs):
    """Our divergence, TRL's, and the student's logits."""
    student, teacher, mask = (
        draw(2, 5, 11).requires_grad_(),
        draw(2, 5, 11, seed=1),
        torch.tensor([[0, 1, 1, 1, 1], [0, 0, 1, 0, 1]]),
    )
    labels = torch.where(mask.bool(), 0, -100)
    expected = GKDTrainer.generalized_jsd_loss(student, teacher, labels=labels, beta=theirs)
    return (
        mean_kl(student[mask.bool()], teacher[mask.bool()], direction=direction, beta=beta),
        expected,
        (student,),
    )


@pytest.mark.parametrize("direction, beta, theirs", DIRECTIONS)
def test_divergences_over_the_whole_vocabulary(direction, beta, theirs):
    ours, expected, inputs = divergences(direction, beta, theirs)
    same(ours, expected, *inputs)


@pytest.mark.parametrize("direction, beta, theirs", DIRECTIONS)
def test_divergences_in_chunks_of_hidden_states_and_head(direction, beta, theirs, monkeypatch):
    hidden, taught, weight, head = (
        draw(1, 9, 4).requires_grad_(),
        draw(1, 9, 4, seed=1),
        draw(11, 4, seed=2),
        torch.nn.Linear(4, 11, bias=False, dtype=torch.float64),
    )
    head.weight.data = draw(11, 4, seed=3)
    monkeypatch.setattr(chunks, "CHUNK", 2 * 11)
    student, teacher = ActionLogits(hidden[0], head, (9, 11)), taught[0] @ weight.T
    ours = mean_kl(student, teacher, direction=direction, beta=beta)
    expected, _, _ = _chunked_divergence_loss(
        hidden, taught, head.weight, weight, torch.ones(1, 9), theirs
    )
    same(
        ours, expected, hidden, head.weight, near=dict(atol=1e-5, rtol=1e-3)
    )  # TRL's kernel computes in float32


@pytest.fixture(scope="module")
def trainer(tmp_path_factory):
    return make_trainer(tmp_path_factory.mktemp("trl"))


def make_trainer(folder):
    """TRL's trainer around a tiny student in float64, whose loss is called on a batch."""
    logging.set_verbosity_error()
    model = build_student(
        hidden_size=16,
        layers=1,
        heads=2,
        kv_heads=1,
        head_dim=8,
        intermediate_size=16,
        vocab_size=300,
        max_positions=64,
    ).double()
    config = GRPOConfig(
        output_dir=str(folder),
        use_cpu=True,
        report_to="none",
        bf16=False,
        gradient_checkpointing=False,
        per_device_train_batch_size=4,
        num_generations=4,
        max_completion_length=20,
        epsilon=0.2,
        epsilon_high=0.28,
    )
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=lambda completions, **_: [0.0] * len(completions),
        args=config,
        train_dataset=Dataset.from_list([{"prompt": "a"}] * 4),
        processing_class=train_tokenizer(["theorem a : True := by"], 300),
    )
    trainer.model.eval()
    return trainer


def batch():
    """Four attempts, as ours and as TRL's tensors: prompts padded left, completions right."""
    generator = torch.Generator().manual_seed(0)
    sequences, masks, columns = (
        [],
        [],
        {
            name: []
            for name in (
                "prompt_ids",
                "prompt_mask",
                "completion_ids",
                "completion_mask",
                "tool_mask",
            )
        },
    )
    for prompt, length in ((3, 5), (6, 12), (4, 2), (6, 9)):
        ids = torch.randint(0, 300, (prompt + length,), generator=generator).tolist()
        own = [int(t % 4 != 3) for t in range(length)]
        sequences.append(ids)
        masks.append([0] * prompt + own)
        left, right = [0] * (6 - prompt), [0] * (12 - length)
        for name, row in zip(
            columns,
            (
                left + ids[:prompt],
                left + [1] * prompt,
                ids[prompt:] + right,
                [1] * length + right,
                own + right,
            ),
            strict=True,
        ):
            columns[name].append(row)
    return sequences, masks, {name: torch.tensor(rows) for name, rows in columns.items()}


LOSSES = [
    ("grpo", "sequence"),
    ("bnpo", "token"),
    ("dapo", "token"),
    ("dr_grpo", "constant"),
]  # TRL's name, our normalization


def policy_losses(trainer, loss_type, normalization, weighted):
    """Our loss with a reference penalty, TRL's, and the model's weights."""
    sequences, masks, inputs = batch()
    model, advantages = trainer.model, torch.tensor([1.0, -0.5, 0.3, -0.8], dtype=torch.float64)
    logits = action_logits(model, sequences, masks)
    flat = token_logprobs(logits, action_values(sequences, masks)).logprobs
    logprobs, mask = by_sequence(flat, masks)
    wide = inputs["tool_mask"].bool()

    def spread(values):  # ours, action tokens only, into TRL's columns
        return torch.zeros(wide.shape, dtype=values.dtype).masked_scatter(wide, values[mask])

    old, reference, weights = (
        (logprobs + 0.2 * draw(*logprobs.shape, seed=seed)).detach() for seed in (1, 2, 3)
    )
    weights = importance_weights(old, weights, cap=1.1)
    inputs |= {
        "advantages": advantages,
        "old_per_token_logps": spread(old),
        "ref_per_token_logps": spread(reference),
        "num_items_in_batch": mask.sum(),
        "importance_sampling_ratio": spread(weights),
    }
    (
        trainer.loss_type,
        trainer.beta,
        trainer.use_vllm,
        trainer.vllm_importance_sampling_correction,
    ) = loss_type, 0.1, weighted, True
    trainer.args.use_bias_correction_kl = (
        False  # a later variant (arXiv 2512.02556), not GRPO's penalty
    )
    expected = trainer._compute_loss(model, inputs)
    how = dict(normalization=normalization, length=20)
    ours = policy_loss(
        logprobs,
        old,
        advantages[:, None] * weights if weighted else advantages,
        mask,
        clip=(0.2, 0.28),
        **how,
    )
    return (
        ours + 0.1 * reference_kl(logprobs, reference, mask, **how),
        expected,
        tuple(model.parameters()),
    )


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss_type, normalization", LOSSES)
def test_grpo_dapo_and_dr_grpo_losses(trainer, loss_type, normalization, weighted):
    ours, expected, inputs = policy_losses(trainer, loss_type, normalization, weighted)
    same(ours, expected, *inputs, near=SINGLE)

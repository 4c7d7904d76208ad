"""The EMA teacher: what is kept, when it moves, what it shares, and that it can be restored."""

import doctest

import pytest
import torch
from peft import LoraConfig, get_peft_model

from fdcore.training import teacher as module
from fdcore.training.logits import action_logits
from fdcore.training.teacher import EMATeacher
from fdcore.worlds.student import build_student


def test_the_docstring_examples_hold():
    assert doctest.testmod(module, extraglobs={"torch": torch}).failed == 0


def line(value: float, dtype=torch.float32) -> torch.nn.Linear:
    layer = torch.nn.Linear(1, 1, bias=False, dtype=dtype)
    torch.nn.init.constant_(layer.weight, value)
    return layer


@pytest.mark.parametrize("alpha, expected", [(1.0, 0.0), (0.9, 0.1), (0.25, 0.75), (0.0, 1.0)])
def test_alpha_is_the_share_that_the_teacher_keeps(alpha, expected):
    teacher = EMATeacher(line(0.0), alpha=alpha, every=1)
    teacher.update(line(1.0), 1)
    assert teacher.model.weight.item() == pytest.approx(expected)


def test_the_teacher_moves_at_every_fifth_step_only():
    teacher = EMATeacher(line(0.0), alpha=0.5, every=5)
    moved = [step for step in range(0, 16) if teacher.update(line(1.0), step)]
    assert moved == [5, 10, 15]
    assert teacher.model.weight.item() == pytest.approx(1 - 0.5**3)


def test_a_frozen_teacher_stays_bit_for_bit():
    student = build_tiny(0)
    teacher = EMATeacher(student, alpha=1.0, every=1)
    teacher.update(build_tiny(1), 1)
    assert all(
        torch.equal(a, b)
        for a, b in zip(teacher.model.parameters(), student.parameters(), strict=True)
    )


def test_the_teacher_is_a_copy_in_eval_mode_without_gradient():
    student = build_tiny(0).train()
    teacher = EMATeacher(student)
    assert not teacher.model.training and student.training
    assert not any(p.requires_grad for p in teacher.model.parameters()) and all(
        p.requires_grad for p in student.parameters()
    )
    assert (
        teacher.model.lm_head.weight is teacher.model.model.embed_tokens.weight
    )  # tied as in the student
    assert teacher.model.lm_head.weight is not student.lm_head.weight


def test_a_restored_teacher_goes_on_as_the_saved_one():
    teacher = EMATeacher(build_tiny(0), alpha=0.9, every=1)
    teacher.update(build_tiny(1), 1)
    restored = EMATeacher(build_tiny(5), alpha=0.9, every=1)
    restored.load_state_dict(teacher.state_dict())
    for one in (teacher, restored):
        one.update(build_tiny(2), 2)
    assert all(
        torch.equal(teacher.state_dict()[name], value)
        for name, value in restored.state_dict().items()
    )
    assert all(
        torch.equal(a, b)
        for a, b in zip(teacher.model.parameters(), restored.model.parameters(), strict=True)
    )


def build_tiny(seed: int, **changes):
    shape = dict(
        hidden_size=16,
        layers=2,
        heads=2,
        kv_heads=1,
        head_dim=8,
        intermediate_size=32,
        vocab_size=50,
        max_positions=64,
    )
    return build_student(**{**shape, **changes}, seed=seed)


@pytest.fixture
def adapted():
    """A student with LoRA adapters that have been trained a little."""
    return shifted(
        get_peft_model(build_tiny(0), LoraConfig(r=2, target_modules=["q_proj", "v_proj"])), 1
    )


@torch.no_grad()
def shifted(model, seed: int):
    generator = torch.Generator().manual_seed(seed)
    for weight in filter(lambda p: p.requires_grad, model.parameters()):
        weight += 0.3 * torch.randn(weight.shape, generator=generator)
    return model


def logits(model):
    with torch.no_grad():
        return action_logits(
            model, [[1, 2, 3, 4, 5], [1, 2, 3, 6]], [[0, 0, 0, 1, 1], [0, 0, 0, 1]]
        )


def test_with_adapters_the_base_is_shared_and_the_adapters_are_not(adapted):
    teacher = EMATeacher(adapted, alpha=0.5, every=1)
    shared = [a is b for a, b in zip(adapted.parameters(), teacher.model.parameters(), strict=True)]
    assert shared == [not p.requires_grad for p in adapted.parameters()] and 0 < sum(shared) < len(
        shared
    )
    assert all("lora" in name for name in teacher.state_dict()) and len(
        teacher.state_dict()
    ) == shared.count(False)


def test_with_adapters_the_teacher_is_the_average_of_the_adapters(adapted):
    teacher, before = (
        EMATeacher(adapted, alpha=0.9, every=1),
        {n: p.clone() for n, p in adapted.named_parameters()},
    )
    base = [p.clone() for p in adapted.parameters() if not p.requires_grad]
    teacher.update(shifted(adapted, 2), 1)
    for (name, student), average in zip(
        adapted.named_parameters(), teacher.model.parameters(), strict=True
    ):
        assert torch.allclose(average, 0.9 * before[name] + 0.1 * student, atol=1e-7)
    assert all(
        torch.equal(a, p)
        for a, p in zip(base, (p for p in adapted.parameters() if not p.requires_grad), strict=True)
    )
    assert adapted.training and all(
        p.requires_grad for n, p in adapted.named_parameters() if "lora" in n
    )


@pytest.mark.parametrize("alpha, follows", [(1.0, False), (0.0, True)])
def test_frozen_and_current_student_teachers_with_adapters(adapted, alpha, follows):
    teacher, before = EMATeacher(adapted, alpha=alpha, every=1), logits(adapted)
    teacher.update(shifted(adapted, 2), 1)
    assert torch.allclose(logits(teacher.model), logits(adapted) if follows else before, atol=1e-6)
    assert not torch.allclose(logits(adapted), before, atol=1e-3)


def test_adapters_of_a_teacher_are_restored_onto_a_fresh_student(adapted):
    teacher = EMATeacher(adapted, alpha=0.5, every=1)
    teacher.update(shifted(adapted, 2), 1)
    fresh = EMATeacher(
        get_peft_model(build_tiny(0), LoraConfig(r=2, target_modules=["q_proj", "v_proj"])),
        alpha=0.5,
        every=1,
    )
    fresh.load_state_dict(teacher.state_dict())
    assert torch.equal(logits(fresh.model), logits(teacher.model))

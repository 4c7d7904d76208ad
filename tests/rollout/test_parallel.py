"""Gradients of parts side by side: the same as one after the other, in the same order, and no trace left in torch's settings."""

import threading

import pytest
import torch

from fdcore.rollout.parallel import accumulate, side_by_side
from fdcore.training.logits import action_logits, action_values
from fdcore.worlds.student import build_student


@pytest.fixture
def two_cores():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def student():
    return build_student(
        hidden_size=32,
        layers=2,
        heads=2,
        kv_heads=1,
        head_dim=16,
        intermediate_size=64,
        vocab_size=300,
        max_positions=64,
    )


def part(model, seed: int):
    rng = torch.Generator().manual_seed(seed)
    rows = torch.randint(0, 300, (3, 12 + seed), generator=rng).tolist()
    masks = [[0] * 8 + [1] * (4 + seed)] * 3

    def loss():
        return torch.nn.functional.cross_entropy(
            action_logits(model, rows, masks), action_values(rows, masks), reduction="sum"
        ), seed

    return loss


def gradients(model) -> list[torch.Tensor]:
    return [p.grad.clone() for p in model.parameters()]


def test_the_sum_is_that_of_one_backward(student, two_cores):
    parts = [part(student, seed) for seed in range(5)]
    student.zero_grad()
    sum(p()[0] for p in parts).backward()
    wanted = gradients(student)
    student.zero_grad()
    done = accumulate(student, parts)
    assert [rest for _, rest in done] == [0, 1, 2, 3, 4]
    assert [loss for loss, _ in done] == pytest.approx([p()[0].item() for p in parts])
    torch.testing.assert_close(gradients(student), wanted, atol=1e-5, rtol=1e-5)


def test_it_adds_to_what_is_there(student, two_cores):
    student.zero_grad()
    accumulate(student, [part(student, 1), part(student, 2)])
    once = gradients(student)
    accumulate(student, [part(student, 1), part(student, 2)])
    torch.testing.assert_close(gradients(student), [2 * g for g in once])


def test_twice_the_same_to_the_last_bit(student, two_cores):
    found = []
    for _ in range(2):
        student.zero_grad()
        accumulate(student, [part(student, seed) for seed in range(4)])
        found.append(gradients(student))
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_a_parameter_outside_the_graph_has_no_gradient(two_cores):
    model = torch.nn.ModuleDict({"used": torch.nn.Linear(2, 1), "unused": torch.nn.Linear(2, 1)})
    accumulate(model, [lambda: (model["used"](torch.ones(2)).sum(), None)] * 2)
    assert model["unused"].weight.grad is None and model["used"].weight.grad.tolist() == [
        [2.0, 2.0]
    ]


def test_tasks_run_at_once_on_one_core_each_and_the_setting_returns(two_cores):
    meet = threading.Barrier(2, timeout=20)

    def task():
        meet.wait()
        return torch.get_num_threads()

    assert side_by_side([task, task]) == [1, 1]
    assert torch.get_num_threads() == 2


def test_an_error_comes_through_and_the_setting_returns(two_cores):
    with pytest.raises(ZeroDivisionError):
        side_by_side([lambda: 1 / 0, lambda: 1])
    assert torch.get_num_threads() == 2

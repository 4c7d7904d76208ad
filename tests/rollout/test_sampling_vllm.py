"""The vLLM backend with the real engine (vllm-cpu will do): `./run_all.sh --test vllm`."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fdcore.rollout.sampler import SamplingParams
from fdcore.rollout.torch_sampler import TorchSampler
from fdcore.rollout.vllm_sampler import VLLMSampler, VLLMUnavailable
from fdcore.training.logits import action_logits, action_values, token_logprobs
from fdcore.worlds.student import build_student, train_tokenizer

installed = importlib.util.find_spec("vllm") is not None
os.environ.setdefault(
    "VLLM_CPU_KVCACHE_SPACE", "1"
)  # GB; half of the machine's memory else, for each engine
SHAPE = dict(
    hidden_size=128,
    layers=2,
    heads=4,
    kv_heads=2,
    head_dim=32,
    intermediate_size=256,
    vocab_size=400,
    max_positions=512,
)
PROMPTS = [list(range(20, 60)) + [100 + i, 200 - i] for i in range(6)]


@pytest.mark.skipif(installed, reason="vLLM is installed")
def test_without_vllm_the_error_says_what_to_install():
    with pytest.raises(VLLMUnavailable, match="sampler.backend: torch"):
        VLLMSampler(None, None)


def sharp(seed: int):
    model = build_student(**SHAPE, seed=seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2.0)
    return model


@pytest.fixture(scope="module")
def engine():
    return VLLMSampler(
        sharp(0), train_tokenizer(["theorem a b"] * 3, 400), max_batch=8, max_tokens=256
    )


needs_vllm = [pytest.mark.vllm, pytest.mark.skipif(not installed, reason="vLLM is not installed")]


def parity(model, done, temperature: float = 1.0) -> float:
    sequences = [prompt + list(c.token_ids) for prompt, c in zip(PROMPTS, done, strict=True)]
    masks = [
        [0] * len(prompt) + [1] * len(c.token_ids) for prompt, c in zip(PROMPTS, done, strict=True)
    ]
    with torch.no_grad():
        trained = token_logprobs(
            action_logits(model, sequences, masks) / temperature, action_values(sequences, masks)
        )
    return (
        (trained.logprobs - torch.tensor([value for c in done for value in c.logprobs]))
        .abs()
        .max()
        .item()
    )


class TestVLLM:
    pytestmark = needs_vllm

    def test_settings_that_vllm_cannot_take_are_one_line(self):
        with pytest.raises(VLLMUnavailable, match="vLLM cannot start: .*max_model_len") as told:
            VLLMSampler(sharp(0), train_tokenizer(["theorem a b"] * 3, 400), max_tokens=10_000)
        assert "\n" not in str(told.value)

    def test_a_new_engine_has_the_models_weights(self, engine):
        assert (
            parity(sharp(0), engine.generate(PROMPTS, SamplingParams(max_new_tokens=20), range(6)))
            < 1e-3
        )

    def test_greedy_completions_are_those_of_the_torch_sampler(self, engine):
        engine.update_weights(sharp(0))
        params = SamplingParams(temperature=0, max_new_tokens=20, stop_token_ids=tuple(range(15)))
        ours, theirs = (
            TorchSampler(sharp(0)).generate(PROMPTS, params, range(6)),
            engine.generate(PROMPTS, params, range(6)),
        )
        assert [c.token_ids for c in ours] == [c.token_ids for c in theirs]
        assert [c.finish_reason for c in ours] == [c.finish_reason for c in theirs]

    def test_logprobs_are_those_of_the_training_forward_at_the_sampling_temperature(self, engine):
        engine.update_weights(sharp(0))
        params = SamplingParams(temperature=0.7, max_new_tokens=20)
        done = engine.generate(PROMPTS, params, range(6))
        assert parity(sharp(0), done, temperature=0.7) < 1e-3
        assert parity(sharp(0), done) > 0.01

    def test_seeds_decide(self, engine):
        params = SamplingParams(max_new_tokens=20)
        first, again, other = (
            engine.generate(PROMPTS, params, seeds) for seeds in (range(6), range(6), range(6, 12))
        )
        assert (
            [c.token_ids for c in first]
            == [c.token_ids for c in again]
            != [c.token_ids for c in other]
        )

    def test_pushed_weights_are_the_ones_that_sample(self, engine):
        for seed in (1, 0, 2):
            engine.update_weights(sharp(seed))
            assert (
                parity(
                    sharp(seed),
                    engine.generate(PROMPTS, SamplingParams(max_new_tokens=20), range(6)),
                )
                < 1e-3
            )

    def test_the_stop_token_is_part_of_the_completion(self, engine):
        stops = tuple(range(200))
        done = engine.generate(
            PROMPTS, SamplingParams(max_new_tokens=50, stop_token_ids=stops), range(6)
        )
        assert all(
            c.finish_reason == "stop"
            and c.token_ids[-1] in stops
            and not set(c.token_ids[:-1]) & set(stops)
            for c in done
        )

    def test_each_of_two_processes_has_an_engine_that_follows_the_model(self, tmp_path):
        command = [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc-per-node=2",
            str(tmp_path / "script.py"),
        ]
        (tmp_path / "script.py").write_text(TWO)
        root = Path(__file__).resolve().parents[2]
        done = subprocess.run(
            command,
            cwd=root,
            env=os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr[-3000:]
        assert sorted(line for line in done.stdout.splitlines() if line.startswith("engine")) == [
            "engine 0: True True",
            "engine 1: True True",
        ]


TWO = """
import torch
from fdcore.training.distributed import join_processes
from tests.rollout.test_sampling_vllm import *

if __name__ == "__main__":
    processes = join_processes()
    tokenizer = train_tokenizer(["theorem a b"] * 3, 400)
    engine = VLLMSampler(sharp(0), tokenizer, max_batch=8, max_tokens=256)
    near = []
    for seed in (0, 1):
        engine.update_weights(sharp(seed))
        mine = processes.part(range(6))
        params = SamplingParams(max_new_tokens=20)
        done = engine.generate([PROMPTS[i] for i in mine], params, list(mine))
        done = processes.gather(done)
        near.append(len(done) == 6 and parity(sharp(seed), done) < 1e-3)
    print(f"engine {processes.rank}:", *near, flush=True)
    engine.close()
    assert not torch.distributed.is_initialized()
"""

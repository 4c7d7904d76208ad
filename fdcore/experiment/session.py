"""What a run holds in memory while it makes something: judge, tokenizer, models, sampler.

Every method returns at once where its files are complete, so a notebook can be run again.
Left out on purpose: where things lie and what is there (`fdcore.experiment.run`), and evaluation.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import torch
from transformers.utils.logging import disable_progress_bar

from fdcore.experiment.provenance import describe_origin
from fdcore.experiment.run import ORIGINS, Run
from fdcore.feedback.sources import (
    Answer,
    Generate,
    Producer,
    Source,
    make_producer,
    strip_thoughts,
)
from fdcore.lean.library import Library, open_library
from fdcore.lean.sandbox import active_protections, require_protection
from fdcore.lean.verifier import Verifier
from fdcore.model import (
    add_adapters,
    checkpoint_activations,
    find_folder,
    load_model,
    load_tokenizer,
    model_folder,
)
from fdcore.profile import Profile
from fdcore.records import Problem, Trajectory, append_jsonl, read_json, write_text
from fdcore.rollout.chat import Chat
from fdcore.rollout.episode import Environment, rollout
from fdcore.rollout.sampler import Sampler, SamplingParams
from fdcore.rollout.tools import Tools
from fdcore.rollout.torch_sampler import TorchSampler
from fdcore.seeds import seed_of
from fdcore.training.distributed import Processes, launch
from fdcore.training.loop import Trainer
from fdcore.training.methods import (
    FeedbackDistillation,
    GroupRelativePolicyOptimization,
    Method,
    RejectionSamplingFineTuning,
)
from fdcore.training.teacher import EMATeacher, shared_copy

COMMIT_LENGTH = 40  # of the hub
Sample = Callable[[Sequence[Problem], Sequence[int]], list[Trajectory]]


def make_verifier(profile: Profile, cache_dir: Path, processes: int = 1) -> Verifier:
    """The judge that a profile asks for, its workers dealt out to `processes`."""
    lean, library = profile.lean, open_library(profile.lean.library)
    how = {"workers": max(1, lean.workers // processes), "cache_dir": cache_dir}
    if profile.hardware and profile.hardware.engines:
        from fdcore.rollout.remote import RayVerifier

        return RayVerifier(os.environ.get("FD_RAY_ADDRESS"), library, lean, **how)
    return Verifier(library, lean, **how)


def find_device(profile: Profile) -> torch.device:
    """Where a process of the profile computes; the CPU where there is no GPU."""
    wants = profile.hardware is not None and profile.hardware.device == "cuda"
    return torch.device("cuda" if wants and torch.cuda.is_available() else "cpu")


def count_threads(profile: Profile) -> int:
    """Threads of a process: the profile's, or fewer where OMP_NUM_THREADS ("2", "2,1") says so."""
    outermost = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    limit = int(outermost) if outermost.isdecimal() else 0  # OpenMP skips what is no number
    return min(profile.threads, limit or profile.threads)


class Session:
    """What one process needs to sample, train and evaluate in a run."""

    def __init__(self, run: Run, processes: Processes | None = None):
        if run.published:  # what is made goes into a folder that ends with the session
            self._scratch = tempfile.TemporaryDirectory(prefix="fdcore-")
            run = Run(Path(self._scratch.name), run.profile, run.seed)
        self.run, self.profile, self.seed = run, run.profile, run.seed
        self.processes = processes or Processes(device=find_device(run.profile))
        self.first = self.processes.rank == 0
        self._engine: Sampler | None = None
        self._engines = self.profile.hardware.engines if self.profile.hardware else 0
        self.uses_engine = self.profile.sampler.backend != "torch" or self._engines > 0
        torch.set_num_threads(count_threads(self.profile))
        disable_progress_bar()  # of loading a model: one for each process

    def close(self) -> None:
        """End the engine, where one was started."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def note_origin(self, record: Path) -> None:
        """Write down which code and machine make a record from here on."""
        if self.first:
            row = {"record": str(record.relative_to(self.run.folder)), "origin": describe_origin()}
            append_jsonl(self.run.folder / ORIGINS, [row])

    # -- the world ---------------------------------------------------------------------------------

    @cached_property
    def verifier(self) -> Verifier:
        """The judge; its verdicts are kept in the run's folder."""
        protections = active_protections()
        print(f"Lean runs with: {', '.join(protections) or 'no protection at all'}", flush=True)
        if self.profile.lean.library == "mathlib":
            require_protection(protections)
        return make_verifier(self.profile, self.run.folder / "verdicts", self.processes.count)

    @cached_property
    def library(self) -> Library:
        return open_library(self.profile.lean.library)

    def checked_problems(self) -> dict[str, list[Problem]]:
        """Problems by split, drawn and checked once. ValueError where the run began with others."""
        stamp = self.run.folder / "problems" / "checked.json"
        if not stamp.exists():
            self.run.draw_problems(self.verifier)
        problems = self.run.problems()
        texts = {split: "".join(p.model_dump_json() for p in problems[split]) for split in problems}
        digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}
        if not stamp.exists():
            write_text(stamp, json.dumps(digests) + "\n")
        elif read_json(stamp) != digests:
            raise ValueError(
                f"{self.run.folder} was begun with other problems than the profile's sources hold "
                "now; give another --out"
            )
        return problems

    # -- models ------------------------------------------------------------------------------------

    def base(self) -> Path:
        """The folder of the base: the profile's, or the hub's commit with which the run began."""
        source = self.profile.model.source
        mark = self.run.folder / "base" / "commit"
        commit = mark.read_text(encoding="utf-8") if mark.exists() else None
        if commit is not None and len(commit) != COMMIT_LENGTH:
            raise ValueError(f"{mark}: no commit of the hub, got {commit!r}; give another --out")
        place = model_folder(source, commit)
        if commit is None and find_folder(source) is None:
            write_text(mark, place.name)
        return place

    @cached_property
    def tokenizer(self):
        return load_tokenizer(self.base())

    @cached_property
    def chat(self) -> Chat:
        return Chat(self.tokenizer, Tools.schemas, thinking=self.profile.model.thinking)

    def load(self, folder: Path):
        """A model on this process's device."""
        return load_model(folder, self.profile.model.dtype).to(self.processes.device)

    def load_to_sample(self, folder: Path):
        """A model that is only sampled from. A GPU has no room for it beside its engine."""
        model = self.profile.model
        if not self.uses_engine:
            return self.load(folder)
        return load_model(folder, "bfloat16" if model.autocast else model.dtype)

    def _find_start(self, arm: str) -> Path:
        """The weights that an arm starts from; the arm that they are of is trained where needed."""
        start = self.profile.arm(arm).start
        if start is None:
            return self.base()
        folder = self.run.kept_model(start.arm, start.step)
        if not folder.exists():
            self.train(start.arm)
        return folder

    def _load_student(self, arm: str, folder: Path):
        """The model that an arm trains, as it is at its start; with adapters where asked for."""
        model, settings = self.load(folder), self.settings(arm)
        if (lora := settings.model.lora) is not None:
            seed = seed_of(self.seed, arm, "adapters")
            model = add_adapters(model, rank=lora.rank, alpha=lora.alpha, seed=seed)
        if settings.training.activation_checkpointing:
            model = checkpoint_activations(model)
        return model

    def settings(self, arm: str) -> Profile:
        """The profile with an arm's settings; for the base as it is."""
        return self.profile if arm == "base" else self.profile.with_arm(self.profile.arm(arm))

    # -- sampling ----------------------------------------------------------------------------------

    def sampler(self, model) -> Sampler:
        """What samples from a model. An engine is made once and follows the last model given."""
        if not self.uses_engine:
            if self.processes.shards(model):
                model = copy.deepcopy(model)  # a whole one of its own, as an engine has
            return TorchSampler(model, max_batch=self.profile.sampler.max_batch)
        self._engine = self._engine or self._open_engine(model)
        return self._engine

    def _open_engine(self, model) -> Sampler:
        sampler, episode = self.profile.sampler, self.profile.episode
        hardware = self.profile.hardware
        shares = (hardware and (hardware.engines or hardware.gpus)) or 1
        settings = {"max_batch": -(-sampler.max_batch // shares)}
        if sampler.backend == "vllm":
            settings |= {
                "max_tokens": episode.max_prompt_tokens + episode.max_response_tokens,
                "memory_share": sampler.memory_share,
                "dtype": "bfloat16" if self.profile.model.autocast else None,
            }
        if self._engines:
            from fdcore.rollout.remote import RaySampler

            return RaySampler(
                os.environ.get("FD_RAY_ADDRESS"),
                model,
                self.tokenizer,
                engines=hardware.engines,
                backend=sampler.backend,
                device=hardware.device,
                **settings,
            )
        from fdcore.rollout.vllm_sampler import VLLMSampler

        return VLLMSampler(model, self.tokenizer, **settings)

    def environment(self, profile: Profile) -> Environment:
        """What the episodes of a profile need beside a policy."""
        return Environment(self.chat, self.verifier, self.library, profile.episode)

    def sampling(self, model, profile: Profile | None = None) -> Sample:
        """(problems, seeds) -> trajectories of a model. `profile`: with an arm's settings."""
        profile = profile or self.profile
        sampler, environment = self.sampler(model), self.environment(profile)
        part = self.processes.part

        def sample(problems: Sequence[Problem], seeds: Sequence[int]) -> list[Trajectory]:
            sampler.update_weights(model)
            how = {"sampler": sampler, "environment": environment, "sampling": profile.sampler}
            return self.processes.gather(rollout(part(problems), part(seeds), **how))

        return sample

    def _generate(self, profile: Profile) -> Generate:
        """Answers of the base model to (system, user) prompts: what the producer `self` asks."""

        load, sampler_of = functools.cache(self.load_to_sample), functools.cache(self.sampler)

        def generate(prompts: Sequence[tuple[str, str]], seeds: Sequence[int]) -> list[Answer]:
            model = load(self.base())
            sampler = sampler_of(model)
            sampler.update_weights(model)  # an engine has sampled from the student since
            chat = Chat(self.tokenizer, [], thinking=False)
            limit = profile.episode.max_prompt_tokens
            ids = [_shorten(chat.question(*prompt), limit) for prompt in prompts]
            params = SamplingParams(
                max_new_tokens=profile.feedback.max_tokens, stop_token_ids=chat.ends
            )
            own = [seed_of(self.seed, "self", seed) for seed in seeds]
            answers = []
            for prompt, completion in zip(ids, sampler.generate(ids, params, own), strict=True):
                turn = chat.decode(prompt).rpartition("<|im_start|>")[2]
                tokens = list(completion.token_ids)
                text = self.tokenizer.decode(tokens, skip_special_tokens=True)
                answers.append(Answer(strip_thoughts(turn, text), len(prompt), len(tokens)))
            return answers

        return generate

    # -- training ----------------------------------------------------------------------------------

    def train(self, arm: str, steps: int | None = None) -> list[dict]:
        """Train an arm to its end, after the arm that it starts from; all its metrics rows.

        Args:
            steps: more than the profile's extend the arm, also a finished one. Its final model and
                evaluations make room for later ones.
        """
        run, plan, profile = self.run, self.profile.arm(arm), self.settings(arm)
        run.check_folder()
        folder, steps = run.claim_arm(arm), max(plan.steps, steps or 0)
        if (folder / "model").exists() and len(run.metrics(arm)) >= steps:
            return run.metrics(arm)
        problems = self.checked_problems()
        start = self._find_start(arm)
        if self.launch("train", arm, str(steps)):
            return run.metrics(arm)
        model = self._load_student(arm, start)
        sampler = self.sampler(model)
        method, teacher, producer = self._method(arm, model)
        for weights in [teacher.model, model] if teacher else [model]:
            self.processes.shard(weights)
        trainer = Trainer(
            folder=folder,
            arm=arm,
            seed=self.seed,
            profile=profile,
            model=model,
            method=method,
            sampler=sampler,
            environment=self.environment(profile),
            producer=producer,
            teacher=teacher,
            processes=self.processes,
            origin=describe_origin(),
        )
        kept = self.profile.kept_steps(arm) if plan.method == "fd" else ()
        with run.lock() if self.first else contextlib.nullcontext():
            self.note_origin(folder / "metrics.jsonl")
            if self.first:  # there only where the arm is extended
                shutil.rmtree(folder / "model", ignore_errors=True)
                for path in folder.glob("eval_*.jsonl"):
                    path.unlink()
            models = {step: run.kept_model(arm, step) for step in kept}
            rows = trainer.train(steps, problems, models)
            trainer.save_model(folder / "model")
        return rows

    def _method(self, arm: str, model) -> tuple[Method, EMATeacher | None, Producer | None]:
        """An arm's method; for Feedback Distillation also its teacher, and who gives feedback."""
        plan, profile = self.profile.arm(arm), self.settings(arm)
        autocast = profile.model.autocast
        # The torch sampler computes as the trainer does: there is no mismatch to report.
        mismatch = profile.sampler.backend != "torch"
        if plan.method == "rft":
            return RejectionSamplingFineTuning(profile.rft, autocast=autocast), None, None
        if plan.method == "grpo":
            method = GroupRelativePolicyOptimization(
                profile.grpo,
                self.processes.shard(shared_copy(model)),
                max_tokens=profile.episode.max_response_tokens,
                autocast=autocast,
                mismatch=mismatch,
            )
            return method, None, None
        recipe, folder = profile.distillation, self.run.folder / "feedback"
        teacher = EMATeacher(model, alpha=recipe.ema_alpha, every=recipe.ema_every)
        method = FeedbackDistillation(recipe, teacher.model, autocast=autocast, mismatch=mismatch)
        source = Source(profile.feedback, self.seed, self._generate(profile), folder)
        return method, teacher, make_producer(source)

    def launch(self, *arguments: str) -> bool:
        """Do a command in one process a GPU, where there are several and this is none of them.

        Raises:
            ValueError: this machine has fewer GPUs than the profile asks for.
        """
        hardware, name = self.profile.hardware, self.profile.name
        if hardware is None or self.processes.count > 1:
            return False
        count = torch.cuda.device_count()
        if hardware.device == "cuda" and count < hardware.gpus:
            raise ValueError(
                f"profile {name} asks for {hardware.gpus} GPUs, torch sees {count} on this "
                f"machine; ./run_all.sh --profile {name} --check says more"
            )
        if hardware.gpus == 1:
            return False
        launch(hardware.gpus, ["share", str(self.run.folder), *arguments])
        return True


def _shorten(ids: list[int], limit: int) -> list[int]:
    """A prompt over the limit without its middle, which is the attempt's."""
    if len(ids) <= limit:
        return ids
    return [*ids[: limit // 2], *ids[len(ids) - (limit - limit // 2) :]]

"""One experiment: a run's folder (`fdcore.experiment.recorded`) in which what is missing is made. Notebooks ask it for what they need; it makes it, resumes it, or reads it.

Every method returns at once where its files are complete, so a notebook can be run again at any time.
"""

from __future__ import annotations

import contextlib
import copy
import fcntl
import functools
import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import torch
from tqdm import tqdm
from transformers.utils.logging import disable_progress_bar

from fdcore.experiment.arms import Arm, arm_of
from fdcore.experiment.origin import origin
from fdcore.experiment.recorded import ORIGINS, RecordedRun
from fdcore.feedback.sources import Answer, Generate, Producer, make_producer, strip_thoughts
from fdcore.figures.style import arm_label
from fdcore.figures.token_view import TokenView, token_view
from fdcore.lean.library import INTERNAL, Library, open_library
from fdcore.lean.sandbox import active_protections, require_protection
from fdcore.lean.verifier import Verifier
from fdcore.model import (
    add_adapters,
    checkpoint_activations,
    load_model,
    load_tokenizer,
    model_folder,
    save_model,
)
from fdcore.profile import Profile
from fdcore.records import Feedback, Problem, Trajectory, read_jsonl, write_text
from fdcore.rollout.chat import Chat
from fdcore.rollout.episode import Environment, rollout
from fdcore.rollout.remote import RayVerifier, open_verifier
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
from fdcore.worlds import problems as problem_sets
from fdcore.worlds import warmup
from fdcore.worlds.student import build_student, train_tokenizer


def make_verifier(profile: Profile, cache_dir: Path, processes: int = 1) -> Verifier | RayVerifier:
    """The judge that a profile asks for, its workers dealt out to so many processes; its verdicts are kept in `cache_dir`."""
    lean = profile.lean
    return open_verifier(
        open_library(lean.library),
        lean,
        workers=max(1, lean.workers // processes),
        cache_dir=cache_dir,
    )


def device_of(profile: Profile) -> torch.device:
    """Where a process of the profile computes. Without a GPU a finished run can still be read, so that this is no error."""
    return torch.device(
        "cuda"
        if profile.hardware and profile.hardware.device == "cuda" and torch.cuda.is_available()
        else "cpu"
    )


class Experiment(RecordedRun):
    """`Experiment("tiny", seed=0)`; `out` is the run's folder, by default runs/PROFILE-seedSEED in the repository.

    ValueError for a folder of records without weights.
    """

    def __init__(
        self,
        profile: str | Path,
        seed: int = 0,
        out: str | Path | None = None,
        processes: Processes | None = None,
    ):
        super().__init__(profile, seed, out)
        if self.shipped:
            raise ValueError(
                f"{self.folder} holds records without weights, which nothing can be trained or sampled from; read them with fdcore.experiment.study.Study, or give another folder"
            )
        self.source, self.processes = (
            profile,
            processes or Processes(device=device_of(self.profile)),
        )
        self._engine: Sampler | None = None
        torch.set_num_threads(
            min(
                self.profile.threads, int(os.environ.get("OMP_NUM_THREADS") or self.profile.threads)
            )
        )
        if self.profile.model.source is None or self.processes.count > 1:
            disable_progress_bar()  # one for each load of a model of a few megabytes says nothing, nor does one from each of several processes

    def close(self) -> None:
        """End the engine, where one was started."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    @contextlib.contextmanager
    def _writing(self):
        """Only one process writes into a run's folder; a kernel that outlived a killed run has a few seconds to end."""
        if self.processes.rank:
            yield
            return
        with open(self.folder / "lock", "w") as lock:
            for _ in range(20):
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError:
                    time.sleep(0.5)
            else:
                raise RuntimeError(
                    f"another process is writing into {self.folder}; wait for it or stop it, then run the same command again"
                )
            yield

    def _note_origin(self, record: Path) -> None:
        if self.processes.rank == 0:
            with open(self.folder / ORIGINS, "a", encoding="utf-8") as file:
                file.write(
                    json.dumps({"record": str(record.relative_to(self.folder)), "origin": origin()})
                    + "\n"
                )

    # -- the world -----------------------------------------------------------------------------------------------

    def verifier(self) -> Verifier | RayVerifier:
        return make_verifier(self.profile, self.folder / "verdicts", self.processes.count)

    @cached_property
    def _verifier(self) -> Verifier | RayVerifier:
        protections = active_protections()
        print(f"Lean runs with: {', '.join(protections) or 'no protection at all'}", flush=True)
        if self.profile.lean.library == "mathlib":
            require_protection(protections)
        return self.verifier()

    def tools(self, problem: Problem) -> Tools:
        return Tools(problem, self.library, output_chars=self.profile.episode.tool_output_chars)

    @cached_property
    def library(self) -> Library:
        return open_library(self.profile.lean.library)

    # -- models --------------------------------------------------------------------------------------------------

    def base(self) -> Path:
        """The folder of the model that every arm starts from: warmed up here, or the profile's own."""
        folder = self.folder / "base" / "model"
        if folder.exists():
            return folder
        if self.profile.model.source is not None:
            return self._published(self.profile.model.source)
        with self._writing():
            return self._warm_up(folder)

    def _published(self, source: str) -> Path:
        """The folder of a model that was not made here; of one from the hub always the commit with which the run began."""
        mark = self.folder / "base" / "commit"
        found = model_folder(source, mark.read_text() if mark.exists() else None)
        if found != Path(source) and not mark.exists():
            write_text(mark, found.name)
        return found

    def _warm_up(self, folder: Path) -> Path:
        settings, shape = self.profile.warmup, self.profile.model.student
        known, unknown = problem_sets.partition()
        pool = problem_sets.read_problems(problem_sets.ROOT / "warmup.jsonl")
        writer = warmup.TraceWriter(
            settings,
            self.seed,
            self._verifier,
            self.tools,
            unknown,
            sorted(known),
            self._feedback_names,
        )
        traces = writer.write(pool)
        tokenizer = train_tokenizer(self._tokenizer_texts(traces), shape.vocab_size)
        chat = self._chat(tokenizer)
        short = Chat(tokenizer, [], thinking=chat.thinking, system=False)
        data = [warmup.encode(trace, short) for trace in traces]
        system = chat.prompt(pool[0])[
            : -len(short.prompt(pool[0]))
        ]  # the rest of a prompt is the same tokens
        full = [([*system, *ids], [*[0] * len(system), *mask]) for ids, mask in data]
        model = build_student(
            **shape.model_dump(exclude={"vocab_size"}),
            vocab_size=len(tokenizer),
            seed=seed_of(self.seed, "student"),
        )
        rows = warmup.train(
            model,
            [(data, settings.short_steps), (full, settings.full_steps)],
            settings,
            self.folder / "base" / "checkpoints",
            seed=self.seed,
            autocast=self.profile.model.autocast,
        )
        self._note_origin(self.folder / "base" / "metrics.jsonl")
        write_text(
            self.folder / "base" / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in rows)
        )
        save_model(model, tokenizer, folder)
        shutil.rmtree(self.folder / "base" / "checkpoints", ignore_errors=True)
        return folder

    @property
    def _feedback_names(self) -> list[str]:
        """The lemmas that warm-up feedback may name at random."""
        return sorted(name for name in self.library.theorem_names if not INTERNAL.search(name))

    def _tokenizer_texts(self, traces) -> list[str]:
        """What the tokenizer learns from: the tools' schemas, and statements, feedback, calls and answers of the traces."""
        texts = [json.dumps(schema) for schema in Tools.schemas] * 50
        for trace in traces:
            texts += [
                trace.problem.statement,
                trace.feedback or "",
                *(turn.text + turn.answer for turn in trace.turns),
            ]
        return texts

    def _chat(self, tokenizer) -> Chat:
        return Chat(tokenizer, Tools.schemas, thinking=self.profile.model.thinking)

    @cached_property
    def tokenizer(self):
        return load_tokenizer(self.base())

    @cached_property
    def chat(self) -> Chat:
        return self._chat(self.tokenizer)

    def model_folder(self, arm: str) -> Path:
        """The folder of an arm's final model ("base": the base)."""
        return self.base() if arm == "base" else self.folder / "arms" / arm / "model"

    def _fd_checkpoint(self, step: int, arm: str = "fd") -> Path:
        return self.folder / "arms" / arm / f"model-step-{step:06d}"

    def _load(self, folder: Path):
        return load_model(folder, self.profile.model.dtype).to(self.processes.device)

    def _load_to_sample(self, folder: Path):
        """A model that is only sampled from. Beside an engine it stays in the machine's memory, in the engine's precision: a GPU has no room for both."""
        settings, model = self.profile.sampler, self.profile.model
        if settings.backend == "torch" and not (
            self.profile.hardware and self.profile.hardware.engines
        ):
            return self._load(folder)
        return load_model(folder, "bfloat16" if model.autocast else model.dtype)

    # -- sampling, training, evaluation --------------------------------------------------------------------------

    def _sampler(self, model) -> Sampler:
        """What samples from the model. An engine is made once and follows whichever model it was given last: a GPU has room for one."""
        hardware = self.profile.hardware
        if self.profile.sampler.backend == "torch" and not (hardware and hardware.engines):
            if self.processes.shards(model):
                model = copy.deepcopy(model)  # a whole one of its own, as an engine has
            return TorchSampler(model, max_batch=self.profile.sampler.max_batch)
        self._engine = self._engine or self._open_engine(model)
        return self._engine

    def _open_engine(self, model) -> Sampler:
        sampler, episode, hardware = (
            self.profile.sampler,
            self.profile.episode,
            self.profile.hardware,
        )
        settings = {
            "max_batch": -(
                -sampler.max_batch // (hardware and (hardware.engines or hardware.gpus) or 1)
            )
        }
        if sampler.backend == "vllm":
            settings |= {
                "max_tokens": episode.max_prompt_tokens + episode.max_response_tokens,
                "memory_share": sampler.memory_share,
                "dtype": "bfloat16" if self.profile.model.autocast else None,
            }
        if hardware and hardware.engines:
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
        return Environment(self.chat, self._verifier, self.library, profile.episode)

    def sampling(
        self, model, profile: Profile | None = None
    ) -> Callable[[Sequence[Problem], Sequence[int]], list[Trajectory]]:
        """A function (problems, seeds) -> trajectories of that model; `profile`: an arm's settings."""
        profile = profile or self.profile
        sampler, environment = self._sampler(model), self.environment(profile)
        part, gather = self.processes.part, self.processes.gather

        def sample(problems: Sequence[Problem], seeds: Sequence[int]) -> list[Trajectory]:
            sampler.update_weights(model)
            how = {"sampler": sampler, "environment": environment, "sampling": profile.sampler}
            return gather(rollout(part(problems), part(seeds), **how))

        return sample

    def train(self, arm: str, steps: int | None = None) -> list[dict]:
        """Train an arm to its end (resuming where it stands); returns its metrics rows. Arms that it starts from are trained first.

        `steps` beyond the profile's extend the arm, also a finished one: its final model and evaluations make room for later ones.
        """
        folder, plan = self.folder / "arms" / arm, arm_of(self.profile, arm)
        self._claim_arm(folder, arm, plan)
        steps = max(plan.steps, steps or 0)
        if (folder / "model").exists() and len(self.metrics(arm)) >= steps:
            return self.metrics(arm)
        profile, problems, start = plan.profile, self.problems(), self._start(plan)
        if self._launched("share-train", arm, str(steps)):
            return self.metrics(arm)
        model, processes = self._student(start, plan, arm), self.processes
        sampler = self._sampler(model)
        method, teacher, producer = self._method(plan, model)
        if teacher is not None:
            processes.shard(teacher.model)
        processes.shard(model)
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
            processes=processes,
        )
        keep = (
            {step: self._fd_checkpoint(step, arm) for step in self.profile.kept_steps(arm)}
            if plan.method == "fd"
            else {}
        )
        with self._writing():
            self._note_origin(folder / "metrics.jsonl")
            if processes.rank == 0:
                shutil.rmtree(
                    folder / "model", ignore_errors=True
                )  # there only where the arm is extended; its checkpoint goes on from it
                for path in folder.glob("eval_*.jsonl"):
                    path.unlink()
            rows = trainer.train(steps, problems, keep)
            trainer.save_model(folder / "model")
        return rows

    def _method(self, plan: Arm, model) -> tuple[Method, EMATeacher | None, Producer | None]:
        """An arm's method, and for Feedback Distillation the teacher and who writes the feedback."""
        profile = plan.profile
        settings = {
            "autocast": profile.model.autocast,
            "mismatch": profile.sampler.backend
            != "torch",  # the torch sampler computes as the trainer does
        }
        if plan.method == "fd":
            recipe, folder = profile.distillation, self.folder / "feedback"
            teacher = EMATeacher(model, alpha=recipe.ema_alpha, every=recipe.ema_every)
            method = FeedbackDistillation(recipe, teacher.model, **settings)
            answer = self._generate(profile)
            return method, teacher, make_producer(profile.feedback, self.seed, answer, folder)
        if plan.method == "grpo":
            reference = self.processes.shard(shared_copy(model))
            length = profile.episode.max_response_tokens
            method = GroupRelativePolicyOptimization(
                profile.grpo, reference, max_tokens=length, **settings
            )
            return method, None, None
        return RejectionSamplingFineTuning(profile.rft, autocast=profile.model.autocast), None, None

    def _generate(self, profile: Profile) -> Generate:
        """Answers of the base model, which stays as it is, to (system, user) prompts without tools: what the producer `self` asks."""

        @functools.cache
        def base():
            model = self._load_to_sample(self.base())
            return model, self._sampler(model)

        def generate(prompts: Sequence[tuple[str, str]], seeds: Sequence[int]) -> list[str]:
            model, sampler = base()
            sampler.update_weights(model)  # an engine has sampled from the student since
            chat = Chat(self.tokenizer, [], thinking=False)
            limit = profile.episode.max_prompt_tokens
            params = SamplingParams(
                temperature=profile.sampler.temperature,
                max_new_tokens=profile.feedback.max_tokens,
                stop_token_ids=chat.ends,
            )
            asked = [_shortened(chat.question(*prompt), limit) for prompt in prompts]
            found = sampler.generate(
                asked, params, [seed_of(self.seed, "self", seed) for seed in seeds]
            )
            answers = []
            for ids, completion in zip(asked, found):
                turn = chat.decode(ids).rpartition("<|im_start|>")[2]
                said = self.tokenizer.decode(list(completion.token_ids), skip_special_tokens=True)
                text = strip_thoughts(turn, said)
                answers.append(Answer(text, len(ids), len(completion.token_ids)))
            return answers

        return generate

    def _launched(self, *arguments: str) -> bool:
        """Where the profile has several GPUs and this is no process of theirs: do it in one process a GPU, and wait.

        ValueError where this machine has fewer GPUs than the profile asks for.
        """
        hardware, name = self.profile.hardware, self.profile.name
        if hardware is None or self.processes.count > 1:
            return False
        if hardware.device == "cuda" and (found := torch.cuda.device_count()) < hardware.gpus:
            raise ValueError(
                f"profile {name} asks for {hardware.gpus} GPU{'s' * (hardware.gpus > 1)}, torch sees {found} on this machine; ./run_all.sh --profile {name} --check says what to do, --rehearse tries the "
                "profile without a GPU"
            )
        if hardware.gpus == 1:
            return False
        launch(
            hardware.gpus,
            [
                *arguments,
                "--profile",
                str(self.source),
                "--seed",
                str(self.seed),
                "--out",
                str(self.folder),
            ],
        )
        return True

    def _student(self, start: Path, plan: Arm, arm: str):
        """The model that an arm trains, as it is at its start: with adapters where the profile has them."""
        model, settings = self._load(start), plan.profile
        if settings.model.lora is not None:
            model = add_adapters(
                model,
                rank=settings.model.lora.rank,
                alpha=settings.model.lora.alpha,
                seed=seed_of(self.seed, arm, "adapters"),
            )
        if settings.training.activation_checkpointing:
            model = checkpoint_activations(model)
        return model

    def _start(self, plan: Arm) -> Path:
        """The folder of the weights that an arm starts from."""
        if plan.after is None:
            return self.base()
        where = self._fd_checkpoint(plan.start, plan.after)
        if not where.exists():
            self.train(plan.after)
        return where

    def _unfinished(self, arm: str, split: str) -> bool:
        return sum(1 for _ in read_jsonl(self._evaluation(arm, split))) < len(self._problems[split])

    def evaluate(self, arm: str, split: str) -> list[dict]:
        """Samples for pass@k: one row a problem. Made once; an interrupted evaluation goes on at the problem where it was."""
        path, todo = self._evaluation(arm, split), self.problems()[split]
        done = list(read_jsonl(path))
        if not self._unfinished(arm, split):
            return done
        folder = self.model_folder(arm)
        splits = [
            each
            for each in ("test", "holdout")
            if each == split or arm in ("base", *self.arms) and self._unfinished(arm, each)
        ]  # both, once the processes are up
        if self._launched("share-evaluate", arm, *splits):
            return list(read_jsonl(path))
        settings, model = self.profile, self._load_to_sample(folder)
        profile = self.profile if arm == "base" else arm_of(self.profile, arm).profile
        count = settings.samples_of(arm, split)
        at_once = max(1, self.profile.sampler.max_batch // count)
        _, unknown = problem_sets.partition()
        sample = self.sampling(model, profile)
        with (
            self._writing(),
            tqdm(
                total=len(todo),
                initial=len(done),
                desc=f"{arm} on {split}, {count} samples each",
                unit="problem",
                mininterval=2.0,
                disable=self.processes.rank > 0,
            ) as bar,
        ):
            self._note_origin(path)
            if self.processes.rank == 0:
                write_text(
                    path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in done)
                )  # drops a line cut short by a kill
            for first in range(len(done), len(todo), at_once):
                batch = todo[first : first + at_once]
                seeds = [
                    seed_of(self.seed, "eval", problem.id, i)
                    for problem in batch
                    for i in range(count)
                ]
                trajectories = sample([p for p in batch for _ in range(count)], seeds)
                rows = [
                    self._row(problem, trajectories[index * count : (index + 1) * count], unknown)
                    for index, problem in enumerate(batch)
                ]
                if self.processes.rank == 0:
                    with open(path, "a", encoding="utf-8") as file:
                        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
                bar.update(len(batch))
        self.processes.wait()  # until all is written
        return list(read_jsonl(path))

    @staticmethod
    def _row(problem: Problem, trajectories: list[Trajectory], unknown: set[str]) -> dict:
        proofs = sorted({t.source for t in trajectories if t.verdict.verified})
        return {
            "problem_id": problem.id,
            "tier": problem.tier,
            "unknown": bool(set(problem.lemmas) & unknown),
            "n": len(trajectories),
            "c": sum(t.verdict.verified for t in trajectories),
            "proofs": proofs,
            "tokens": sum(sum(t.action_mask) for t in trajectories),
        }

    # -- for figures ---------------------------------------------------------------------------------------------

    def token_views(self) -> list[TokenView]:
        """Figure 1's data and its like: an attempt of the first FD step and of the last FD checkpoint's, read by every model that the run has saved.

        The first view is Figure 1: the base reads an attempt of the first step. Student and teacher always have the same weights, so
        that every difference is the feedback's. `labels` name the attempt, and the arm and step of the weights.
        """
        readers, base = self._readers(), self._load(self.base())
        picked = [
            self._telling(base, step)
            for step in sorted({1, max([1, *(step for name, step, _ in readers if name == "FD")])})
        ]
        views: list[list[TokenView]] = [[] for _ in picked]
        for name, step, folder in readers:
            model = self._load(folder)
            for row, (problem, attempt, feedback) in zip(views, picked):
                labels = {
                    "attempt": f"step {attempt.step}, {problem.id}, {attempt.verdict.status}",
                    "arm": name,
                    "step": str(step),
                }
                row.append(
                    token_view(
                        model, model, self.chat, problem, attempt, feedback.text, labels=labels
                    )
                )
        return [view for row in views for view in row]

    def _readers(self) -> list[tuple[str, int, Path]]:
        """(arm, step from the base, folder) of every model that the run has saved."""
        starts = {arm: self.start_step(arm) for arm in self.arms}
        found = {
            ("FD", step): self._fd_checkpoint(step)
            for step in sorted(self.profile.kept_steps("fd"))
        }
        found |= {
            (
                arm_label(arm, starts),
                starts[arm] + self.metrics(arm)[-1]["step"],
            ): self.model_folder(arm)
            for arm in self.arms
            if self.model_folder(arm).exists()
        }
        return [
            ("base", 0, self.base()),
            *((*key, folder) for key, folder in found.items() if folder.exists()),
        ]

    def _telling(self, model, step: int) -> tuple[Problem, Trajectory, Feedback]:
        """Of an FD step's failed attempts (of all, where none failed), the one where the teacher moves most probability at one token."""
        found = self.recorded(step)
        failed = [item for item in found if not item[1].verdict.verified] or found
        views = [
            token_view(model, model, self.chat, problem, attempt, feedback.text)
            for problem, attempt, feedback in failed
        ]
        return failed[
            max(
                range(len(views)),
                key=lambda i: sum(
                    abs(option.teacher - option.student)
                    for option in views[i].alternatives[views[i].focus]
                ),
            )
        ]


def _shortened(ids: list[int], limit: int) -> list[int]:
    """A prompt over the limit without its middle, which is the attempt's."""
    return (
        ids if len(ids) <= limit else [*ids[: limit // 2], *ids[len(ids) - (limit - limit // 2) :]]
    )

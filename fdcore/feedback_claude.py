"""Feedback from Claude through the `anthropic` SDK."""
from __future__ import annotations

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Sequence

from fdcore.feedback import FeedbackError, Item, prompt_hash, request
from fdcore.profile import FeedbackSettings
from fdcore.records import Feedback, Problem, Trajectory


class Claude:
    """Feedback from Claude through the `anthropic` SDK. The key comes from ANTHROPIC_API_KEY and is never written anywhere."""

    def __init__(self, settings: FeedbackSettings):
        import anthropic  # here, so that tiny runs do not load it

        if not os.environ.get("ANTHROPIC_API_KEY"):
            raise FeedbackError("feedback.producer is claude but ANTHROPIC_API_KEY is not set; export the key, or use the scripted producer")
        self.settings, self.sdk = settings, anthropic
        self.prompt_hash = prompt_hash(settings.formulation)

    def write(self, items: Sequence[Item]) -> list[Feedback]:
        with ThreadPoolExecutor(1) as pool:  # a thread of its own, since a notebook's has a running event loop already
            return pool.submit(asyncio.run, self._all(items)).result()

    async def _all(self, items: Sequence[Item]) -> list[Feedback]:
        room = asyncio.Semaphore(self.settings.concurrency)
        async with self.sdk.AsyncAnthropic(max_retries=8) as client:  # the SDK backs off on 429, 5xx and honours retry-after
            return await asyncio.gather(*(self._one(client, room, *item) for item in items))

    async def _one(self, client, room: asyncio.Semaphore, problem: Problem, trajectory: Trajectory) -> Feedback:
        started = time.monotonic()
        system, user = request(problem, trajectory, self.settings.formulation)
        async with room:
            try:
                answer = await client.messages.create(
                    model=self.settings.model, max_tokens=self.settings.max_tokens, system=system, messages=[{"role": "user", "content": user}]
                )
            except self.sdk.AuthenticationError:
                raise FeedbackError("Anthropic refused the key in ANTHROPIC_API_KEY; set a valid key and run the same command again") from None
            except self.sdk.APIError as error:
                raise FeedbackError(f"Claude did not answer after 8 retries ({type(error).__name__}); run the same command again to go on") from None
        text = "".join(block.text for block in answer.content if block.type == "text").strip()
        return Feedback(
            problem_id=problem.id, text=text, producer="claude", model=answer.model, prompt_hash=self.prompt_hash,
            input_tokens=answer.usage.input_tokens, output_tokens=answer.usage.output_tokens, seconds=time.monotonic() - started,
        )

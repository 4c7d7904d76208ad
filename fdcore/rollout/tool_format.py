"""How a model writes a tool call: Qwen3's JSON, or Qwen3.5's XML. The chat template decides which.

A format turns the text between `<tool_call>` and `</tool_call>` into a name and arguments, and
back. Left out on purpose: which tools there are, and whether the arguments fit them.
"""

from __future__ import annotations

import contextlib
import json
import re
from typing import TYPE_CHECKING, Protocol

import jinja2

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

OPEN, CLOSE = "<tool_call>", "</tool_call>"
PROBE = "lean_write_file", {"path": "A.lean", "content": 'exact "∀ x"\n  · rfl <;> simp'}


class CallError(ValueError):
    """A call that cannot be carried out. The message is the answer that the model gets."""


class ToolFormat(Protocol):
    """How one family of models writes a call. `markers` open and close a call."""

    name: str
    markers: tuple[str, str]

    def read(self, raw: str) -> tuple[str, dict]:
        """(name, arguments) of the text between the markers. Raises CallError."""

    def write(self, name: str, arguments: dict[str, str]) -> str:
        """The call with its markers, as the model's template writes it."""


class JSONCalls:
    """Qwen3: `{"name": …, "arguments": {…}}`."""

    name, markers = "json", (OPEN, CLOSE)

    def read(self, raw: str) -> tuple[str, dict]:
        """See ToolFormat.read.

        >>> JSONCalls().read('{"name": "lean_check_file", "arguments": {"path": "A.lean"}}')
        ('lean_check_file', {'path': 'A.lean'})
        """
        try:
            call = json.loads(raw, strict=False, parse_constant=_refuse_constant)
        except json.JSONDecodeError as error:
            raise CallError(f"not valid JSON: {error.msg} at character {error.pos}") from None
        except (ValueError, RecursionError):
            raise CallError("not valid JSON") from None
        call = call if isinstance(call, dict) else {}
        name, arguments = call.get("name"), call.get("arguments")
        if not (isinstance(name, str) and isinstance(arguments, dict)):
            raise CallError(
                "a call is a JSON object with name (a string) and arguments (an object)"
            )
        try:
            json.dumps(call, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise CallError("not valid Unicode") from None
        return name, arguments

    def write(self, name: str, arguments: dict[str, str]) -> str:
        call = json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)
        return f"{OPEN}\n{call}\n{CLOSE}"


class XMLCalls:
    """Qwen3.5: `<function=NAME>`, a `<parameter=KEY>` for each argument, `</function>`."""

    name, markers = "xml", (OPEN, CLOSE)
    FUNCTION = re.compile(r"\s*<function=([^<>\n]+)>(.*)</function>\s*", re.DOTALL)
    PARAMETER = re.compile(
        r"\s*<parameter=([^<>\n]+)>\n?(.*?)\n?</parameter>(?=\s*(?:<parameter=|\Z))", re.DOTALL
    )

    def read(self, raw: str) -> tuple[str, dict]:
        """See ToolFormat.read. A value loses one line break at each end, which the format adds.

        >>> XMLCalls().read("<function=f>\\n<parameter=path>\\nA.lean\\n</parameter>\\n</function>")
        ('f', {'path': 'A.lean'})
        """
        function = self.FUNCTION.fullmatch(raw)
        if function is None:
            raise CallError("a call is <function=NAME>, its parameters, then </function>")
        arguments, end, body = {}, 0, function[2]
        while parameter := self.PARAMETER.match(body, end):
            if parameter[1] in arguments:
                raise CallError(f"parameter {parameter[1][:40]!r} is given twice")
            arguments[parameter[1]] = parameter[2]
            end = parameter.end()
        if body[end:].strip():
            raise CallError("each parameter is <parameter=KEY>, its value, then </parameter>")
        return function[1], arguments

    def write(self, name: str, arguments: dict[str, str]) -> str:
        values = "".join(
            f"<parameter={key}>\n{value}\n</parameter>\n" for key, value in arguments.items()
        )
        return f"{OPEN}\n<function={name}>\n{values}</function>\n{CLOSE}"


FORMATS: tuple[ToolFormat, ...] = (JSONCalls(), XMLCalls())


def choose_format(tokenizer: PreTrainedTokenizerBase) -> ToolFormat:
    """The format that reads back a call which the tokenizer's own chat template has written.

    Raises:
        ValueError: no format reads it, or a marker is not one token; one line names the tokenizer.
    """
    whose = f"the chat template of {tokenizer.name_or_path or 'this tokenizer'}"
    name, arguments = PROBE
    call = {"type": "function", "function": {"name": name, "arguments": arguments}}
    messages = [
        {"role": "user", "content": "u"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
    ]
    try:
        text = tokenizer.apply_chat_template(messages, tokenize=False)
    except (jinja2.TemplateError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{whose} cannot write a tool call: {reason}") from None
    for form in FORMATS:
        opening, closing = form.markers
        raw = text.rpartition(opening)[2].partition(closing)[0]
        with contextlib.suppress(CallError):
            if form.read(raw) == PROBE:
                _check_markers(tokenizer, form, whose)
                return form
    names = ", ".join(form.name for form in FORMATS)
    raise ValueError(f"{whose} writes tool calls in none of the known formats ({names})")


def _check_markers(tokenizer: PreTrainedTokenizerBase, form: ToolFormat, whose: str) -> None:
    for marker in form.markers:
        if len(tokenizer.encode(marker, add_special_tokens=False)) != 1:
            raise ValueError(f"{whose} uses {marker}, which is not one token of the tokenizer")


def _refuse_constant(word: str) -> None:
    raise ValueError(word)

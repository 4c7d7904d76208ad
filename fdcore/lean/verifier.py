"""Does this file prove this problem? Only a process that runs nothing of it can say yes.

    file -> elaborator: parse, screen, elaborate -> object file -> judge: kernel -> verified
            a fault: the verdict is against the file               anything else: not

`verified` means: Lean found neither an error nor a sorry in the file; the kernel, in the judge's
process, accepted the theorem and all that it rests on, built anew from the object file's bytes; it
accepted `theorem fdAccept : STATEMENT := @THEOREM` with the statement elaborated there from the
problem alone; and all axioms are on the profile's list. No text of the file and no message decides.
lean_project/VERIFIER.md says why this is sound, and lists the attacks.

Left out on purpose: more than one machine.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import math
import os
import queue
import re
import tempfile
import time
import warnings
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pydantic import ValidationError

from fdcore import profile
from fdcore.lean.library import Library
from fdcore.lean.process import LeanProcess, Limits, NoAnswer, remove_folder
from fdcore.lean.screen import MAX_CHARS
from fdcore.records import LeanMessage, Problem, Verdict

RULES = 6  # part of every cache key: raised when a change here could change a verdict
WORKERS_A_JUDGE = 4  # a proof keeps the judge for a fifth of the time that it keeps the elaborator
OLEAN = "candidate.olean"
MAX_MESSAGES, MAX_MESSAGE_CHARS = 30, 1500
# What may come out differently in a process that has run other files: asked again of a new one
UNSETTLED = re.compile(
    r"heartbeats|recursion depth|stack|memory|interrupt|internal exception|_uniq|_fvar"
)
LACKING = re.compile(
    r"Unknown constant `(?:Lean\.[\w.]+|wfParam)`|Tactic `Lean\.\S+` has not been implemented"
)
LACKED = (
    "the core library has no `(config := …)` (write `simp +decide`), no `show_term` and no "
    "recursion on a measure (`termination_by`)"
)
Pair = tuple[Problem, str | None]  # a problem and a file, or no file: the problem's statement alone


class Verifier:
    """Judges files against problems, in parallel, with a cache. A context manager.

    Args:
        library: what the files build on.
        settings: a profile's section `lean`: header, axioms, limits, workers.
        workers: how many files at once; None: as `settings` say.
        cache_dir: where verdicts are kept; None: in memory.
    """

    def __init__(
        self,
        library: Library,
        settings: profile.Lean,
        *,
        workers: int | None = None,
        cache_dir: Path | None,
    ):
        self._library, self.settings, count = library, settings, workers or settings.workers
        self._axioms = frozenset(tuple(axiom.split(".")) for axiom in settings.axioms)
        rest = settings.model_dump(mode="json", exclude={"workers", "library"})
        self._cache = VerdictCache(cache_dir, [RULES, library.identity, rest])
        self._scratch, held = make_scratch_folder()
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="verifier")
        self._judges = [
            self._process("judge", number) for number in range(math.ceil(count / WORKERS_A_JUDGE))
        ]
        self._elaborators = [self._process("elaborate", number) for number in range(count)]
        self._workers: queue.SimpleQueue[tuple[LeanProcess, LeanProcess]] = queue.SimpleQueue()
        for number, elaborator in enumerate(self._elaborators):
            self._workers.put((elaborator, self._judges[number // WORKERS_A_JUDGE]))
        processes = [*self._elaborators, *self._judges]
        self._end = weakref.finalize(self, _end, processes, self._pool, self._scratch, held)

    def _process(self, role: str, number: int) -> LeanProcess:
        settings, is_judge = self.settings, role == "judge"
        heartbeats = settings.heartbeats * (10 if is_judge else 1)
        return LeanProcess(
            role,
            self._library.toolchain.shared,
            self._library.path,
            settings.header,
            folder=self._scratch / f"{role}{number}",
            readable=(self._scratch,) if is_judge else (),
            limits=Limits(settings.timeout_seconds, settings.memory_mb, heartbeats),
        )

    def check(self, problem: Problem, source: str | None) -> Verdict:
        """The verdict on one file. Never raises for any string as `source`."""
        return self.check_many([(problem, source)])[0]

    def check_many(self, pairs: Sequence[Pair]) -> list[Verdict]:
        """Verdicts in the order of the pairs. Equal pairs are checked once.

        Without a source the problem itself is checked: `sorry` where its statement elaborates, else
        `failed` with the reason.
        """
        keys = [self._cache.key(problem, source) for problem, source in pairs]
        verdicts = {key: self._cache.read(key) for key in dict.fromkeys(keys)}
        futures = {
            key: self._pool.submit(self._check, key, *pair)
            for key, pair in dict(zip(keys, pairs, strict=True)).items()
            if verdicts[key] is None
        }
        try:
            verdicts |= {key: future.result() for key, future in futures.items()}
        except BaseException:  # an error or Ctrl-C: what has not begun does not begin
            for future in futures.values():
                future.cancel()
            raise
        return [verdicts[key] for key in keys]

    def _check(self, key: str, problem: Problem, source: str | None) -> Verdict:
        worker, started = self._workers.get(), time.monotonic()
        try:
            verdict, is_lasting = self._judge(*worker, problem, source)
        except NoAnswer as error:
            detail = f"Lean was stopped: {error}"
            verdict, is_lasting = Verdict(status=error.status, detail=detail), False
        finally:
            self._workers.put(worker)
        verdict = verdict.model_copy(update={"seconds": round(time.monotonic() - started, 4)})
        if is_lasting:
            self._cache.write(key, verdict)
        return verdict

    def _judge(
        self, elaborator: LeanProcess, judge: LeanProcess, problem: Problem, source: str | None
    ) -> tuple[Verdict, bool]:
        """(verdict, whether it would come out the same again) of a file, or of a statement."""
        if source is None:
            return self._check_statement(elaborator, judge, problem), True
        text = source.replace("\r\n", "\n")[: MAX_CHARS + 1]
        rejection, messages = _elaborate(elaborator, text, problem.header)
        if rejection is not None:
            return rejection, True
        olean = str(elaborator.folder / OLEAN)
        answer = _ask(judge, header=problem.header, statement=problem.statement, olean=olean)
        if "defective" in answer:
            reason = answer["defective"]
            detail = f"problem {problem.id}: its statement does not elaborate: {reason}"
            warnings.warn(detail, stacklevel=2)
            return Verdict(status="failed", messages=messages, detail=detail), False
        if "refused" in answer:
            status = answer.get("status", "failed")
            return Verdict(status=status, messages=messages, detail=answer["refused"]), True
        axioms = {tuple(axiom) for axiom in answer["axioms"]}
        shown = tuple(sorted(".".join(map(str, axiom)) for axiom in axioms))
        if foreign := sorted(axioms - self._axioms, key=str):
            status = "sorry" if ("sorryAx",) in axioms else "forbidden"
            detail = f"the proof uses the axiom {'.'.join(map(str, foreign[0]))}"
            return Verdict(status=status, messages=messages, axioms=shown, detail=detail), True
        return Verdict(status="verified", messages=messages, axioms=shown), True

    @staticmethod
    def _check_statement(elaborator: LeanProcess, judge: LeanProcess, problem: Problem) -> Verdict:
        """Whether the statement elaborates, and a file that states it is allowed."""
        given = {"header": problem.header, "statement": problem.statement}
        answer = _ask(judge, **given, olean=os.devnull)
        if "defective" in answer:
            return Verdict(status="failed", detail=answer["defective"])
        text = f"{problem.statement}\n  sorry\n"
        stated, _ = _elaborate(elaborator, text, problem.header)
        if stated is not None and stated.status == "sorry":
            return Verdict(status="sorry", detail="the statement elaborates")
        return Verdict(status="failed", detail=stated.detail if stated else "it is no statement")

    def close(self) -> None:
        """End every Lean process and remove every temporary file."""
        self._end()

    def __enter__(self) -> Verifier:
        return self

    def __exit__(self, *_) -> None:
        self.close()


def _elaborate(
    elaborator: LeanProcess, text: str, header: str
) -> tuple[Verdict | None, tuple[LeanMessage, ...]]:
    """(the verdict where it is against the file, Lean's messages). Raises NoAnswer.

    A new process is asked where the answer may depend on what the old one has run, or has no
    known shape.
    """
    try:
        (elaborator.folder / OLEAN).unlink(missing_ok=True)  # of the file before
    except OSError:  # no file: its folder is made anew with the process
        elaborator.close()
    for is_last in (False, True):
        answer = _ask(elaborator, text=text, header=header, olean=OLEAN)
        try:
            if "defective" in answer:  # the judge, which is asked next, says so itself
                return None, ()
            if "refused" in answer:
                return _forbidden(answer), ()
            messages, has_sorry = _read_messages(answer["messages"])
            is_settled = not any(UNSETTLED.search(message.text) for message in messages)
            if is_last or is_settled:
                rejection = _rejection(messages, has_sorry)
                if rejection is not None or answer["written"]:
                    return rejection, messages
        except (KeyError, TypeError, AttributeError, ValidationError):
            pass  # a candidate ran in that process
        elaborator.close()
    raise NoAnswer("crash", "the answer cannot be read")


def _ask(process: LeanProcess, **request) -> dict:
    """The answer; of a new process where the old one ended before it gave one. Raises NoAnswer."""
    try:
        answer = process.ask(**request)
    except NoAnswer as error:
        if error.status == "timeout":
            raise
        answer = process.ask(**request)
    if not isinstance(answer, dict) or "error" in answer:
        reason = answer.get("error") if isinstance(answer, dict) else "no object"
        raise NoAnswer("crash", str(reason))
    return answer


class VerdictCache:
    """Verdicts by content, in memory and as one file each. Safe under concurrent runs."""

    def __init__(self, folder: Path | None, settings: list):
        self.folder = Path(folder) if folder is not None else None
        self._settings = json.dumps(settings)
        self._known: dict[str, Verdict] = {}

    def key(self, problem: Problem, source: str | None) -> str:
        parts = json.dumps([self._settings, problem.header, problem.statement, source])
        return hashlib.sha256(parts.encode()).hexdigest()

    def read(self, key: str) -> Verdict | None:
        """The verdict; None where none is kept, or the file is damaged."""
        if key in self._known or self.folder is None:
            return self._known.get(key)
        try:
            return Verdict.model_validate_json(self._path(key).read_bytes())
        except (OSError, ValidationError):
            return None

    def write(self, key: str, verdict: Verdict) -> None:
        """Keep a verdict. A cache that cannot be written does not stop a run."""
        if len(self._known) > 50_000:
            self._known.clear()
        self._known[key] = verdict
        if self.folder is None:
            return
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                "w", encoding="utf-8", dir=path.parent, suffix=".partial", delete=False
            ) as file:
                file.write(verdict.model_dump_json())
            Path(file.name).replace(path)
        except OSError:
            pass

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"


# -- messages ----------------------------------------------------------------------------------


def _read_messages(rows: list[dict]) -> tuple[tuple[LeanMessage, ...], bool]:
    """(messages, whether one says that a proof uses sorry) of Lean's JSON.

    They stand in the order of places. What an error leaves open comes last: the error explains it.
    """
    messages, has_sorry = set(), False
    for row in rows:
        if row.get("isSilent"):
            continue
        severity = "info" if row["severity"] == "information" else row["severity"]
        line, column, text = row["pos"]["line"], row["pos"]["column"], normalize(row["data"])
        message = LeanMessage(severity=severity, line=line, column=column, text=text)
        messages.add(message)
        has_sorry = has_sorry or row.get("kind") == "hasSorry"

    def place(message: LeanMessage) -> tuple:
        is_left_open = message.text.startswith(("unsolved goals", "elaboration function for `by`"))
        return is_left_open, message.line, message.column, message.severity, message.text

    return tuple(sorted(messages, key=place)[:MAX_MESSAGES]), has_sorry


def normalize(text: str) -> str:
    """A message without what depends on a process's history.

    Metavariables are numbered anew, marks of hygiene dropped, the length limited. What the core
    library lacks of Lean is said.

    >>> normalize("?m.431 : ?m.12 → ?m.431")
    '?m.1 : ?m.2 → ?m.1'
    """
    numbers: dict[str, str] = {}

    def renumber(match: re.Match) -> str:
        return numbers.setdefault(match[0], f"{match[1]}.{len(numbers) + 1}")

    text = text.encode(errors="replace").decode()
    is_long = len(text) > 2 * MAX_MESSAGE_CHARS
    text = re.sub(r"(\?[mu])\.\d+", renumber, text[: 2 * MAX_MESSAGE_CHARS])
    text = re.sub(r"\._@\.\S{0,200}?_hyg\.\d+", "", text)
    text = LACKING.sub(rf"\g<0>; {LACKED}", text, count=1)
    if is_long or len(text) > MAX_MESSAGE_CHARS:
        return text[:MAX_MESSAGE_CHARS] + " …"
    return text


def _forbidden(answer: dict) -> Verdict:
    reason, line, column = normalize(answer["refused"]), answer["line"], answer["column"]
    message = LeanMessage(severity="error", line=line, column=column, text=reason)
    return Verdict(status="forbidden", messages=(message,), detail=reason)


def _rejection(messages: tuple[LeanMessage, ...], has_sorry: bool) -> Verdict | None:
    """The verdict against a file; None where the messages hold nothing against it."""
    errors = [message for message in messages if message.severity == "error"]
    if errors:
        first = errors[0]
        is_late = any("heartbeats" in message.text for message in errors)
        text = first.text.splitlines()[0][:200] if first.text else ""
        status = "timeout" if is_late else "failed"
        detail = f"{first.line}:{first.column}: {text}"
        return Verdict(status=status, messages=messages, detail=detail)
    if has_sorry:
        return Verdict(status="sorry", messages=messages, detail="the proof uses sorry")
    return None


# -- folders -----------------------------------------------------------------------------------


def make_scratch_folder() -> tuple[Path, int]:
    """A new temporary folder and the lock that marks it as in use.

    Folders of killed processes, whose lock is free, are removed.
    """
    for old in Path(tempfile.gettempdir()).glob("fdcore-verifier-*/lock"):
        try:
            with open(old) as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove_folder(old.parent)
        except OSError:  # in use, or another user's
            continue
    folder = Path(tempfile.mkdtemp(prefix="fdcore-new-"))
    held = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(held, fcntl.LOCK_EX)
    # Only under its last name can it be taken for an old one
    return folder.rename(folder.with_name(folder.name.replace("new", "verifier"))), held


def _end(processes: list[LeanProcess], pool: ThreadPoolExecutor, scratch: Path, held: int) -> None:
    for process in processes:  # whoever waits for Lean, after Ctrl-C for example, waits no longer
        process.stop()
    pool.shutdown(wait=True, cancel_futures=True)
    for process in processes:
        process.close()
    remove_folder(scratch)
    os.close(held)

"""Problem sets: load and check them, and make the generated ones from the library.

`lean_project/problems/` holds warmup, train and test (generated, seeded), holdout (written by hand, another style), and
partition.json: which library lemmas the warm-up may show (known) and which it must not (unknown). Mathlib's problems come from
their published homes (`fdcore.splits`); defects.json lists known faults in them.
"""
from __future__ import annotations

import json
import random
import re
import subprocess
import tempfile
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Iterable, Sequence

from fdcore.checkpoint import seed_of
from fdcore.generator import FAMILIES, TWO_FACTS, Draft, Fact, draft, normal_form, parse_fact
from fdcore.profile import Profile
from fdcore.records import Problem, read_records, write_records, write_text
from fdcore.toolchain import build_library, find_toolchain, library_theorems

ROOT = Path(__file__).parent.parent / "lean_project" / "problems"
HEADER = "prelude\nimport Fd\n\n"
AUTOMATIC = "\n  first | rfl | trivial | assumption | decide | simp | (intros; assumption) | simp_all | (intros; simp_all)"  # no lemma is named
INTERNAL = re.compile(r"let_|ite_|heq|noConfusion|beq|ble|RecOn|choose|skolem")  # facts for Lean's own machinery


class ProblemError(ValueError):
    """A problem set that cannot be used; names the file and the problem."""


def load_problems(profile: Profile, folder: Path | None = None) -> dict[str, list[Problem]]:
    """The profile's problems by split: files cut to its maximum sizes, or a draw, recorded in `folder`. Raises ProblemError."""
    settings = profile.problems
    if settings.source == "mathlib":
        from fdcore.splits import load_mathlib  # here, because it builds on this module

        return load_mathlib(profile, folder)
    found = {}
    for split, name, limit in (("train", settings.train, settings.max_train), ("test", settings.test, settings.max_test), ("holdout", settings.holdout, settings.max_holdout)):
        found[split] = read_problems(ROOT / name)[:limit]
    return found


def read_problems(path: Path) -> list[Problem]:
    """A problem file. Empty, a duplicate id or an unreadable row is refused by name."""
    if not path.exists():
        raise ProblemError(f"no problem file {path}; the tiny world's come with the repository (python -m fdcore problems makes them anew)")
    problems = read_records(path, Problem)
    if not problems:
        raise ProblemError(f"{path} holds no problems")
    twice = [name for name, count in Counter(p.id for p in problems).items() if count > 1]
    if twice:
        raise ProblemError(f"{path}: problem id {twice[0]!r} appears more than once")
    for problem in problems:
        problem.name  # raises where the statement declares no theorem
    return problems


def partition() -> tuple[set[str], set[str]]:
    """(known, unknown) library lemmas, as recorded."""
    recorded = json.loads((ROOT / "partition.json").read_text())
    return set(recorded["known"]), set(recorded["unknown"])


# -- Lean on trusted text, many theorems a process -------------------------------------------------------------------


def compile_many(theorems: Sequence[tuple[str, str]], header: str = HEADER, chunk: int = 200) -> list[bool]:
    """For (statement, proof) pairs of ours: does Lean accept each without error or sorry? Many theorems a process.

    For trusted text only (what a model wrote goes to `fdcore.verifier`).
    """
    chunks = [theorems[i : i + chunk] for i in range(0, len(theorems), chunk)]
    with ThreadPoolExecutor(2) as pool:
        return [ok for part in pool.map(lambda c: _compile_chunk(c, header), chunks) for ok in part]


def _compile_chunk(theorems: Sequence[tuple[str, str]], header: str) -> list[bool]:
    text, starts = header, []
    for index, (statement, proof) in enumerate(theorems):
        starts.append(text.count("\n") + 1)
        text += f"namespace T{index}\n{statement}{proof}\nend T{index}\n\n"
    toolchain = find_toolchain()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "Batch.lean"
        path.write_text(text, encoding="utf-8")
        environment = {**toolchain.env, "LEAN_PATH": str(build_library(log=lambda *_: None))}
        done = subprocess.run([*toolchain.argv, "--json", "-DmaxHeartbeats=20000", str(path)], cwd=folder, capture_output=True, text=True, env=environment)
    bad, ends = set(), [*starts[1:], text.count("\n") + 2]
    messages = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode not in (0, 1) or (done.returncode == 1 and not messages):
        raise ProblemError(f"Lean could not check a batch of problems: {done.stderr.strip()[-300:]}")
    for message in messages:
        if message["severity"] == "error" or "sorry" in message["data"]:
            line = message["pos"]["line"]
            bad.add(next(i for i, end in enumerate(ends) if line < end))
    return [index not in bad for index in range(len(theorems))]


def verify_references(problems: Iterable[Problem], log=print) -> None:
    """Every reference proof over the core library must pass Lean; ProblemError names the first that does not.

    Problems without one, and proofs for another header (Mathlib's, which stand as published), are counted in one line of `log`.
    """
    problems = list(problems)
    checkable = [p for p in problems if p.proof is not None and p.header == HEADER]
    for problem, ok in zip(checkable, compile_many([(p.statement, p.proof) for p in checkable])):
        if not ok:
            raise ProblemError(f"problem {problem.id}: Lean does not accept its reference proof {problem.proof!r}")
    if len(checkable) < len(problems):
        without = sum(p.proof is None for p in problems)
        log(f"reference proofs: {len(checkable)} checked by Lean, {len(problems) - len(checkable) - without} for Mathlib not checked, {without} problems have none")


# -- generation ------------------------------------------------------------------------------------------------------


def library_facts() -> list[Fact]:
    """The library's theorems that the generator can build problems around."""
    facts = [parse_fact(name, printed) for name, printed in library_theorems().items()]
    return [fact for fact in facts if fact is not None]


def drafts(facts: Sequence[Fact], count: int, seed: int) -> list[Draft]:
    """Up to `count` different candidates: a family at random, those of two facts more rarely, then facts that fit it."""
    rng = random.Random(seed_of(seed, "drafts"))
    found: dict[str, Draft] = {}
    weights = [0.3 if family in TWO_FACTS else 1.0 for family in FAMILIES]
    for _ in range(count * 3):
        (family,) = rng.choices(list(FAMILIES), weights)
        for _ in range(30):  # until some facts fit, so that the families which most facts fit do not crowd out the others
            made = draft(rng.sample(facts, 2) if family in TWO_FACTS else [rng.choice(facts)], family, rng)
            if made and len(made.statement) < 180:
                found.setdefault(normal_form(made.statement), made)
                break
        if len(found) == count:
            break
    return list(found.values())


def checked(candidates: Sequence[Draft]) -> list[tuple[Draft, list[str], bool]]:
    """(draft, the proofs Lean accepts, whether an automatic tactic closes it alone); drafts without a proof are dropped."""
    pairs = [(d, proof) for d in candidates for proof in d.proofs]
    accepted = defaultdict(list)
    for (d, proof), ok in zip(pairs, compile_many([(d.statement, proof) for d, proof in pairs])):
        if ok:
            accepted[d].append(proof)
    alive = [d for d in candidates if accepted[d]]
    easy = compile_many([(d.statement, AUTOMATIC) for d in alive])
    return [(d, accepted[d], is_easy) for d, is_easy in zip(alive, easy)]


def useful_facts(count: int, seed: int) -> list[Fact]:
    """A seeded sample of facts that knowing helps: no automatic tactic proves them, and no other in the sample says the same."""
    found = {}
    for fact in library_facts():
        if INTERNAL.search(fact.name):
            continue
        made = draft([fact], "direct", random.Random(seed_of(seed, fact.name)))
        if made is not None:
            found.setdefault(normal_form(made.statement), (fact, made))
    needed = {made for made, _, easy in checked([made for _, made in found.values()]) if not easy}
    facts = [fact for fact, made in found.values() if made in needed]
    return random.Random(seed_of(seed, "facts")).sample(facts, min(count, len(facts)))


def generate(seed: int = 0, *, lemmas: int = 40, candidates: int = 3600, train: int = 800, test: int = 120, unknown_share: float = 0.4) -> dict[str, int]:
    """Make partition, warmup, train and test under lean_project/problems from the library. Returns sizes.

    The three sets share lemmas and no statement, up to renaming of variables and order of hypotheses. Three fifths of train and test need an
    unknown lemma in every proof that is known; what an automatic tactic closes alone is tier 1 and at most a tenth of each.
    """
    rng, facts = random.Random(seed_of(seed, "problems")), useful_facts(lemmas, seed)
    names = sorted(fact.name for fact in facts)
    unknown = set(rng.sample(names, round(unknown_share * len(names))))
    held = {normal_form(p.statement) for p in read_problems(ROOT / "holdout.jsonl")}
    checks = [c for c in checked(drafts(facts, candidates, seed)) if normal_form(c[0].statement) not in held]
    rng.shuffle(checks)
    easy, new, old = [], [], []
    for check in checks:
        (easy if check[2] else new if set(check[0].lemmas) & unknown else old).append(check)
    sets = {}
    for split, size in (("test", test), ("train", train)):
        taken = _take(easy, size // 16) + _take(new, size * 3 // 5)
        taken += _take(old, size - len(taken))
        sets[split] = [_problem(split, index, *check) for index, check in enumerate(rng.sample(taken, len(taken)))]
    sets["warmup"] = [
        _problem("train", index, made, [proof], is_easy, letter)
        for index, (made, proofs, is_easy) in enumerate(easy[: len(new + old) // 10] + new + old) for letter, proof in zip("abcdef", proofs)
    ]
    for name, problems in sets.items():
        write_records(ROOT / f"{name}.jsonl", problems)
    known = sorted(set(names) - unknown)
    write_text(ROOT / "partition.json", json.dumps({"seed": seed, "known": known, "unknown": sorted(unknown)}, indent=1, ensure_ascii=False) + "\n")
    return {name: len(problems) for name, problems in sets.items()} | {"known": len(known), "unknown": len(unknown)}


def _take(pool: list, count: int) -> list:
    taken, pool[:] = pool[:count], pool[count:]
    return taken


def _problem(split: str, index: int, made: Draft, proofs: list[str], easy: bool, letter: str = "") -> Problem:
    name = f"{'warmup' if letter else split}-{index:04d}{letter}"
    return Problem(id=name, header=HEADER, statement=made.statement, split=split, tier=1 if easy else made.tier, proof=proofs[0], lemmas=made.lemmas, source=f"generated: {made.family}")

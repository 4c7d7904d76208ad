"""The generated problem sets: from the library's facts to warmup, train and test, all through Lean.

Tier 1 is what an automatic tactic closes alone. Tiers 2 to 5 follow from the length and depth of
the shortest proof that Lean accepts. Lean's answers are kept: an interrupted generation goes on.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from tqdm import tqdm

from fdcore.lean.library import INTERNAL, PROJECT, build_folder, core_library
from fdcore.records import (
    Problem,
    append_jsonl,
    read_jsonl,
    read_records,
    write_jsonl,
    write_text,
)
from fdcore.seeds import seed_of
from lean_project.generate.check import AUTOMATIC, HEADER, compile_many
from lean_project.generate.facts import (
    Fact,
    canonical_form,
    find_theorem_modules,
    parse_fact,
    print_theorems,
)
from lean_project.generate.families import FACTS, FAMILIES, Draft, draft

PROBLEMS = PROJECT / "problems"
LONGEST = 62  # words and signs of a statement
SHARES = {1: 0.06, 2: 0.39, 3: 0.33, 4: 0.16, 5: 0.06}  # of a split, by tier
EFFORT = {2: 3, 3: 5, 4: 8}  # tier -> the most effort of its proofs; more is tier 5
# Modules whose facts are Lean's own machinery.
FOUNDATIONS = ("Fd.Basis", "Fd.Core", "Fd.Classes", "Fd.Data")
FEWEST = 28  # statements that can be built on a fact of the sample, of six or twelve a family
# How many candidates a family makes beside the others (else 2): most proofs should be short.
OFTEN = (
    "direct compound symmetric in_context under_function packed weaken use_iff iff_in_context "
    "extensional under_sum under_map"
)
SELDOM = (
    "contrapositive double_negation one_of_two for_all_premise from_exists both both_lead_on chain"
)
WEIGHTS = dict.fromkeys(OFTEN.split(), 4) | dict.fromkeys(SELDOM.split(), 1)
# Of each tier beyond the first: an unknown lemma in every proof that is known.
NEW_SHARE = {"test": 0.55, "train": 0.55, "warmup": 0.25}


@dataclass(frozen=True)
class Checked:
    """A draft with the shortest proof that Lean accepts."""

    draft: Draft
    proof: str
    easy: bool  # an automatic tactic closes it alone

    @property
    def tier(self) -> int:
        return 1 if self.easy else grade(self.proof, self.draft.lemmas)


def effort(proof: str, lemmas: Collection[str]) -> int:
    """Words (tactics, lemmas, hypotheses), depth of brackets, and two for each further lemma.

    "exact L .." has 2, "exact (L ..).symm" 4, "exact ⟨L .., M ..⟩" 6, "exact M (L h) k" 8.
    """
    words = re.findall(r"[^\s\[\](){}⟨⟩,;:·.|←_]+(?:\.[^\s\[\](){}⟨⟩,;:]+)*", proof)
    depths = itertools.accumulate((char in "(⟨") - (char in ")⟩") for char in proof)
    names = [rf"(?<![\w.']){re.escape(lemma)}(?![\w'])" for lemma in lemmas]
    used = sum(re.search(name, proof) is not None for name in names)
    return len(words) + max(depths, default=0) + 2 * max(used - 1, 0)


def grade(proof: str, lemmas: Collection[str]) -> int:
    """The tier, 2 to 5, of a theorem that no automatic tactic closes, from its shortest proof."""
    steps = effort(proof, lemmas)
    return next((tier for tier, most in EFFORT.items() if steps <= most), 5)


def length(statement: str) -> int:
    """Words and signs: length("a ∣ b * 2") is 5."""
    return len(re.findall(r"[\w.']+|\S", statement))


def library_facts() -> list[Fact]:
    """The library's theorems that the generator can build problems around."""
    printed = print_theorems().items()
    facts = [parse_fact(name, text) for name, text in printed if not INTERNAL.search(name)]
    return [fact for fact in facts if fact is not None]


class Checker:
    """Lean's answers on (statement, proof) pairs, kept on disk: nothing is asked twice."""

    def __init__(self):
        self.path = build_folder() / "problems" / f"{core_library().path[0].name}.jsonl"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.known = {row["key"]: row["ok"] for row in read_jsonl(self.path)}

    def __call__(
        self, pairs: Sequence[tuple[str, str]], title: str = "automatic tactics"
    ) -> list[bool]:
        texts = ["\0".join((HEADER, *pair)).encode() for pair in pairs]
        keys = [hashlib.sha256(text).hexdigest()[:24] for text in texts]
        new = {key: pair for key, pair in zip(keys, pairs, strict=True) if key not in self.known}
        todo = list(new.items())
        starts = range(0, len(todo), 400)
        for start in tqdm(starts, desc=title, unit="400 proofs", disable=not todo):
            part = dict(todo[start : start + 400])
            answers = dict(zip(part, compile_many(list(part.values())), strict=True))
            append_jsonl(self.path, [{"key": key, "ok": ok} for key, ok in answers.items()])
            self.known |= answers
        return [self.known[key] for key in keys]

    def check(self, candidates: Sequence[Draft]) -> list[Checked]:
        """Candidates of which Lean accepts a proof. Shorter proofs are tried first."""
        by_effort = {
            each: sorted(each.proofs, key=lambda proof: effort(proof, each.lemmas))
            for each in candidates
        }
        proved: dict[Draft, str] = {}
        for turn in range(max(map(len, by_effort.values()), default=0)):
            left = [
                (each, proofs[turn])
                for each, proofs in by_effort.items()
                if each not in proved and turn < len(proofs)
            ]
            pairs = [(each.statement, proof) for each, proof in left]
            answers = self(pairs, f"proofs, turn {turn + 1}")
            proved |= {each: proof for (each, proof), ok in zip(left, answers, strict=True) if ok}
        alive = [each for each in candidates if each in proved]
        easy = self([(each.statement, AUTOMATIC) for each in alive])
        return [Checked(each, proved[each], ok) for each, ok in zip(alive, easy, strict=True)]

    def find_proofs(self, checked: Sequence[Checked]) -> list[tuple[Checked, list[str]]]:
        """With each candidate all its proofs that Lean accepts."""
        pairs = [(each.draft.statement, proof) for each in checked for proof in each.draft.proofs]
        answers = iter(self(pairs, "variants"))
        return [(each, [proof for proof in each.draft.proofs if next(answers)]) for each in checked]


def drafts(
    facts: Sequence[Fact], per_family: int, seed: int, families: Sequence[str]
) -> list[Draft]:
    """Up to `per_family` different candidates of each family, times its weight.

    Every fact has its turn.
    """
    candidates: dict[str, Draft] = {}
    for family in families:
        rng, count = random.Random(seed_of(seed, "drafts", family)), 0
        most = per_family * WEIGHTS.get(family, 2)
        turns = rng.sample(facts, len(facts))
        for turn in range(most * (6 if FACTS[family] == 1 else 30)):
            chosen = [turns[turn % len(turns)], *rng.choices(facts, k=FACTS[family] - 1)]
            new = draft(rng.sample(chosen, len(chosen)), family, rng)
            if new and length(new.statement) <= LONGEST:
                count += candidates.setdefault(canonical_form(new.statement), new) is new
            if count == most:
                break
    return list(candidates.values())


def useful_facts(checker: Checker, count: int, seed: int) -> list[Fact]:
    """A seeded sample of facts that knowing helps, as even over the library's modules as can be.

    No automatic tactic proves them, no other in the sample says the same, and many short
    statements can be built on them.
    """
    direct: dict[str, tuple[Fact, Draft]] = {}
    for fact in library_facts():
        new = draft([fact], "direct", random.Random(seed_of(seed, fact.name)))
        if new is None or length(new.statement) > 0.8 * LONGEST:
            continue
        if find_theorem_modules()[fact.name] not in FOUNDATIONS:
            direct.setdefault(canonical_form(new.statement), (fact, new))
    checked = checker.check([new for _, new in direct.values()])
    needed = {each.draft for each in checked if not each.easy}
    single = [family for family in FAMILIES if FACTS[family] == 1]
    by_module = defaultdict(list)
    for fact, new in direct.values():
        if new in needed and len(drafts([fact], 3, seed, single)) >= FEWEST:
            by_module[find_theorem_modules()[fact.name]].append(fact)
    rng = random.Random(seed_of(seed, "facts"))
    queues = [rng.sample(group, len(group)) for _, group in sorted(by_module.items())]
    turns = itertools.chain.from_iterable(itertools.zip_longest(*queues))
    return [fact for fact in turns if fact is not None][:count]


def generate(
    seed: int = 0,
    *,
    lemmas: int = 48,
    unknown_share: float = 0.4,
    per_family: int = 140,
    train: int = 4000,
    test: int = 400,
    warmup: int = 2000,
) -> dict[str, int]:
    """Write partition, warmup, train and test under lean_project/problems; how many of each.

    The sets share lemmas and no statement, up to names and the order of hypotheses, with each other
    or the hold-out. Train and test have the same shares of tiers and of problems that need an
    unknown lemma in every known proof, and so has every longer beginning of a file.
    """
    checker, rng = Checker(), random.Random(seed_of(seed, "problems"))
    facts = useful_facts(checker, lemmas, seed)
    names = sorted(fact.name for fact in facts)
    unknown = set(rng.sample(names, round(unknown_share * len(names))))
    holdout = read_records(PROBLEMS / "holdout.jsonl", Problem)
    held = {canonical_form(problem.statement) for problem in holdout}
    # Unknown lemmas have two turns: they are fewer and needed more.
    turns = [*facts, *(fact for fact in facts if fact.name in unknown)]
    candidates = drafts(turns, per_family, seed, list(FAMILIES))
    checked = checker.check(
        [each for each in candidates if canonical_form(each.statement) not in held]
    )
    pools = defaultdict(list)
    for each in take_turns(rng.sample(checked, len(checked)), lambda each: each.draft.family):
        pools[each.tier, each.tier > 1 and bool(set(each.draft.lemmas) & unknown)].append(each)
    sets = {
        split: mix(draw(pools, size, split), unknown, rng)
        for split, size in (("test", test), ("train", train), ("warmup", warmup))
    }
    for split in ("test", "train"):
        rows = [
            _problem(f"{split}-{number:04d}", split, each, each.proof)
            for number, each in enumerate(sets[split])
        ]
        write_jsonl(PROBLEMS / f"{split}.jsonl", rows)
    rows = [
        _problem(f"warmup-{number:04d}{letter}", "train", each, proof)
        for number, (each, proofs) in enumerate(checker.find_proofs(sets["warmup"]))
        for letter, proof in zip("abcdefgh", proofs, strict=False)
    ]
    write_jsonl(PROBLEMS / "warmup.jsonl", rows)
    partition = {"seed": seed, "known": sorted(set(names) - unknown), "unknown": sorted(unknown)}
    text = json.dumps(partition, indent=1, ensure_ascii=False) + "\n"
    write_text(PROBLEMS / "partition.json", text)
    sizes = {split: len(members) for split, members in sets.items()}
    return sizes | {part: len(partition[part]) for part in ("known", "unknown")}


def draw(pools: dict[tuple[int, bool], list[Checked]], size: int, split: str) -> list[Checked]:
    """Take `size` theorems out of the pools, in the shares above.

    The keys of `pools` are tier and need of an unknown lemma. Raises ValueError where a pool runs
    dry; the warm-up, drawn last, is filled up with shorter proofs.
    """
    taken = []
    counts = {tier: round(share * size) for tier, share in SHARES.items()}
    counts[2] += size - sum(counts.values())
    for tier, count in sorted(counts.items(), reverse=True):
        new = 0 if tier == 1 else round(NEW_SHARE[split] * count)
        for needs_unknown, wanted in ((True, new), (False, count - new)):
            for other in range(tier, min(tier, 2) - 1 if split == "warmup" else tier - 1, -1):
                pool = pools[other, needs_unknown]
                part, pool[:] = pool[:wanted], pool[wanted:]
                taken, wanted = taken + part, wanted - len(part)
            if wanted:
                kind = f"{'with' if needs_unknown else 'without'} an unknown lemma"
                raise ValueError(f"{split}: tier {tier} {kind}: {wanted} too few; raise per_family")
    return taken


def take_turns(items: Iterable, key: Callable) -> list:
    """The items in an order in which every key has had its turn before one has its next."""
    turns: Counter = Counter()
    ranks = []
    for item in items:
        ranks.append(turns[key(item)])
        turns[key(item)] += 1
    return [item for _, _, item in sorted(zip(ranks, itertools.count(), items, strict=False))]


def mix(theorems: Sequence[Checked], unknown: set[str], rng: random.Random) -> list[Checked]:
    """An order in which every beginning has about the shares of the whole."""
    strata = defaultdict(list)
    for each in rng.sample(theorems, len(theorems)):
        strata[each.tier, bool(set(each.draft.lemmas) & unknown)].append(each)
    places = [
        ((number + rng.random()) / len(stratum), each)
        for stratum in strata.values()
        for number, each in enumerate(stratum)
    ]
    return [each for _, each in sorted(places, key=lambda place: place[0])]


def _problem(name: str, split: str, checked: Checked, proof: str) -> Problem:
    return Problem(
        id=name,
        header=HEADER,
        statement=checked.draft.statement,
        split=split,
        tier=checked.tier,
        proof=proof,
        lemmas=checked.draft.lemmas,
        source=f"generated: {checked.draft.family}",
    )

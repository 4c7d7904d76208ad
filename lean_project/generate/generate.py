"""The generated problem sets: from the library's facts to warmup, train and test, every statement and proof through Lean.

Tiers: 1 is what an automatic tactic closes alone; 2 to 5 follow from the length and depth of the shortest proof that Lean accepted.
What Lean said is kept under `.build`, so that an interrupted generation goes on where it was.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from tqdm import tqdm

from fdcore.lean.library import INTERNAL, PROJECT, build_folder, core_library
from fdcore.records import Problem, read_jsonl, read_records, write_jsonl, write_text
from fdcore.seeds import seed_of
from lean_project.generate.check import AUTOMATIC, HEADER, compile_many
from lean_project.generate.facts import (
    Fact,
    find_theorem_modules,
    normal_form,
    parse_fact,
    print_theorems,
)
from lean_project.generate.families import FACTS, FAMILIES, Draft, draft

PROBLEMS = PROJECT / "problems"
LONGEST = 62  # words and signs of a statement
SHARES = {1: 0.06, 2: 0.39, 3: 0.33, 4: 0.16, 5: 0.06}  # of a split, by tier
FOUNDATIONS = (
    "Fd.Basis",
    "Fd.Core",
    "Fd.Classes",
    "Fd.Data",
)  # modules whose facts are Lean's own machinery
FEWEST = (
    28  # statements that can be built on a fact of the sample, of at most six or twelve a family
)
WEIGHTS = {  # how many candidates a family makes beside the others: most proofs should be short
    **dict.fromkeys(
        "direct compound symmetric in_context under_function packed weaken use_iff iff_in_context extensional under_sum under_map".split(),
        4,
    ),
    **dict.fromkeys(
        "contrapositive double_negation one_of_two for_all_premise from_exists both both_lead_on chain".split(),
        1,
    ),
}
NEW_SHARE = {
    "test": 0.55,
    "train": 0.55,
    "warmup": 0.25,
}  # of each tier beyond the first: an unknown lemma in every proof that is known


@dataclass(frozen=True)
class Checked:
    """A draft with the shortest proof that Lean accepts; `easy`: an automatic tactic closes it alone."""

    draft: Draft
    proof: str
    easy: bool

    @property
    def tier(self) -> int:
        return 1 if self.easy else grade(self.proof, self.draft.lemmas)


def effort(proof: str, lemmas: Collection[str]) -> int:
    """Length and depth of a proof: its words (tactics, lemmas, hypotheses), the depth of its brackets, two for each further lemma it names.

    "exact L .." has 2, "exact (L ..).symm" 4, "rw [L]; exact h" 4, "exact ⟨L .., M ..⟩" 6, "exact M (L h) k" 8.
    """
    words = re.findall(r"[^\s\[\](){}⟨⟩,;:·.|←_]+(?:\.[^\s\[\](){}⟨⟩,;:]+)*", proof)
    depth = max(accumulated(proof), default=0)
    used = sum(
        re.search(rf"(?<![\w.']){re.escape(lemma)}(?![\w'])", proof) is not None for lemma in lemmas
    )
    return len(words) + depth + 2 * max(used - 1, 0)


def accumulated(proof: str) -> Iterator[int]:
    """The depth of round and pointed brackets, character by character."""
    depth = 0
    for char in proof:
        depth += (char in "(⟨") - (char in ")⟩")
        yield depth


def grade(proof: str, lemmas: Collection[str]) -> int:
    """The tier of a theorem that no automatic tactic closes, from its shortest known proof: 2 up to 3 steps of effort, 3 up to 5, 4 up to 8, 5 beyond."""
    return next(
        (tier for tier, most in ((2, 3), (3, 5), (4, 8)) if effort(proof, lemmas) <= most), 5
    )


def length(statement: str) -> int:
    """Words and signs: length("a ∣ b * 2") is 5."""
    return len(re.findall(r"[\w.']+|\S", statement))


def library_facts() -> list[Fact]:
    """The library's theorems that the generator can build problems around."""
    facts = [
        parse_fact(name, printed)
        for name, printed in print_theorems().items()
        if not INTERNAL.search(name)
    ]
    return [fact for fact in facts if fact is not None]


class Judge:
    """Lean's answers on (statement, proof) pairs, kept on disk: what was asked once is not asked again."""

    def __init__(self):
        self.path = build_folder() / "problems" / f"{core_library().path[0].name}.jsonl"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.known = {row["key"]: row["ok"] for row in read_jsonl(self.path)}

    def __call__(
        self, pairs: Sequence[tuple[str, str]], what: str = "automatic tactics"
    ) -> list[bool]:
        keys = [
            hashlib.sha256("\0".join((HEADER, *pair)).encode()).hexdigest()[:24] for pair in pairs
        ]
        todo = list({key: pair for key, pair in zip(keys, pairs) if key not in self.known}.items())
        for first in tqdm(range(0, len(todo), 400), desc=what, unit="400 proofs", disable=not todo):
            part = todo[first : first + 400]
            answers = {
                key: ok for (key, _), ok in zip(part, compile_many([pair for _, pair in part]))
            }
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(
                    "".join(
                        json.dumps({"key": key, "ok": ok}) + "\n" for key, ok in answers.items()
                    )
                )
            self.known |= answers
        return [self.known[key] for key in keys]

    def check(self, drafts: Sequence[Draft]) -> list[Checked]:
        """Drafts of which Lean accepts a proof: each one's shortest first, and longer ones where that fails."""
        tried = {
            each: sorted(each.proofs, key=lambda proof: effort(proof, each.lemmas))
            for each in drafts
        }
        proved: dict[Draft, str] = {}
        for turn in range(max(map(len, tried.values()), default=0)):
            open_ = [
                (each, proofs[turn])
                for each, proofs in tried.items()
                if each not in proved and turn < len(proofs)
            ]
            answers = self(
                [(each.statement, proof) for each, proof in open_], f"proofs, turn {turn + 1}"
            )
            proved |= {each: proof for (each, proof), ok in zip(open_, answers) if ok}
        alive = [each for each in drafts if each in proved]
        easy = self([(each.statement, AUTOMATIC) for each in alive])
        return [Checked(each, proved[each], is_easy) for each, is_easy in zip(alive, easy)]

    def variants(self, checked: Sequence[Checked]) -> list[tuple[Checked, list[str]]]:
        """With each draft all its proofs that Lean accepts."""
        pairs = [(each, proof) for each in checked for proof in each.draft.proofs]
        accepted = defaultdict(list)
        for (each, proof), ok in zip(
            pairs, self([(each.draft.statement, proof) for each, proof in pairs], "variants")
        ):
            accepted[each] += [proof] * ok
        return [(each, accepted[each]) for each in checked]


def drafts(
    facts: Sequence[Fact], per_family: int, seed: int, families: Sequence[str]
) -> list[Draft]:
    """Up to `per_family` different candidates of each family, times its weight; every fact has its turn."""
    found: dict[str, Draft] = {}
    for family in families:
        rng, made, most = (
            random.Random(seed_of(seed, "drafts", family)),
            0,
            per_family * WEIGHTS.get(family, 2),
        )
        turns = rng.sample(facts, len(facts))
        for turn in range(most * (6 if FACTS[family] == 1 else 30)):
            chosen = [turns[turn % len(turns)], *rng.choices(facts, k=FACTS[family] - 1)]
            candidate = draft(rng.sample(chosen, len(chosen)), family, rng)
            if candidate and length(candidate.statement) <= LONGEST:
                made += found.setdefault(normal_form(candidate.statement), candidate) is candidate
            if made == most:
                break
    return list(found.values())


def useful_facts(judge: Judge, count: int, seed: int) -> list[Fact]:
    """A seeded sample of facts that knowing helps, as even over the library's modules as they allow.

    No automatic tactic proves them, no other in the sample says the same, and many short statements can be built on them.
    """
    found: dict[str, tuple[Fact, Draft]] = {}
    for fact in library_facts():
        made = draft([fact], "direct", random.Random(seed_of(seed, fact.name)))
        if (
            made is not None
            and length(made.statement) <= 0.8 * LONGEST
            and find_theorem_modules()[fact.name] not in FOUNDATIONS
        ):
            found.setdefault(normal_form(made.statement), (fact, made))
    needed = {
        each.draft for each in judge.check([made for _, made in found.values()]) if not each.easy
    }
    by_module = defaultdict(list)
    for fact, made in found.values():
        if (
            made in needed
            and len(drafts([fact], 3, seed, [family for family in FAMILIES if FACTS[family] == 1]))
            >= FEWEST
        ):
            by_module[find_theorem_modules()[fact.name]].append(fact)
    rng = random.Random(seed_of(seed, "facts"))
    queues = [rng.sample(group, len(group)) for _, group in sorted(by_module.items())]
    turns = [
        queue[turn]
        for turn in range(max(map(len, queues)))
        for queue in queues
        if turn < len(queue)
    ]
    return turns[:count]


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
    """Make partition, warmup, train and test under lean_project/problems from the library. Returns how many theorems and lemmas.

    The three sets share lemmas and no statement, up to names and the order of hypotheses, with each other or the hold-out. Train and test
    have the same shares of tiers and of problems that need an unknown lemma in every known proof, and so has every longer beginning of a file.
    """
    judge, rng = Judge(), random.Random(seed_of(seed, "problems"))
    facts = useful_facts(judge, lemmas, seed)
    names = sorted(fact.name for fact in facts)
    unknown = set(rng.sample(names, round(unknown_share * len(names))))
    held = {
        normal_form(problem.statement)
        for problem in read_records(PROBLEMS / "holdout.jsonl", Problem)
    }
    twice = [
        *facts,
        *(fact for fact in facts if fact.name in unknown),
    ]  # unknown lemmas have two turns: they are fewer and needed more
    candidates = [
        each
        for each in drafts(twice, per_family, seed, list(FAMILIES))
        if normal_form(each.statement) not in held
    ]
    checked = judge.check(candidates)
    pools = defaultdict(list)
    for each in even(rng.sample(checked, len(checked)), lambda each: each.draft.family):
        pools[each.tier, each.tier > 1 and bool(set(each.draft.lemmas) & unknown)].append(each)
    sets = {
        name: mixed(draw(pools, size, name), unknown, rng)
        for name, size in (("test", test), ("train", train), ("warmup", warmup))
    }
    for split in ("test", "train"):
        write_jsonl(
            PROBLEMS / f"{split}.jsonl",
            [
                _problem(f"{split}-{index:04d}", split, each, each.proof)
                for index, each in enumerate(sets[split])
            ],
        )
    shown = [
        _problem(f"warmup-{index:04d}{letter}", "train", each, proof)
        for index, (each, proofs) in enumerate(judge.variants(sets["warmup"])) for letter, proof in zip("abcdefgh", proofs)
    ]  # fmt: skip
    write_jsonl(PROBLEMS / "warmup.jsonl", shown)
    partition = {"seed": seed, "known": sorted(set(names) - unknown), "unknown": sorted(unknown)}
    write_text(
        PROBLEMS / "partition.json", json.dumps(partition, indent=1, ensure_ascii=False) + "\n"
    )
    return {name: len(found) for name, found in sets.items()} | {
        name: len(partition[name]) for name in ("known", "unknown")
    }


def draw(pools: dict[tuple[int, bool], list[Checked]], size: int, what: str) -> list[Checked]:
    """Take `size` theorems out of the pools by tier and need of an unknown lemma, in the shares given above.

    ValueError where a pool runs dry; the warm-up, drawn last, is filled up with shorter proofs.
    """
    taken = []
    counts = {tier: round(share * size) for tier, share in SHARES.items()}
    counts[2] += size - sum(counts.values())
    for tier, count in sorted(counts.items(), reverse=True):
        new = 0 if tier == 1 else round(NEW_SHARE[what] * count)
        for needs_unknown, wanted in ((True, new), (False, count - new)):
            for other in range(tier, min(tier, 2) - 1 if what == "warmup" else tier - 1, -1):
                pool = pools[other, needs_unknown]
                found, pool[:] = pool[:wanted], pool[wanted:]
                taken, wanted = taken + found, wanted - len(found)
            if wanted:
                which = "with" if needs_unknown else "without"
                raise ValueError(
                    f"{what}: tier {tier} {which} an unknown lemma: {wanted} theorems too few; raise per_family"
                )
    return taken


def even(items: Iterable, key) -> list:
    """The items in an order in which every key has had its turn before one has its next."""
    turns: Counter = Counter()
    ranks = []
    for item in items:
        ranks.append(turns[key(item)])
        turns[key(item)] += 1
    return [item for _, _, item in sorted(zip(ranks, itertools.count(), items))]


def mixed(theorems: Sequence[Checked], unknown: set[str], rng: random.Random) -> list[Checked]:
    """An order in which every beginning has about the shares of the whole, by tier and need of an unknown lemma."""
    strata = defaultdict(list)
    for each in rng.sample(theorems, len(theorems)):
        strata[each.tier, bool(set(each.draft.lemmas) & unknown)].append(each)
    places = [
        ((index + rng.random()) / len(stratum), id(each), each)
        for stratum in strata.values()
        for index, each in enumerate(stratum)
    ]
    return [each for _, _, each in sorted(places, key=lambda place: place[0])]


def _problem(name: str, split: str, each: Checked, proof: str) -> Problem:
    made = each.draft
    return Problem(
        id=name,
        header=HEADER,
        statement=made.statement,
        split=split,
        tier=each.tier,
        proof=proof,
        lemmas=made.lemmas,
        source=f"generated: {made.family}",
    )

"""The draw from Lean Workbook is seeded, disjoint, apart from MiniF2F, and recorded."""

import random
from pathlib import Path

import pytest
import yaml

from fdcore.lean.toolchain import LeanUnavailable
from fdcore.profile import PROFILES, load_profile
from fdcore.records import Problem, Verdict
from fdcore.worlds.lean_workbook import Loaded, ProblemError, Rejected
from fdcore.worlds.problems import ROOT, load_problems, read_problems
from fdcore.worlds.split import Overlap, Split, draw, normal_form, read_defects
from tests.worlds.test_lean_workbook import (
    DATA,
    HEADER,
    MINIF2F,
    WORKBOOK,
    data,
    load,
    own_cache,
    statement_row,
    steps,
    written,
)

__all__ = ["own_cache"]


# -- normal form and overlap -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "one, other",
    [
        (
            "theorem a (x y : ℕ) (h : x < y) : x ≤ y := by",
            "lemma b  (m n:ℕ)\n (hmn : m < n) : m ≤ n  :=  by",
        ),
        (
            "theorem a (z : ℂ) : z.re = 1 := by",
            "/-- doc -/ theorem b (w : ℂ) : w.re = 1 /- so -/ := by",
        ),
        (
            "theorem a : ∀ x y : ℝ, ∑ k in s, k * x = y := by",
            "theorem b : ∀ a b : ℝ, ∑ i in s, i * a = b := by",
        ),
    ],
)
def test_names_and_whitespace_make_no_new_statement(one, other):
    assert normal_form(one) == normal_form(other)


@pytest.mark.parametrize(
    "other",
    [
        "theorem a (x y : ℕ) (h : x < y) : y ≤ x := by",
        "theorem a (x y : ℤ) (h : x < y) : x ≤ y := by",
        "theorem a (x y : ℕ) (h : x < 10) : x ≤ y := by",
        "theorem a (x y : ℕ) (h : x < x) : x ≤ y := by",
    ],
)
def test_what_says_something_else_stays_different(other):
    assert normal_form(other) != normal_form("theorem a (x y : ℕ) (h : x < y) : x ≤ y := by")


def test_minif2f_problems_are_found_renamed_and_nearly_whole_and_not_taken_for_each_other():
    held = load(DATA / "minif2f.jsonl", split="holdout").problems
    closest = Overlap(held)
    by_name = {p.id: p for p in held}
    changed = (
        by_name["mathd_algebra_171"]
        .statement.replace("mathd_algebra_171", "lean_workbook_1")
        .replace("f", "gg")
    )
    assert (
        closest(normal_form(changed)) == "states the same as a MiniF2F problem (mathd_algebra_171)"
    )
    longer = (
        by_name["imo_1964_p2"]
        .statement.replace("imo_1964_p2", "x")
        .replace("(h₀", "(extra : a ≠ b)\n (h₀")
    )
    assert (
        closest(normal_form(longer))
        == "shares most of its n-grams with a MiniF2F problem (imo_1964_p2)"
    )
    for problem in held:
        assert (
            closest(normal_form(problem.statement))
            == f"states the same as a MiniF2F problem ({problem.id})"
        )
    others = Overlap([p for p in held if not p.id.startswith("imo_")])
    assert not any(others(normal_form(p.statement)) for p in held if p.id.startswith("imo_"))


# -- the draw --------------------------------------------------------------------------------------


def theorem(name: str, statement: str, proof: str | None = "\n  simp") -> Problem:
    return Problem(
        id=name,
        header=HEADER,
        statement=f"theorem {name} {statement} := by",
        split="train",
        proof=proof,
    )


def pool_of(*problems: Problem, rejected: tuple[Rejected, ...] = ()) -> Loaded:
    return Loaded(source="here", problems=problems, rejected=rejected, unproved=0, repeated=0)


NUMBERED = [theorem(f"lw_{i}", f"(n : ℕ) : n + {i} = {i} + n") for i in range(60)]


def names(drawn) -> tuple[list[str], list[str]]:
    return [p.id for p in drawn[0]], [p.id for p in drawn[1]]


def test_the_draw_is_the_seeds_and_not_the_order_of_the_rows():
    shuffled = random.Random(1).sample(NUMBERED, len(NUMBERED))
    one = draw([pool_of(*NUMBERED)], [], [], train=30, test=10, seed=0)
    assert one == draw([pool_of(*shuffled)], [], [], train=30, test=10, seed=0)
    assert names(one) == names(
        draw([pool_of(*shuffled[:25]), pool_of(*shuffled[20:])], [], [], train=30, test=10, seed=0)
    )
    other = draw([pool_of(*NUMBERED)], [], [], train=30, test=10, seed=1)
    assert names(one) != names(other) and names(one)[0] != sorted(names(one)[0])
    assert (
        len(one[0]) == 30
        and len(one[1]) == 10
        and {p.split for p in one[0]} == {"train"}
        and {p.split for p in one[1]} == {"test"}
    )
    assert not set(names(one)[0]) & set(names(one)[1]) and one[2] == ()


def test_what_states_the_same_is_drawn_once_and_never_on_both_sides():
    twins = [theorem(f"tw_{i}", f"(m : ℕ)  : m+{i} = {i} + m") for i in range(60)]
    train, test, excluded = draw([pool_of(*NUMBERED, *twins)], [], [], train=50, test=10, seed=0)
    assert (train, test, excluded) == draw(
        [pool_of(*reversed(twins), *NUMBERED)], [], [], train=50, test=10, seed=0
    )
    forms = [normal_form(p.statement) for p in (*train, *test)]
    assert len(set(forms)) == 60 and len(excluded) == 60
    assert excluded[0] == Rejected(id="tw_0", reason="states the same as another (lw_0)")


def test_each_exclusion_is_reported_with_its_reason():
    held = Problem(
        id="mf",
        header=HEADER,
        statement="theorem mf (k : ℕ) : k + 7 = 7 + k := by",
        split="holdout",
    )
    differing = pool_of(
        theorem("lw_9", "(n : ℕ) : n = n"),
        rejected=(
            Rejected(id="lw_3", reason="published both as proved and as disproved"),
            Rejected(id="unknown", reason="no"),
        ),
    )
    train, test, excluded = draw(
        [pool_of(*NUMBERED), differing],
        [held],
        [Rejected(id="lw_5", reason="false")],
        train=46,
        test=10,
        seed=0,
    )
    assert {row.id: row.reason for row in excluded} == {
        "lw_3": "published both as proved and as disproved",
        "lw_5": "listed (false)",
        "lw_7": "states the same as a MiniF2F problem (mf)",
        "lw_9": "stated in different ways by its sources",
    }
    assert not {row.id for row in excluded} & {p.id for p in (*train, *test)}


def test_a_proof_is_taken_from_the_first_source_that_has_one():
    without, first, second = (
        theorem("a", ": True", proof) for proof in (None, "\n  one", "\n  two")
    )
    for sources, proof in (
        ([without, first], "\n  one"),
        ([first, second], "\n  one"),
        ([second, without], "\n  two"),
    ):
        (drawn,), _, _ = draw([pool_of(p) for p in sources], [], [], train=1, test=0, seed=0)
        assert drawn.proof == proof


def test_too_few_theorems_are_one_line_with_the_numbers():
    with pytest.raises(
        ProblemError,
        match="50 train.*11 test.*60.*here: 60",
    ) as error:
        draw([pool_of(*NUMBERED)], [], [], train=50, test=11, seed=0)
    assert "\n" not in str(error.value)


def test_the_listed_defects_are_in_the_data_and_have_reasons(tmp_path):
    known = {row["name"] for row in (*MINIF2F, *WORKBOOK)}
    defects = read_defects()
    assert (
        len(defects) == len({d.id for d in defects}) == 7
        and {d.id for d in defects} <= known
        and all(d.reason for d in defects)
    )
    goals = {row["name"]: row["goal"] for row in MINIF2F}
    for defect in defects:
        if defect.reason.startswith(("as amc12a", "the sum")):
            free = goals[defect.id].split("\n⊢")[0].split(" ")[0]
            assert (
                free == "k"
                and "(k" not in {row["name"]: row["formal_statement"] for row in MINIF2F}[defect.id]
            )
    for text in ("{", "[1]", '[{"id": "a"}]'):
        (tmp_path / "defects.json").write_text(text)
        with pytest.raises(ProblemError, match="defects.json"):
            read_defects(tmp_path / "defects.json")
    with pytest.raises(ProblemError, match="none.json"):
        read_defects(tmp_path / "none.json")


# -- in a profile ----------------------------------------------------------------------------------


@pytest.fixture
def profile_file(tmp_path) -> Path:
    settings = yaml.safe_load((PROFILES / "paper-lora.yaml").read_text())
    settings["problems"] |= {
        "lean_workbook": [data(DATA / "lean_workbook_solved.jsonl").model_dump()],
        "train": 30,
        "test": 10,
    }
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def test_a_paper_profile_loads_its_problems_and_records_the_draw(profile_file, tmp_path, capsys):
    found = load_problems(load_profile(profile_file), tmp_path / "run")
    assert {split: len(problems) for split, problems in found.items()} == {
        "train": 30,
        "test": 10,
        "holdout": 244,
    }
    assert {split: {p.split for p in problems} for split, problems in found.items()} == {
        "train": {"train"},
        "test": {"test"},
        "holdout": {"holdout"},
    }
    split = Split.model_validate_json((tmp_path / "run/split.json").read_text())
    assert (
        split.train == tuple(p.id for p in found["train"])
        and split.test == tuple(p.id for p in found["test"])
        and len(split.holdout) == 244
    )
    assert (
        split.seed == 0
        and split.counts["train"] == 30
        and "lean_workbook_solved.jsonl" in split.sources[0]
    )
    assert [row.id for row in split.excluded] == ["lean_workbook_1036"] and split.counts[
        "listed"
    ] == 1
    assert {row.id for row in split.holdout_defects} == {d.id for d in read_defects()} - {
        "lean_workbook_1036"
    }
    assert "known defects among the hold-out: 6" in capsys.readouterr().out


def test_the_record_is_the_same_twice_and_another_draw_is_refused(profile_file, tmp_path):
    profile = load_profile(profile_file)
    load_problems(profile, tmp_path)
    text = (tmp_path / "split.json").read_text()
    load_problems(profile, tmp_path)
    assert (tmp_path / "split.json").read_text() == text
    other = profile.model_copy(update={"problems": profile.problems.model_copy(update={"seed": 1})})
    with pytest.raises(ProblemError, match="split.json"):
        load_problems(other, tmp_path)
    assert (tmp_path / "split.json").read_text() == text


def test_environment_variables_take_the_place_of_the_hub(tmp_path, monkeypatch):
    rows = [statement_row(f"lw_{i}", ["simp"], f"n + {i} = {i} + n") for i in range(60)]
    written(tmp_path / "hub/lean_workbook.json", rows)
    written(
        tmp_path / "hub/wkbk_1009.parquet",
        steps("lw_3", rows[3]["formal_statement"], ["simp", "done"]),
    )
    profile = load_profile("paper")
    small = profile.model_copy(
        update={
            "problems": profile.problems.model_copy(update={"train": 50, "test": 10, "holdout": 3})
        }
    )
    monkeypatch.setenv("FD_LEAN_WORKBOOK", str(tmp_path / "hub"))
    monkeypatch.setenv("FD_MINIF2F", str(written(tmp_path / "held.jsonl", MINIF2F[-3:])))
    found = load_problems(small)
    assert len(found["train"]) == 50 and [p.id for p in found["holdout"]] == [
        row["name"] for row in MINIF2F[-3:] if row["split"] == "test"
    ]
    assert {p.id: p.proof for p in (*found["train"], *found["test"])}["lw_3"] == "\n  simp\n  done"
    monkeypatch.setenv("FD_LEAN_WORKBOOK", str(tmp_path / "hub/lean_workbook.json"))
    assert {p.proof for split in ("train", "test") for p in load_problems(small)[split]} == {
        "\n  simp"
    }
    monkeypatch.setenv("FD_LEAN_WORKBOOK", str(tmp_path / "gone.parquet"))
    with pytest.raises(ProblemError, match="gone.parquet"):
        load_problems(small)


def test_a_hold_out_that_is_too_small_is_one_line(profile_file, tmp_path, monkeypatch):
    monkeypatch.setenv("FD_MINIF2F", str(written(tmp_path / "held.jsonl", MINIF2F[-3:])))
    with pytest.raises(ProblemError, match="244.* 3 "):
        load_problems(load_profile(profile_file))


def test_a_run_records_the_draw_and_says_what_is_missing_where_mathlib_would_be_verified(
    profile_file, tmp_path, monkeypatch
):
    from fdcore.experiment.run import Run

    run = Run.create(profile_file, 3, tmp_path / "run")
    assert len(run.problems()["train"]) == 30 and (tmp_path / "run/problems/split.json").exists()
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(LeanUnavailable, match="elan"):
        run.session.verifier  # noqa: B018 - opening it is what is tested


class Reader:
    """A verifier that finds these problems defective, and counts what it reads."""

    def __init__(self, *defective: str):
        self.defective, self.read = defective, []

    def check_many(self, pairs):
        self.read += [problem.id for problem, source in pairs if source is None]
        ok, bad = Verdict(status="sorry"), Verdict(status="failed", detail="unknown ℝℝ")
        return [bad if problem.id in self.defective else ok for problem, _ in pairs]


def test_defective_statements_are_replaced_in_a_draw_and_named(profile_file, tmp_path, capsys):
    profile = load_profile(profile_file)
    whole = load_problems(profile, tmp_path)
    bad = [whole["train"][0].id, whole["test"][3].id, whole["holdout"][5].id]
    found = load_problems(profile, tmp_path, Reader(*bad))
    assert [len(found[split]) for split in ("train", "test", "holdout")] == [30, 10, 244]
    assert not {p.id for p in (*found["train"], *found["test"])} & set(bad[:2])
    split = Split.model_validate_json((tmp_path / "split.json").read_text())
    assert {row.id for row in split.excluded} >= set(bad[:2])
    assert split.counts["its statement does not elaborate"] == 2
    assert bad[2] in {row.id for row in split.holdout_defects} and bad[2] in split.holdout
    assert all(f"problem {name}: " in capsys.readouterr().out for name in bad[:1])


def test_too_few_statements_that_elaborate_are_one_line(profile_file):
    profile = load_profile(profile_file)
    whole = load_problems(profile)
    bad = Reader(*(f"lean_workbook_{number}" for number in range(100_000)))
    assert whole["train"]
    with pytest.raises(ProblemError, match="30 train and 10 test"):
        load_problems(profile, verifier=bad)


def test_a_run_has_its_statements_read_once(tmp_path):
    from fdcore.experiment.run import Run

    run, reader = Run.create("smoke", 3, tmp_path / "run"), Reader()
    run.session.verifier = reader
    problems = run.session.checked_problems()
    assert reader.read == [p.id for split in problems.values() for p in split]
    count = len(reader.read)
    assert run.session.checked_problems() == problems and len(reader.read) == count


def test_core_profiles_read_the_same_files_as_before(tmp_path):
    found = load_problems(load_profile("smoke"), tmp_path)
    assert {split: len(problems) for split, problems in found.items()} == {
        "train": 200,
        "test": 16,
        "holdout": 8,
        "validation": 100,
    } and list(tmp_path.iterdir()) == []
    assert found["train"] == read_problems(ROOT / "train.jsonl")[:200]

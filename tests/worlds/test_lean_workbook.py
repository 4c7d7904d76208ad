"""Lean Workbook and MiniF2F: every row of the published files is a problem, or is named."""

import json
import random
import subprocess
import sys
from pathlib import Path

import datasets
import pytest

from fdcore.lean.source import theorem_name
from fdcore.profile import DataFile, load_profile
from fdcore.worlds.lean_workbook import Loaded, ProblemError, Rejected, load_data

DATA = Path(__file__).parents[1] / "data"
HEADER = load_profile("paper").lean.header
MINIF2F = [
    json.loads(line) for line in (DATA / "minif2f.jsonl").read_text(encoding="utf-8").splitlines()
]
WORKBOOK = [
    json.loads(line)
    for line in (DATA / "lean_workbook_solved.jsonl").read_text(encoding="utf-8").splitlines()
]


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path_factory.mktemp("cache")))
    for variable in ("FD_LEAN_WORKBOOK", "FD_MINIF2F"):
        patch.delenv(variable, raising=False)
    yield
    patch.undo()


def data(path: Path, **given) -> DataFile:
    return DataFile(**{"name": str(path), "file": None, "revision": None, "split": "train"} | given)


def written(path: Path, rows: list[dict]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        (
            datasets.Dataset.from_list(rows)
            if rows
            else datasets.Dataset.from_dict({"name": [], "formal_statement": []})
        ).to_parquet(path)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows), encoding="utf-8")
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def load(path: Path, **settings) -> Loaded:
    return load_data(data(path), **{"header": HEADER, "split": "train"} | settings)


# -- rows of every published shape -----------------------------------------------------------------


def test_every_minif2f_row_is_a_problem_and_nothing_of_it_is_lost():
    loaded = load(DATA / "minif2f.jsonl", split="holdout")
    assert (
        loaded.rejected == () and len(loaded.problems) == 488 and "488 problems" in loaded.summary
    )
    for row, problem in zip(MINIF2F, loaded.problems, strict=True):
        assert (problem.id, theorem_name(problem.statement), problem.split, problem.proof) == (
            row["name"],
            row["name"],
            "holdout",
            None,
        )
        assert problem.header + problem.statement + "\n" == row["header"] + row["formal_statement"]
        assert problem.informal == row["informal"][3:-3].strip()


def test_only_the_rows_of_the_split_asked_for_are_held_out():
    held = load(DATA / "minif2f.jsonl", split="holdout", rows_of="test")
    assert {p.id for p in held.problems} == {
        row["name"] for row in MINIF2F if row["split"] == "test"
    } and len(held.problems) == 244


def test_every_solved_lean_workbook_row_is_a_problem_with_its_proof():
    loaded = load(DATA / "lean_workbook_solved.jsonl", proved=True)
    assert loaded.rejected == () and len(loaded.problems) == 50
    for row, problem in zip(WORKBOOK, loaded.problems, strict=True):
        assert (
            problem.header + problem.statement + problem.proof
            == row["header"] + row["formal_statement"] + row["proof"]
        )
        assert (theorem_name(problem.statement), problem.informal) == (row["name"], row["informal"])


def steps(name: str, statement: str, tactics: list[str], status: str = "proved") -> list[dict]:
    states = [f"{name} n : ℕ\n⊢ {i}" for i in range(len(tactics))] + ["no goals"]
    return [
        {
            "id": name,
            "status": status,
            "tactic": tactic,
            "state_before": before,
            "state_after": after,
            "natural_language_statement": f"on {name}",
            "answer": "",
            "formal_statement": statement,
        }
        for tactic, before, after in zip(tactics, states, states[1:], strict=False)
    ]


PROVED = steps(
    "lw_1",
    "theorem lw_1 (n : ℕ) : n = n  :=  by sorry",
    ["intro x", "cases x with\n| zero => rfl\n| succ => rfl", "rfl"],
)


@pytest.mark.parametrize("name", ["wkbk.parquet", "wkbk.jsonl"])
def test_the_hubs_rows_of_single_tactics_become_whole_proofs_whatever_their_order(tmp_path, name):
    rows = PROVED + steps("lw_2", "theorem lw_2 : 1 = 2 := by sorry", ["simp"], status="disproved")
    random.Random(0).shuffle(rows)
    loaded = load_data(
        data(written(tmp_path / "hub" / name, rows).parent),
        header=HEADER,
        split="train",
        proved=True,
    )
    (problem,) = loaded.problems
    assert problem.header == HEADER and problem.statement == "theorem lw_1 (n : ℕ) : n = n  :=  by"
    assert problem.proof == "\n  intro x\n  cases x with\n  | zero => rfl\n  | succ => rfl\n  rfl"
    assert problem.informal == "on lw_1" and loaded.unproved == 1 and loaded.rejected == ()


def test_a_theorem_published_both_ways_is_rejected_by_name(tmp_path):
    rows = PROVED + steps("lw_1", PROVED[0]["formal_statement"], ["simp"], status="disproved")
    loaded = load(written(tmp_path / "rows.parquet", rows), proved=True)
    assert loaded.problems == () and loaded.rejected == (
        Rejected(id="lw_1", reason="published both as proved and as disproved"),
    )
    assert "1 rejected (first: lw_1: published both" in loaded.summary


@pytest.mark.parametrize(
    "spoil",
    [
        lambda rows: rows[:-1],  # no end
        lambda rows: [rows[0], *rows[2:]],  # a gap
        lambda rows: [*rows, rows[0] | {"tactic": "other"}],  # two ways on from one state
        lambda rows: [*rows[:2], rows[2] | {"tactic": None}],
        lambda rows: [
            *rows,
            {**rows[0], "state_before": "elsewhere", "state_after": "no goals"},
        ],  # two beginnings
        lambda rows: [rows[0], rows[1] | {"state_after": rows[0]["state_before"]}],  # a circle
    ],
)
def test_steps_that_form_no_single_chain_give_no_proof(tmp_path, spoil):
    (problem,) = load(written(tmp_path / "rows.parquet", spoil(PROVED)), proved=True).problems
    assert problem.id == "lw_1" and problem.proof is None


def statement_row(name: str, proof: list[str], kind: str = "n = n") -> dict:
    return {
        "natural_language_statement": "words",
        "answer": "",
        "tags": ["algebra"],
        "formal_statement": f"theorem {name} (n : ℕ) : {kind} := by sorry",
        "split": "lean_workbook",
        "proof": proof,
    }


def test_the_hubs_statement_file_gives_the_first_proof_of_each_and_counts_the_rest(tmp_path):
    rows = [
        statement_row("a", ["rfl", "simp"]),
        statement_row("b", []),
        statement_row("c", ["\n  rfl"]),
    ]
    loaded = load(written(tmp_path / "lean_workbook.json", rows), proved=True)
    assert {p.id: p.proof for p in loaded.problems} == {
        "a": "\n  rfl",
        "c": "\n  rfl",
    } and loaded.unproved == 1


def test_a_statement_that_brings_its_own_imports_keeps_them(tmp_path):
    row = {
        "name": "m",
        "formal_statement": "import Mathlib\nset_option maxHeartbeats 400000 in\n"
        "open BigOperators Real Nat Topology Rat\n\ntheorem m : 1 = 1 := by\n",
    }
    rejected = load(
        written(
            tmp_path / "rows.jsonl",
            [row | {"formal_statement": row["formal_statement"].replace(" Rat", "")}],
        )
    ).rejected
    assert rejected[0].id == "m" and "Rat" in rejected[0].reason
    (problem,) = load(written(tmp_path / "other.jsonl", [row])).problems
    assert problem.header + problem.statement + "\n" == row["formal_statement"]


# -- what cannot be used ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "row, reason",
    [
        ({"formal_statement": "theorem bad : True"}, ":="),
        ({"formal_statement": "theorem bad : True := trivial"}, ":= by"),
        ({"formal_statement": "example : True := by"}, "theorem"),
        ({"formal_statement": None}, "theorem"),
        ({"formal_statement": "/- theorem bad : True := by"}, "comment"),
        ({"formal_statement": "def f := 1\ntheorem bad : f = 1 := by"}, "1 := def f"),
        (
            {
                "formal_statement": "theorem bad : True := by",
                "header": "import Mathlib\nset_option autoImplicit false\n"
                "open BigOperators Real Nat Topology Rat\n",
            },
            "autoImplicit false set_option",
        ),
        ({"formal_statement": "theorem bad : True := by", "proof": "\n /- "}, "comment"),
    ],
)
def test_a_row_that_does_not_fit_is_named_with_the_reason_and_the_rest_goes_on(
    tmp_path, row, reason
):
    good = {
        "name": "good",
        "formal_statement": "theorem good : True := by sorry -- to do",
        "header": HEADER,
        "proof": None,
    }
    loaded = load(
        written(
            tmp_path / "rows.jsonl", [{"name": "bad", "header": None, "proof": None} | row, good]
        )
    )
    assert [(p.id, p.proof) for p in loaded.problems] == [("good", None)]
    assert [r.id for r in loaded.rejected] == ["bad"] and reason in loaded.rejected[0].reason
    assert (
        "1 problems" in loaded.summary
        and "1 rejected (first: bad: " in loaded.summary
        and "\n" not in loaded.summary
    )


def test_a_row_without_a_name_is_named_by_its_number(tmp_path):
    rows = [
        {"name": "a", "formal_statement": "theorem a : True := by"},
        {"name": None, "formal_statement": "x"},
    ]
    assert load(written(tmp_path / "rows.jsonl", rows)).rejected[0].id == "row 2"


def test_the_same_row_again_is_counted_and_one_id_for_two_statements_is_an_error(tmp_path):
    row = {"name": "a", "formal_statement": "theorem a : True := by"}
    assert load(written(tmp_path / "one.jsonl", [row, row])).repeated == 1
    with pytest.raises(ProblemError, match="two.jsonl.*'a'"):
        load(
            written(
                tmp_path / "two.jsonl", [row, row | {"formal_statement": "theorem a : False := by"}]
            )
        )


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda folder: folder / "none.jsonl", ["none.jsonl", "FD_MINIF2F"]),
        (
            lambda folder: written(folder / "empty.parquet", []),
            ["empty.parquet"],
        ),
        (lambda folder: written(folder / "empty.jsonl", []), ["empty.jsonl"]),
        (
            lambda folder: written(folder / "odd.jsonl", [{"question": "1 + 1", "reply": "2"}]),
            ["odd.jsonl", "question, reply", "lean_workbook.py"],
        ),
        (
            lambda folder: (
                written(folder / "torn.jsonl", []).write_text("{") and folder / "torn.jsonl"
            ),
            ["torn.jsonl"],
        ),
    ],
)
def test_data_that_is_not_there_or_not_readable_is_one_line(tmp_path, make, words):
    with pytest.raises(ProblemError) as error:
        load(make(tmp_path))
    message = str(error.value)
    assert "\n" not in message and all(word in message for word in words), message


def test_the_hub_is_asked_for_the_profiles_files_at_their_commit(monkeypatch):
    asked = []
    monkeypatch.setattr(
        datasets, "load_dataset", lambda *args, **given: asked.append((args, given)) or PROVED
    )
    for file in load_profile("paper").problems.lean_workbook:
        assert (
            load_data(file, header=HEADER, split="train").source
            == f"internlm/Lean-Workbook/{file.file}@2e066e310b2c6d2c27616927ae131f82901c8f1c"
        )
    assert asked == [
        (
            ("internlm/Lean-Workbook",),
            {
                "data_files": file,
                "split": "train",
                "revision": "2e066e310b2c6d2c27616927ae131f82901c8f1c",
            },
        )
        for file in ("wkbk_1009.parquet", "lean_workbook.json")
    ]


def test_without_network_one_line_says_what_to_do(tmp_path):
    program = (
        "from fdcore.profile import load_profile\n"
        "from fdcore.worlds.problems import load_problems, ProblemError\n"
        "try:\n    load_problems(load_profile('paper'))\n"
        "except ProblemError as error:\n    print(error)"
    )
    environment = {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path),
        "PYTHONPATH": str(DATA.parent.parent),
    }
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment
    )
    assert (
        answer.stdout.count("\n") == 1
        and "internlm/Lean-Workbook" in answer.stdout
        and "FD_LEAN_WORKBOOK" in answer.stdout
    ), answer.stderr

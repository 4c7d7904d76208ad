"""The ten rules of notebook 13, on runs made up: they hold, do not hold, or say what is missing."""

import functools
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest

from fdcore.figures import claims
from fdcore.records import read_jsonl

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "13_claims.ipynb"


@pytest.fixture(autouse=True)
def few_replicates(monkeypatch):
    few = functools.partial(claims.bootstrap_over_runs, replicates=300)
    monkeypatch.setattr(claims, "bootstrap_over_runs", few)


def judge_all(*folders):
    """Run the notebook's cells up to the tenth claim on these run folders; the claims by id."""
    runs = [
        SimpleNamespace(
            seed=seed,
            folder=folder,
            metrics=lambda arm, at=folder: list(read_jsonl(at / "arms" / arm / "metrics.jsonl")),
        )
        for seed, folder in enumerate(folders)
    ]
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    end = next(i for i, cell in enumerate(cells) if cell.source.startswith("## All verdicts"))
    sources = [cell.source for cell in cells[:end] if cell.cell_type == "code"]
    imports = sources[1].partition("study = ")[0]
    names = {"study": SimpleNamespace(runs=runs)}
    for source in [imports, *sources[2:]]:
        exec(source, names)
    return {claim.id: claim for claim in names["claims"]}


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def evaluate(folder, arm, solved, *, always=True, n=16, problems=60):
    """Evaluation rows: `solved` of the problems always, or all of them `solved` of the time."""
    counts = [n * (i < solved * problems) if always else round(solved * n) for i in range(problems)]
    rows = [{"problem_id": f"{i:03d}", "n": n, "c": int(c)} for i, c in enumerate(counts)]
    write(folder / "arms" / arm / "eval_test.jsonl", rows)


def run_folder(
    folder,
    *,
    entropy=(0.4, 0.1),
    lemmas=(3, 1),
    right=(0.5, 0.5, 0.9),
    accuracy=(0.5, 0.3),
    without=0.2,
    steps=40,
):
    """A run in which all claims hold.

    Args:
        entropy, lemmas: of FD and GRPO; lemmas a step.
        right: share of problems that FD, GRPO and GRPO over FD solve.
        accuracy: train accuracy of FD, and of its variants.
        without: share that is solved without tools, and from Lean's output; what is left of the KL
            of constant feedback and of ground truth's length is half of it, but above .5 twice.
    """
    rng = np.random.default_rng(0)
    arms = folder / "arms"
    kept = without / 2 if without < 0.5 else 2 * without

    def noise(level):
        return level + 0.02 * rng.standard_normal()

    for arm in ("teacher_speed/alpha_0.00", "formulations/Prompt_1"):
        rows = [{"train_accuracy": noise(accuracy[1])} for _ in range(steps)]
        write(arms / arm / "metrics.jsonl", rows)
    rows = [{"kl": kept ** (s / steps)} for s in range(steps)]
    write(arms / "constant/Be_concise" / "metrics.jsonl", rows)
    rows = [{"response_tokens": 80 * (kept if s > steps / 2 else 1)} for s in range(steps)]
    write(arms / "sources/ground_truth" / "metrics.jsonl", rows)
    for place, arm in enumerate(("fd", "grpo")):
        rows = [
            {
                "step": s,
                "train_accuracy": noise(accuracy[0]),
                "entropy": noise(entropy[place]),
                "tokens_sampled": 1000 * s,
                "lemmas_seen": lemmas[place] * s,
                "response_tokens": 80,
            }
            for s in range(1, steps + 1)
        ]
        write(arms / arm / "metrics.jsonl", rows)
    evaluate(folder, "fd", right[0], always=False)
    evaluate(folder, "grpo", right[1])
    for arm in ("grpo_from_fd_2", "grpo_from_fd_3"):
        evaluate(folder, arm, right[2])
    evaluate(folder, "over_sources/ground_truth", 0.9)
    evaluate(folder, "over_sources/Lean_output", without)
    evaluate(folder, "tools_fd/FD_no_tools", without)
    evaluate(folder, "tools_grpo/GRPO_no_tools", without + 0.05)
    return folder


def verdicts(judged):
    return {id: claim.verdict for id, claim in judged.items()}


def test_a_run_in_which_all_hold_reproduces_all(tmp_path):
    judged = judge_all(run_folder(tmp_path / "run"))
    assert verdicts(judged) == {f"C{i}": "reproduced" for i in range(1, 11)}
    assert all(claim.low <= claim.estimate <= claim.high for claim in judged.values())
    assert judged["C1"].estimate == pytest.approx(0.3, abs=0.02)
    assert judged["C4"].estimate == pytest.approx(80)
    assert judged["C6"].estimate == pytest.approx(0.2, abs=0.02)
    assert judged["C8"].estimate == pytest.approx(0.25)  # the smaller gain


def test_a_run_in_which_the_opposite_holds_is_not_reproduced(tmp_path):
    opposite = {"entropy": (0.1, 0.4), "lemmas": (1, 3), "right": (0.5, 0.5, 0.1)}
    opposite |= {"accuracy": (0.3, 0.5), "without": 0.95}
    judged = judge_all(run_folder(tmp_path / "run", **opposite))
    assert {id for id, verdict in verdicts(judged).items() if verdict != "not reproduced"} == {"C2"}


def test_a_difference_within_the_noise_is_undecided(tmp_path):
    judged = judge_all(run_folder(tmp_path / "run", entropy=(0.3, 0.3), right=(0.5, 0.5, 0.52)))
    assert judged["C1"].verdict == judged["C3"].verdict == "undecided"


def test_missing_data_is_said_and_never_guessed(tmp_path):
    folder = run_folder(tmp_path / "run")
    (folder / "arms/grpo/eval_test.jsonl").unlink()
    judged = judge_all(folder)
    undecided = {id for id, verdict in verdicts(judged).items() if verdict == "undecided"}
    assert undecided == {"C2", "C3", "C8"}
    assert judged["C3"].estimate is None
    assert "grpo" in judged["C3"].detail


def test_a_handful_of_steps_decides_nothing(tmp_path):
    judged = judge_all(run_folder(tmp_path / "run", steps=8))
    for id in ("C1", "C4", "C6", "C7", "C9", "C10"):
        assert judged[id].verdict == "undecided"
        assert "10 steps" in judged[id].detail


def test_arms_of_different_pass_at_1_say_nothing_about_scaling(tmp_path):
    claim = judge_all(run_folder(tmp_path / "run", right=(0.25, 0.5, 0.9)))["C2"]
    assert claim.low > 0
    assert claim.verdict == "undecided"


def test_lemmas_are_compared_at_equal_tokens_whatever_the_size_of_a_step(tmp_path):
    """Both find one lemma in 100 tokens; one takes steps of 100 tokens, the other of 730."""
    folder = run_folder(tmp_path / "run")
    for arm, size, steps in (("fd", 100, 100), ("grpo", 730, 40)):
        spent = [size * s for s in range(1, steps + 1)]
        rows = [
            {"entropy": 0.3, "train_accuracy": 0.5, "response_tokens": 80}
            | {"tokens_sampled": tokens, "lemmas_seen": tokens / 100}
            for tokens in spent
        ]
        write(folder / "arms" / arm / "metrics.jsonl", rows)
    assert judge_all(folder)["C4"].estimate == pytest.approx(0, abs=1e-9)


def test_several_runs_are_averaged(tmp_path):
    one, two = (run_folder(tmp_path / str(pace), lemmas=(pace, 1)) for pace in (3, 5))
    claim = judge_all(one, two)["C4"]
    assert claim.estimate == pytest.approx(120)
    assert claim.seeds == 2


def test_ablations_are_judged_on_the_runs_that_have_them_and_main_arms_on_all(tmp_path):
    first, second = run_folder(tmp_path / "a"), run_folder(tmp_path / "b")
    shutil.rmtree(first / "arms/teacher_speed")
    judged = judge_all(first, second)
    assert {id: claim.seeds for id, claim in judged.items()} == {
        f"C{i}": 1 if i == 6 else 2 for i in range(1, 11)
    }
    shutil.rmtree(first / "arms/fd")
    assert judge_all(first, second)["C1"].verdict == "undecided"


def test_answers_that_ground_truth_does_not_shorten_do_not_reproduce_that_it_does(tmp_path):
    """The critique's grow more, but nothing gets shorter."""
    folder = run_folder(tmp_path / "run")
    common = {"train_accuracy": 0.5, "entropy": 0.4, "lemmas_seen": 1}
    for arm, last in (("fd", 120), ("sources/ground_truth", 90)):
        rows = [
            common | {"tokens_sampled": s, "response_tokens": 80 if s < 20 else last}
            for s in range(40)
        ]
        write(folder / "arms" / arm / "metrics.jsonl", rows)
    claim = judge_all(folder)["C10"]
    assert claim.estimate == pytest.approx(1 - 90 / 80)
    assert claim.verdict == "not reproduced"

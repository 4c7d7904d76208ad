"""The four claims are judged by rules fixed beforehand, on what a run wrote, and say so when data is missing."""
import json

import numpy as np
import pytest

from fdcore.claims import judge, table, write_claims


def run_folder(folder, *, entropy=(0.4, 0.1), lemmas=(3, 1), right=(0.5, 0.5, 0.9), steps=40, problems=60, n=16):
    rng = np.random.default_rng(0)
    for arm, level, pace in (("fd", entropy[0], lemmas[0]), ("grpo", entropy[1], lemmas[1])):
        rows = [{"step": s, "entropy": level + 0.02 * rng.standard_normal(), "tokens_sampled": 1000 * s, "lemmas_seen": pace * s} for s in range(1, steps + 1)]
        write(folder / "arms" / arm / "metrics.jsonl", rows)
    for arm, share in zip(("fd", "grpo", "grpo_from_fd_2"), right):
        wide = arm == "fd"  # FD: all problems sometimes; the others: some always, the rest never
        rows = [{"problem_id": str(i), "n": n, "c": round(share * n) if wide else n * (i < share * problems)} for i in range(problems)]
        write(folder / "arms" / arm / "eval_test.jsonl", rows)
    return folder


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_a_run_in_which_all_four_hold_reproduces_all_four(tmp_path):
    claims = judge([run_folder(tmp_path / "run")])
    assert [(c.id, c.verdict) for c in claims] == [(f"C{i}", "reproduced") for i in (1, 2, 3, 4)]
    assert all(c.low <= c.estimate <= c.high for c in claims)
    assert claims[0].estimate == pytest.approx(0.3, abs=0.02) and claims[3].estimate == 80


def test_a_run_in_which_the_opposite_holds_is_not_reproduced(tmp_path):
    claims = judge([run_folder(tmp_path / "run", entropy=(0.1, 0.4), lemmas=(1, 3), right=(0.5, 0.5, 0.1))])
    assert [c.verdict for c in claims] == ["not reproduced", "reproduced", "not reproduced", "not reproduced"]


def test_a_difference_within_the_noise_is_undecided(tmp_path):
    claims = judge([run_folder(tmp_path / "run", entropy=(0.3, 0.3), right=(0.5, 0.5, 0.52))])
    assert claims[0].verdict == "undecided" and claims[2].verdict == "undecided"


def test_missing_data_is_said_and_never_guessed(tmp_path):
    folder = run_folder(tmp_path / "run")
    (folder / "arms/grpo/eval_test.jsonl").unlink()
    claims = judge([folder])
    assert [c.verdict for c in claims] == ["reproduced", "undecided", "undecided", "reproduced"]
    assert claims[1].estimate is None and "no test evaluation of grpo" in claims[1].detail


def test_a_handful_of_steps_decides_nothing_about_entropy(tmp_path):
    claim = judge([run_folder(tmp_path / "run", steps=8)])[0]
    assert claim.verdict == "undecided" and "fewer than 10 steps" in claim.detail


def test_several_runs_are_averaged(tmp_path):
    one, two = run_folder(tmp_path / "a", lemmas=(3, 1)), run_folder(tmp_path / "b", lemmas=(5, 1))
    assert judge([one, two])[3].estimate == 120


def test_the_table_and_the_json_say_the_same(tmp_path):
    claims = judge([run_folder(tmp_path / "run")])
    write_claims(claims, tmp_path)
    assert [row["verdict"] for row in json.loads((tmp_path / "claims.json").read_text())] == [c.verdict for c in claims]
    text = (tmp_path / "claims.md").read_text()
    assert text == table(claims) and all(c.paper in text and f"{c.estimate:+.3f}" in text for c in claims)

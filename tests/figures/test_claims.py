"""The claims are judged by rules fixed beforehand, on what a run wrote, and say so when data is missing."""

import json
import shutil

import numpy as np
import pytest

from fdcore.figures.claims import (
    CONCISE,
    FAST,
    FREE,
    GROUND_TRUTH,
    NO_TOOLS,
    OVER_SOURCES,
    RULES,
    judge,
    table,
    write_claims,
)


def run_folder(
    folder,
    *,
    entropy=(0.4, 0.1),
    lemmas=(3, 1),
    right=(0.5, 0.5, 0.9),
    steps=40,
    problems=60,
    n=16,
    accuracy=(0.5, 0.3),
    without=0.2,
    kept=0.1,
):
    rng = np.random.default_rng(0)
    for arm in (FAST, FREE):
        write(
            folder / "arms" / arm / "metrics.jsonl",
            [{"train_accuracy": accuracy[1] + 0.02 * rng.standard_normal()} for _ in range(steps)],
        )
    write(
        folder / "arms" / CONCISE / "metrics.jsonl",
        [{"kl": kept ** (s / steps) + 0.01 * rng.standard_normal()} for s in range(steps)],
    )
    write(
        folder / "arms" / GROUND_TRUTH / "metrics.jsonl",
        [{"response_tokens": 80 * (kept if s > steps / 2 else 1)} for s in range(steps)],
    )
    for arm, share in zip(OVER_SOURCES.values(), (right[2], 0.9, without)):
        write(
            folder / "arms" / arm / "eval_test.jsonl",
            [
                {"problem_id": str(i), "n": n, "c": n * (i < share * problems)}
                for i in range(problems)
            ],
        )
    for arm, gained in zip(NO_TOOLS.values(), (0, 0.05)):
        write(
            folder / "arms" / arm / "eval_test.jsonl",
            [
                {"problem_id": str(i), "n": n, "c": n * (i < (without + gained) * problems)}
                for i in range(problems)
            ],
        )
    for arm, level, pace in (("fd", entropy[0], lemmas[0]), ("grpo", entropy[1], lemmas[1])):
        rows = [
            {
                "step": s,
                "train_accuracy": accuracy[0] + 0.02 * rng.standard_normal(),
                "entropy": level + 0.02 * rng.standard_normal(),
                "tokens_sampled": 1000 * s,
                "lemmas_seen": pace * s,
                "response_tokens": 80,
            }
            for s in range(1, steps + 1)
        ]
        write(folder / "arms" / arm / "metrics.jsonl", rows)
    for arm, share in zip(("fd", "grpo", "grpo_from_fd_2"), right):
        wide = arm == "fd"  # FD: all problems sometimes; the others: some always, the rest never
        rows = [
            {
                "problem_id": str(i),
                "n": n,
                "c": round(share * n) if wide else n * (i < share * problems),
            }
            for i in range(problems)
        ]
        write(folder / "arms" / arm / "eval_test.jsonl", rows)
    return folder


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_a_run_in_which_all_hold_reproduces_all(tmp_path):
    claims = judge([run_folder(tmp_path / "run")])
    assert [(c.id, c.verdict) for c in claims] == [(f"C{i}", "reproduced") for i in range(1, 11)]
    assert claims[5].estimate == pytest.approx(0.2, abs=0.02) and claims[
        7
    ].estimate == pytest.approx(0.25)  # the smaller gain
    assert all(c.low <= c.estimate <= c.high for c in claims)
    assert claims[0].estimate == pytest.approx(0.3, abs=0.02) and claims[
        3
    ].estimate == pytest.approx(80)


def test_a_run_in_which_the_opposite_holds_is_not_reproduced(tmp_path):
    claims = judge(
        [
            run_folder(
                tmp_path / "run",
                entropy=(0.1, 0.4),
                lemmas=(1, 3),
                right=(0.5, 0.5, 0.1),
                accuracy=(0.3, 0.5),
                without=0.95,
                kept=2.0,
            )
        ]
    )
    assert [c.verdict for c in claims] == ["not reproduced", "reproduced", *["not reproduced"] * 8]


def test_a_difference_within_the_noise_is_undecided(tmp_path):
    claims = judge([run_folder(tmp_path / "run", entropy=(0.3, 0.3), right=(0.5, 0.5, 0.52))])
    assert claims[0].verdict == "undecided" and claims[2].verdict == "undecided"


def test_missing_data_is_said_and_never_guessed(tmp_path):
    folder = run_folder(tmp_path / "run")
    (folder / "arms/grpo/eval_test.jsonl").unlink()
    claims = judge([folder])
    assert [c.verdict for c in claims] == [
        "reproduced",
        "undecided",
        "undecided",
        *["reproduced"] * 4,
        "undecided",
        *["reproduced"] * 2,
    ]
    assert claims[1].estimate is None and "no test evaluation of grpo" in claims[1].detail


def test_a_handful_of_steps_decides_nothing_about_entropy(tmp_path):
    claim = judge([run_folder(tmp_path / "run", steps=8)])[0]
    assert claim.verdict == "undecided" and "fewer than 10 steps" in claim.detail


def test_a_handful_of_steps_decides_nothing_about_lemmas(tmp_path):
    claim = judge(run_folder(tmp_path / "run", steps=9))[3]
    assert (
        claim.verdict == "undecided"
        and claim.detail.startswith("too little data")
        and "fewer than 10 steps" in claim.detail
    )


def test_arms_of_different_pass_at_1_say_nothing_about_scaling_at_similar_pass_at_1(tmp_path):
    claim = judge(run_folder(tmp_path / "run", right=(0.25, 0.5, 0.9)))[1]
    assert claim.low > 0 and claim.verdict == "undecided" and "0.25 apart" in claim.detail


def test_all_three_arms_over_fd_are_told_and_only_the_middle_one_is_judged(tmp_path):
    folder = run_folder(tmp_path / "run", right=(0.5, 0.5, 0.5))
    write(
        folder / "arms/grpo_from_fd_3/eval_test.jsonl",
        [{"problem_id": str(i), "n": 16, "c": 16} for i in range(60)],
    )
    claim = judge(folder)[2]
    assert (
        claim.estimate == 0
        and "first checkpoint not evaluated, middle 50.0%, last 100.0%" in claim.detail
    )


def test_lemmas_are_compared_at_equal_tokens_whatever_the_size_of_a_step(tmp_path):
    """Both find one lemma in 100 tokens; one takes steps of 100 tokens, the other of 730."""
    folder = run_folder(tmp_path / "run")
    for arm, size, steps in (("fd", 100, 100), ("grpo", 730, 40)):
        write(
            folder / "arms" / arm / "metrics.jsonl",
            [
                {"entropy": 0.3, "tokens_sampled": size * s, "lemmas_seen": size * s / 100}
                for s in range(1, steps + 1)
            ],
        )
    claim = judge(folder)[3]
    assert (
        claim.estimate == pytest.approx(0, abs=1e-9)
        and "after 10,000 sampled tokens: FD 100, GRPO 100" in claim.detail
    )


def test_one_folder_is_judged_as_a_list_of_one(tmp_path):
    folder = run_folder(tmp_path / "run")
    assert judge(folder) == judge([folder]) == judge(str(folder))


def test_more_runs_on_the_same_problems_do_not_make_the_problems_more(tmp_path):
    """Runs that agree problem by problem leave the uncertainty about problems where one run left it."""
    runs = [run_folder(tmp_path / name, right=(0.5, 0.4, 0.6)) for name in "abcd"]
    assert judge(runs[0])[2].verdict == judge(runs)[2].verdict == "undecided"


def test_several_runs_are_averaged(tmp_path):
    one, two = run_folder(tmp_path / "a", lemmas=(3, 1)), run_folder(tmp_path / "b", lemmas=(5, 1))
    assert judge([one, two])[3].estimate == pytest.approx(120)


def test_each_runs_own_estimate_is_told_beside_the_mean(tmp_path):
    claim = judge(
        [
            run_folder(tmp_path / "seed-0", lemmas=(3, 1)),
            run_folder(tmp_path / "seed-1", lemmas=(5, 1)),
        ]
    )[3]
    assert (
        "seed-0 +80.000 (after 40,000 sampled tokens: FD 120, GRPO 40); seed-1 +160.000 ("
        in claim.detail
    )


def test_answers_that_ground_truth_does_not_shorten_do_not_reproduce_that_it_does(tmp_path):
    """The critique's grow more, but nothing gets shorter."""
    folder = run_folder(tmp_path / "run")
    for arm, last in (("fd", 120), (GROUND_TRUTH, 90)):
        write(
            folder / "arms" / arm / "metrics.jsonl",
            [
                {
                    "train_accuracy": 0.5,
                    "entropy": 0.4,
                    "tokens_sampled": s,
                    "lemmas_seen": 1,
                    "response_tokens": 80 if s < 20 else last,
                }
                for s in range(40)
            ],
        )
    claim = judge(folder, ["C10"])[0]
    assert claim.estimate == pytest.approx(1 - 90 / 80) and claim.verdict == "not reproduced"


def test_the_table_and_the_json_say_the_same(tmp_path):
    claims = judge([run_folder(tmp_path / "run")])
    write_claims(claims, tmp_path)
    assert [row["verdict"] for row in json.loads((tmp_path / "claims.json").read_text())] == [
        c.verdict for c in claims
    ]
    text = (tmp_path / "claims.md").read_text()
    assert text == table(claims) and all(f"{c.estimate:+.3f}" in text for c in claims)
    assert all(
        part in text
        for rule in RULES
        for part in (rule.claim, rule.quantity, rule.reproduced_when, rule.paper)
    )


def test_what_rests_on_ablations_is_judged_on_the_runs_that_have_them(tmp_path):
    first, second = run_folder(tmp_path / "a"), run_folder(tmp_path / "b")
    shutil.rmtree(first / "arms/teacher_speed"), shutil.rmtree(second / "arms/tools_fd")
    assert [c.verdict for c in judge([first, second])] == ["reproduced"] * 10
    assert {c.id: c.runs for c in judge([first, second])} == {
        f"C{n}": 1 if n in (6, 8) else 2 for n in range(1, 11)
    }
    shutil.rmtree(first / "arms/fd")
    assert "C1" not in [
        c.id for c in judge([first, second]) if c.verdict == "reproduced"
    ]  # the main arms are wanted of every run


def test_a_claim_judged_alone_says_what_it_says_among_all(tmp_path):
    assert judge(tmp_path, ["C7", "C10"]) == [
        claim for claim in judge(tmp_path) if claim.id in ("C7", "C10")
    ]

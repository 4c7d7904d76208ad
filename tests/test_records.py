"""Records: what a file of rows holds after a kill, and which line an error names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fdcore.records import (
    Feedback,
    Problem,
    append_jsonl,
    markdown_table,
    read_jsonl,
    read_records,
    write_jsonl,
)

STATEMENT = "theorem t (x : ∀ α, α) : True := by"
PROBLEM = Problem(id="p", header="", statement=STATEMENT, split="train")


def test_records_are_immutable_and_take_no_unknown_field():
    with pytest.raises(ValidationError):
        PROBLEM.id = "q"
    with pytest.raises(ValidationError, match="colour"):
        Problem(id="p", header="", statement=STATEMENT, split="train", colour="red")


def test_a_statement_ends_in_by():
    with pytest.raises(ValidationError, match="statement"):
        Problem(id="p", header="", statement="theorem t : True", split="train")


def test_written_records_are_read_again(tmp_path):
    path = tmp_path / "a" / "problems.jsonl"
    write_jsonl(path, [PROBLEM, PROBLEM.model_copy(update={"id": "q"})])
    assert [one.id for one in read_records(path, Problem)] == ["p", "q"]
    assert [entry.name for entry in path.parent.iterdir()] == ["problems.jsonl"]


@pytest.mark.parametrize("line", ['{"id": "bad"}', "{", '{"id": "bad", "header": 3}'])
def test_a_bad_record_is_named_by_file_and_line(tmp_path, line):
    path = tmp_path / "problems.jsonl"
    path.write_text(PROBLEM.model_dump_json() + "\n" + line + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match="problems.jsonl:2"):
        read_records(path, Problem)


@given(st.integers(0, 200))
def test_a_file_cut_anywhere_reads_as_its_whole_lines_and_goes_on(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("cut") / "rows.jsonl"
    rows = [{"step": step, "text": "∀ x ∃ y"} for step in range(3)]
    append_jsonl(path, rows)
    content = path.read_bytes()[:cut]
    path.write_bytes(content)
    kept = content.count(b"\n")
    assert list(read_jsonl(path)) == rows[:kept]
    append_jsonl(path, [{"step": 9}, Feedback(problem_id="p", text="∀", producer="test")])
    steps = [row.get("step") for row in read_jsonl(path)]
    assert steps == [*range(kept), 9, None]


def test_a_line_in_the_middle_that_is_no_json_is_an_error(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"step": 1}\nnothing\n{"step": 2}\n')
    with pytest.raises(ValueError, match="rows.jsonl:2"):
        list(read_jsonl(path))


def test_a_missing_file_has_no_rows(tmp_path):
    assert list(read_jsonl(tmp_path / "none.jsonl")) == []


def test_a_table_is_markdown():
    assert markdown_table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"

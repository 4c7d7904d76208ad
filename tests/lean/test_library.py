"""The core library feels like ordinary Lean 4: every tactic proves something, fails in plain words, and nothing rests on a hidden axiom."""

import itertools
import re
import subprocess
import sys

import pytest

from fdcore.lean.library import PROJECT, core_library, declared_theorems, find_modules
from lean_project.generate.facts import print_theorems

HEADER = "prelude\nimport Fd\n\n"
SETTING = "section\nvariable (p q r : Prop) (a b c n : Nat) (x y z : Int) {G : Type} [Group G] (g h' k' : G)\n"


def lean(body, folder):
    """Lean's messages on a file with the library's header: [(severity, line in the body, text)]."""
    path = folder / "Test.lean"
    path.write_text(HEADER + body, encoding="utf-8")
    library = core_library()
    messages, _ = library.toolchain.run(path, path=library.path)
    return [(m["severity"], m["pos"]["line"] - HEADER.count("\n"), m["data"]) for m in messages]


# One proof for each tactic or form of it. The tactic's name is the key.
PROOFS = {
    "exact": "(h : p) : p := by exact h",
    "intro": ": p → p := by intro h; exact h",
    "intros": ": p → q → p := by intros h k; exact h",
    "apply": "(h : p → q) (hp : p) : q := by apply h; exact hp",
    "refine": "(hp : p) (hq : q) : p ∧ q := by refine ⟨?_, hq⟩; exact hp",
    "constructor": "(hp : p) (hq : q) : p ∧ q := by constructor; exact hp; exact hq",
    "cases": "(h : p ∨ q) : q ∨ p := by cases h with | inl h => exact .inr h | inr h => exact .inl h",
    "rcases": "(h : p ∧ (q ∨ r)) : q ∨ r := by rcases h with ⟨_, h | h⟩; exact .inl h; exact .inr h",
    "obtain": "(h : ∃ x : Nat, x = 2 ∧ p) : p := by obtain ⟨x, rfl, hp⟩ := h; exact hp",
    "rintro": ": p ∧ q → q := by rintro ⟨_, h⟩; exact h",
    "induction": ": 0 + n = n := by induction n with | zero => rfl | succ n ih => rw [← Nat.add_assoc, ih]",
    "strong induction": "(p : Nat → Prop) (h : ∀ n, (∀ m, m < n → p m) → p n) : p n := by induction n using Nat.strong_induction_on with | h n ih => exact h n ih",
    "induction from a start": "(h : 2 ≤ n) : n + 2 ≤ n * 2 := by\n  refine Nat.le_induction ?_ ?_ n h\n  · decide\n  · intro k l ih; omega",
    "induction in two steps": ": n % 2 < 2 := by induction n using Nat.twoStepInduction with | zero => decide | one => decide | more n _ _ => exact Nat.mod_lt _ (by decide)",
    "rfl": ": 2 + 2 = 4 := by rfl",
    "rw": ": a + b = b + a := by rw [Nat.add_comm]",
    "rw at": "(h : a + 0 = b) : a = b := by rw [Nat.add_zero] at h; exact h",
    "rwa": "(h : a = b) (k : b = 3) : a = 3 := by rwa [h]",
    "simp": ": a + 0 = a := by simp",
    "simp with lemmas": ": a + b + 0 = b + a := by simp [Nat.add_comm]",
    "simp only": ": a + 0 = a := by simp only [Nat.add_zero]",
    "simp at": "(h : a + 0 = b) : a = b := by simp at h; exact h",
    "simp at *": "(h : p ∧ True) : p := by simp at *; exact h",
    "simp refutes": "(h : a + 1 = 0) : p := by simp at h",
    "simp_all": "(h : a = b) (k : b = c) : a = c := by simp_all",
    "simpa": "(h : a + 0 = b) : a = b := by simpa using h",
    "have": "(h : p ∧ q) : p := by have k := h.1; exact k",
    "show": "(h : p ∧ q) : p := by show p; exact h.1",
    "suffices": "(h : p ∧ q) : p := by suffices k : p ∧ q from k.1; exact h",
    "assumption": "(h : p) : p := by assumption",
    "exists": ": ∃ x : Nat, x + 1 = 3 := by exists 2",
    "decide": ": 3 < 5 ∧ 3 ∣ 12 ∧ 17 % 5 = 2 := by decide",
    "decide over a range": ": ∀ x, x < 5 → x * x < 17 := by decide",
    "decide membership": ": 3 ∈ [1, 2, 3] ∧ [1, 2] ≠ [2, 1] := by decide",
    "decide over truth values": ": (∀ u v : Bool, (u && v) = (v && u)) ∧ ∃ u : Bool, u = true := by decide",
    "decide parity": ": Even 4 ∧ ¬Odd 6 ∧ Nat.gcd 12 18 = 6 := by decide",
    "decide strings": ': "ab" ≠ "ac" := by decide',
    "contradiction": "(h : p) (k : ¬p) : q := by contradiction",
    "exfalso": "(h : p) (k : ¬p) : q := by exfalso; exact k h",
    "left": "(h : p) : p ∨ q := by left; exact h",
    "right": "(h : q) : p ∨ q := by right; exact h",
    "split": ": (if a = b then c else c) = c := by split <;> rfl",
    "split a match": "(x : Option Nat) : (match x with | none => 0 | some _ => 0) = 0 := by split <;> rfl",
    "by_cases": ": p ∨ ¬p := by by_cases h : p; exact .inl h; exact .inr h",
    "funext": "(f g : Nat → Nat) (h : ∀ x, f x = g x) : f = g := by funext x; exact h x",
    "ext": "(f g : Nat → Nat) (h : ∀ x, f x = g x) : f = g := by ext x; exact h x",
    "calc": "(h : a ≤ b) (k : b < c) : a < c := by\n  calc a ≤ b := h\n    _ < c := k",
    "calc with divisibility": "(h : a ∣ b) (k : b ∣ c) : a ∣ c := by\n  calc a ∣ b := h\n    _ ∣ c := k",
    "conv": ": a + b + c = b + a + c := by conv => lhs; rw [Nat.add_comm a b]",
    "first": ": a = a := by first | contradiction | rfl",
    "try": ": a = a := by\n  try contradiction\n  rfl",
    "repeat": "(h : p) : p ∧ p ∧ p := by repeat (first | exact h | constructor)",
    "all_goals": "(h : p) : p ∧ p := by constructor; all_goals exact h",
    "any_goals": "(h : p) : p ∧ True := by\n  constructor\n  any_goals trivial",
    "case": "(hp : p) (hq : q) : p ∧ q := by\n  constructor\n  case right => exact hq\n  case left => exact hp",
    "next": "(hp : p) (hq : q) : p ∧ q := by\n  constructor\n  next => exact hp\n  next => exact hq",
    "·": "(hp : p) (hq : q) : p ∧ q := by\n  constructor\n  · exact hp\n  · exact hq",
    "<;>": "(hp : p) : p ∧ p := by constructor <;> exact hp",
    "specialize": "(h : ∀ x : Nat, x = x → p) : p := by specialize h 3 rfl; exact h",
    "generalize": ": (a + b) * c = (a + b) * c := by generalize a + b = d; rfl",
    "subst": "(h : a = b) : b = a := by subst h; rfl",
    "injection": "(h : a + 1 = b + 1) : a = b := by injection h",
    "unfold": ": Function.const Nat a b = a := by unfold Function.const; rfl",
    "change": ": n + 0 = n := by change n = n; rfl",
    "symm": "(h : a = b) : b = a := by symm; exact h",
    "trivial": ": True := by trivial",
    "trivial by assumption": "(h : p) : p := by trivial",
    "ac_rfl": ": a + b + c = c + 0 + (b + a) := by ac_rfl",
    "ac_rfl without commutativity": "(l k m : List Nat) : l ++ k ++ ([] ++ m) = l ++ (k ++ m) := by ac_rfl",
    "ac_rfl on propositions": ": ((p ∧ q) ∧ p) = (q ∧ p) := by ac_rfl",
    "ac_nf": "(h : a + b + c = n) : c + b + a = n := by ac_nf at h ⊢",
    "omega": "(h : a < b) (k : 2 * b ≤ c) : 2 * a + 1 < c := by omega",
    "omega splits": "(h : a ≠ b) (k : ¬(a < b ∧ c < 2)) (l : c = 1 ↔ n = n) : b < a := by omega",
    "omega with remainders": "(h : a % 4 = 3) : a % 2 = 1 ∧ a / 4 * 4 + 3 = a := by omega",
    "omega with divisibility": "(h : ¬2 ∣ a) : 4 ∣ 2 * a + 2 := by omega",
    "omega with subtraction": "(h : a - b = 3) : b + 3 = a := by omega",
    "omega with minimum and maximum": ": max a b + min a b = a + b := by omega",
    "omega on integers": "(h : 3 * x + 5 * y = 4) (k : 0 ≤ x) (l : 0 ≤ y) : False := by omega",
    "omega solves hard equations": "(h : 6 * x + 10 * y + 15 * z = 1) : z % 2 = 1 := by omega",
    "omega with distances": "(h : x.natAbs < 3) (k : y.toNat = 0) : x - 2 ≤ -y := by omega",
    "rename_i": ": p → q → p := by intros; rename_i h _; exact h",
    "revert": "(h : a = b) : b = a := by revert h; intro h; exact h.symm",
    "exact?": "(h : a < b) : a ≤ b := by exact?",
    "integer literals": ": (2 : Int) - 5 = -3 ∧ (-7 : Int) / 2 = -4 ∧ (-7 : Int) % 2 = 1 := by decide",
    "integers by rfl": ": (2 : Int) + 3 = 5 := by rfl",
    "integers by simp": ": x + 0 * y - -(2 - 5) = x + -3 := by simp; omega",
    "integers by rw": ": (x - y) * (x - y) = x * x - 2 * (x * y) + y * y := by\n  rw [Int.sub_mul, Int.mul_sub, Int.mul_sub, Int.mul_comm y x, Int.two_mul]\n  omega",
    "integers by cases": ": 0 ≤ x ∨ x < 0 := by cases x with | ofNat n => exact .inl (Int.natCast_nonneg n) | negSucc n => omega",
    "push_cast": ": ((3 * (a + b) : Nat) : Int) = 3 * (a + b) := by push_cast; rfl",
    "norm_cast": "(h : (a : Int) + 1 < 2 * b) : a + 1 < 2 * b := by norm_cast at h",
    "exact_mod_cast": "(h : a ∣ b ∧ b ≤ c) : (a : Int) ∣ b ∧ (b : Int) ≤ c := by exact_mod_cast h",
    "calc on integers": "(h : x ≤ y) (k : y < z) : x < z := by\n  calc x ≤ y := h\n    _ < z := k",
    "sums": ": 2 * sumRange (n + 1) (fun i => 3 * i) = 3 * (n * (n + 1)) := by\n  rw [← Finset.mul_sum, Nat.mul_left_comm, Finset.two_mul_sum_range_succ_id]",
    "sums by induction": ": sumRange n (fun i => 2 * i + 1) = n * n := by\n  induction n with\n  | zero => rfl\n  | succ n ih => rw [Finset.sum_range_succ, ih, Nat.add_mul_add]; omega",
    "sums by decide": ": sumRange 101 (fun i => i) = 5050 := by decide",
    "groups": "(e : g * h' = k') : h' = g⁻¹ * k' := by rw [← e, inv_mul_cancel_left]",
    "groups by simp": ": (g * h')⁻¹ * g * h' = 1 := by simp [mul_assoc]",
    "laws of monoids on numbers": ": (a * b) ^ n * 1 = a ^ n * b ^ n ∧ x ^ (n + 1) = x * x ^ n := by rw [mul_one, mul_pow, pow_succ']; exact ⟨rfl, rfl⟩",
    "products of groups": "(u v : G × G) (e : u * v = 1) : v = u⁻¹ := by rw [← inv_mul_cancel_left u v, e, mul_one]",
    "endomorphisms": "(u v : Function.End Nat) : u * 1 * v = Function.comp u v ∧ u ^ 2 = u * u := by rw [mul_one, pow_two]; exact ⟨rfl, rfl⟩",
    "ac_rfl in a monoid": "{M : Type} [CommMonoid M] (a b c : M) : a * (b * 1) * c = c * b * a := by ac_rfl",
    "match": "(h : p ∨ q) : q ∨ p := by\n  match h with\n  | .inl h => exact .inr h\n  | .inr h => exact .inl h",
    "nomatch": "(h : False) : p := nomatch h",
}


@pytest.fixture(scope="module")
def proof_messages(tmp_path_factory):
    text, lines = SETTING, {}
    for name, proof in PROOFS.items():
        lines[text.count("\n") + 1] = name
        text += f"example {proof}\n"
    found = {name: [] for name in PROOFS}
    starts = sorted(lines)
    for severity, line, said in lean(text + "end\n", tmp_path_factory.mktemp("proofs")):
        found[lines[max(start for start in starts if start <= line)]].append((severity, said))
    return found


@pytest.mark.parametrize("tactic", PROOFS)
def test_the_tactic_proves_something(tactic, proof_messages):
    assert [said for severity, said in proof_messages[tactic] if severity == "error"] == []


def test_exact_with_a_question_mark_names_a_lemma(proof_messages):
    assert re.search(r"exact Nat\.\w+ h", proof_messages["exact?"][0][1])


# A failing proof and words that its message must contain: what a model is told.
FAILURES = {
    "exact": (
        "(h : p) : q := by exact h",
        ["Type mismatch", "has type\n  p", "expected to have type\n  q"],
    ),
    "a function is expected": ("(h : p) : q := by exact h h", ["Function expected"]),
    "an unknown lemma": (
        ": a + b = b + a := by rw [Nat.add_com]",
        ["Unknown constant `Nat.add_com`"],
    ),
    "apply": (
        ": a + b = b + a := by apply Nat.le_refl",
        ["could not unify the conclusion", "?n ≤ ?n", "a + b = b + a"],
    ),
    "rw": (
        ": a + b = b + a := by rw [Nat.mul_comm]",
        ["Did not find an occurrence of the pattern\n  ?n * ?m"],
    ),
    "rfl": (
        ": a + b = b + a := by rfl",
        [
            "The left-hand side\n  a + b\nis not definitionally equal to the right-hand side\n  b + a"
        ],
    ),
    "simp": (": p := by simp", ["`simp` made no progress"]),
    "decide": (": 2 + 2 = 5 := by decide", ["proposition\n  2 + 2 = 5\nis false"]),
    "contradiction": ("(h : p) : q := by contradiction", ["contradiction"]),
    "assumption": ("(h : p) : q := by assumption", ["Tactic `assumption` failed", "⊢ q"]),
    "constructor": (": p := by constructor", ["`constructor` failed"]),
    "cases": ("(h : p ∧ q ∨ r) : r := by cases h", ["unsolved goals", "p ∧ q", "⊢ r"]),
    "induction": (
        ": 0 + n = n := by induction n",
        ["case succ", "0 + n✝ = n✝", "0 + (n✝ + 1) = n✝ + 1"],
    ),
    "left": (": p ∧ q := by left", ["left"]),
    "intro": (": p := by intro h", ["intro"]),
    "intros": (": p → q := by intros h k; exact h", ["There are no additional binders"]),
    "refine": (": p ∧ q := by refine ⟨?_, ?_⟩", ["unsolved goals", "⊢ p", "⊢ q"]),
    "rcases": (
        "(h : p → q) : q := by rcases h with ⟨x, y⟩",
        ["`h : p → q` is not an inductive datatype"],
    ),
    "obtain": (
        "(h : p ∧ q) : r := by obtain ⟨u, v, w⟩ := h; exact w",
        ["`right✝ : q` is not an inductive datatype"],
    ),
    "rintro": (": p := by rintro ⟨u, v⟩", ["There are no additional binders"]),
    "rw at": (
        "(h : a = b) : a = c := by rw [Nat.mul_comm] at h",
        ["Did not find an occurrence of the pattern\n  ?n * ?m\nin the target expression\n  a = b"],
    ),
    "simp_all": ("(h : a = b) : a = c := by simp_all", ["unsolved goals", "⊢ b = c"]),
    "simpa": (
        "(h : a + 0 = b) : a = c := by simpa using h",
        ["a = b\nbut is expected to have type\n  a = c"],
    ),
    "have": (": p := by have k : q := r", ["has type\n  Prop", "expected to have type\n  q"]),
    "show": (": p := by show q", ["pattern\n  q\nis not definitionally equal to target\n  p"]),
    "suffices": (": p := by suffices k : q from k; assumption", ["expected to have type\n  p"]),
    "exists": (": ∃ u : Nat, u + 1 = 3 := by exists 5", ["⊢ 5 + 1 = 3"]),
    "exfalso": (": p := by exfalso", ["unsolved goals", "⊢ False"]),
    "right": (": p ∧ q := by right", ["exactly 2 constructors"]),
    "split": (": p := by split", ["Could not split an `if` or `match` expression"]),
    "by_cases": (": p := by by_cases k : q", ["case pos", "k : q", "case neg", "k : ¬q"]),
    "funext": (": a = b := by funext u", ["could not unify"]),
    "ext": (": a = b := by ext u", ["No applicable extensionality theorem found for type\n  Nat"]),
    "calc": (
        "(h : a ≤ b) (k : c < a) : a < c := by\n  calc a ≤ b := h\n    _ < c := k",
        ["has type\n  c < a", "expected to have type\n  b < c"],
    ),
    "conv": (
        ": a + b = c := by conv => lhs; rw [Nat.mul_comm]",
        ["Did not find an occurrence", "| a + b"],
    ),
    "first": (": a = b := by first | contradiction | assumption", ["Tactic `assumption` failed"]),
    "try": (": a = b := by try rfl", ["unsolved goals", "⊢ a = b"]),
    "repeat": (": p ∧ q := by repeat constructor", ["case left", "case right"]),
    "all_goals": (
        ": p ∧ q := by constructor; all_goals assumption",
        ["case left", "case right", "⊢ q"],
    ),
    "any_goals": (
        ": p ∧ q := by constructor; any_goals assumption",
        ["Tactic failed on all goals:\n  assumption"],
    ),
    "case": (": p ∧ q := by constructor; case foo => assumption", ["Case tag `foo` not found"]),
    "next": (": p ∧ q := by constructor; next => skip", ["unsolved goals", "⊢ p"]),
    "·": (": p ∧ q := by constructor; · skip", ["case left", "⊢ p"]),
    "<;>": (": p ∧ q := by constructor <;> assumption", ["case left", "case right"]),
    "specialize": (
        "(h : ∀ u : Nat, u = u → p) : p := by specialize h q; exact h",
        ["The argument\n  q", "expected to have type\n  Nat"],
    ),
    "generalize": (": a + b = c := by generalize a + b = d", ["⊢ d = c"]),
    "subst": ("(h : a + 1 = b + 1) : b = a := by subst h", ["invalid equality proof"]),
    "unfold": (": a = b := by unfold Function.const", ["failed to unfold `Function.const`"]),
    "change": (
        ": a = b := by change a = c",
        ["pattern\n  a = c\nis not definitionally equal to target\n  a = b"],
    ),
    "symm": (": p → q := by symm", ["Symmetry lemmas only apply to binary relations"]),
    "trivial": (": p := by trivial", ["Tactic `assumption` failed"]),
    "rename_i": (
        ": p → q := by intros; rename_i u v w; exact w",
        ["too many variable names provided"],
    ),
    "exact?": (": a < b := by exact?", ["`exact?` could not close the goal"]),
    "ac_rfl": (": a + b = a + c := by ac_rfl", ["⊢ a + b = a + c"]),
    "norm_cast": ("(h : (a : Int) = b) : b = a := by exact_mod_cast h", ["a = b", "b = a"]),
    "omega": (
        "(h : a < b) : b < a := by omega",
        ["omega could not prove the goal", "a possible counterexample may satisfy the constraints"],
    ),
    "omega without arithmetic": ("(h : p) : q := by omega", ["No usable constraints found"]),
    "injection": ("(h : a = b) : p := by injection h", ["injection"]),
    "integers print with notation": (
        ": x - 2 ≤ -y ^ 2 ∨ ¬(a : Int) = x % 3 * -4 ∧ 5 ∣ y := by skip",
        ["⊢ x - 2 ≤ -y ^ 2 ∨ ¬↑a = x % 3 * -4 ∧ 5 ∣ y"],
    ),
    "groups print with notation": (": (g * h')⁻¹ ^ 2 = 1 := by skip", ["⊢ (g * h')⁻¹ ^ 2 = 1"]),
    "a group need not be commutative": (": g * h' = h' * g := by ac_rfl", ["⊢ g * h' = h' * g"]),
    "an unknown tactic": (": p := by foo", ["unknown tactic"]),
    "goals print with notation": (
        ": (∃ x ∈ [a, b], x ≤ n ∧ ¬x = c) → (∀ y, a ∣ y ^ 2 ∨ y ≠ [1] ++ [2] |>.length) ↔ ((a, b), c).1.2 * 2 < n := by skip",
        [
            "∃ x, x ∈ [a, b] ∧ x ≤ n ∧ ¬x = c",
            "∣",
            "^ 2",
            "∨",
            "≠",
            "[1] ++ [2]",
            "↔",
            "((a, b), c)",
            "* 2 < n",
        ],
    ),
}


@pytest.fixture(scope="module")
def failure_messages(tmp_path_factory):
    text, lines = SETTING, {}
    for name, (proof, _) in FAILURES.items():
        lines[text.count("\n") + 1] = name
        text += f"example {proof}\n"
    found, starts = {name: "" for name in FAILURES}, sorted(lines)
    for severity, line, said in lean(text + "end\n", tmp_path_factory.mktemp("failures")):
        if severity == "error":
            found[lines[max(start for start in starts if start <= line)]] += said + "\n"
    return found


@pytest.mark.parametrize("case", FAILURES)
def test_a_failing_proof_is_told_why(case, failure_messages):
    for words in FAILURES[case][1]:
        assert words in failure_messages[case]


def test_what_a_model_must_not_do_is_seen_by_lean(tmp_path):
    messages = lean("theorem t (a b : Nat) : a = b := by sorry\n#print axioms t\n", tmp_path)
    assert any("declaration uses `sorry`" in said for _, _, said in messages)
    assert any(said == "'t' depends on axioms: [sorryAx]" for _, _, said in messages)


# -- the library's own theorems ----------------------------------------------------------------------------------------


def test_every_theorem_rests_on_the_three_axioms_at_most(tmp_path):
    names = sorted(core_library().theorem_names)
    said = [
        text for _, _, text in lean("".join(f"#print axioms {name}\n" for name in names), tmp_path)
    ]
    assert len(said) == len(names) >= 150
    used = {
        axiom
        for text in said
        for axiom in re.findall(r"[\w.]+", (re.search(r"\[(.*)\]", text, re.DOTALL) or [""])[0])
    }
    assert used <= {"propext", "Quot.sound", "Classical.choice"}


def test_the_sources_contain_no_sorry_and_no_axiom_outside_the_core():
    for name, path in find_modules().items():
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\bsorry\b", text), name
        if name not in ("Fd.Basis", "Fd.Syntax", "Fd.Core", "Fd.Unexpand"):
            assert not re.search(r"^axiom\b", text, re.MULTILINE), name


def test_theorems_come_with_one_line_of_explanation():
    for name, path in find_modules().items():
        if name in ("Fd.Basis", "Fd.Internal", "Fd.AC", "Fd.Omega"):
            continue  # what Lean's own tactics ask for
        text = path.read_text(encoding="utf-8")
        all_of_them = re.findall(
            r"^(?:@\[[^\]]*\] )?(?:protected )?theorem «?([^\s»]+)", text, re.MULTILINE
        )
        without = set(all_of_them) - {
            each.removeprefix(space)
            for each in declared_theorems(path)
            for space in _prefixes(each)
        }
        assert [each for each in without if not re.search(r"\.go|subNatNat", each)] == [], (
            name
        )  # how something is computed


def _prefixes(name):
    parts = name.split(".")
    return [".".join(parts[:i]) + "." if i else "" for i in range(len(parts))]


@pytest.mark.parametrize(
    "name, type_",
    [
        ("Nat.add_comm", "∀ (n m : Nat), n + m = m + n"),
        ("Nat.le_antisymm", "∀ {n m : Nat}, n ≤ m → m ≤ n → n = m"),
        ("Classical.em", "∀ (p : Prop), p ∨ ¬p"),
        ("not_exists", "∀ {α : Sort u} {p : α → Prop}, (¬∃ x, p x) ↔ ∀ (x : α), ¬p x"),
        (
            "List.reverse_reverse",
            "∀ {α : Type u} (as : List α), List.reverse (List.reverse as) = as",
        ),
    ],
)
def test_theorems_are_listed_as_lean_prints_them(name, type_):
    assert print_theorems()[name].replace("u_1", "u") == type_


# -- soundness: what the kernel computes by name -------------------------------------------------------------------------

BINARY = [
    "add",
    "sub",
    "mul",
    "div",
    "mod",
    "gcd",
    "pow",
    "land",
    "lor",
    "xor",
    "shiftLeft",
    "shiftRight",
    "beq",
    "ble",
]
NUMBERS = [0, 1, 2, 3, 7, 8, 13]


def twins():
    """Renamed copies of the Nat operations, made from the library's sources, so that the kernel has to compute them as they are written."""
    source = "".join(
        (PROJECT / "Fd" / name).read_text(encoding="utf-8") for name in ("Basis.lean", "Data.lean")
    )
    found = {}
    for match in re.finditer(
        r"^(?:@\[extern[^\]]*\] )?def Nat\.((?:ble|beq|add|mul|pow|pred|sub|div|mod|gcd|log2|shiftLeft|shiftRight|bitwise|land|lor|xor)(?:\.go)?)\b.*\n(?:  .*\n)*",
        source,
        re.MULTILINE,
    ):
        found[match[1]] = re.sub(r"^@\[[^\]]*\] ", "", match[0])
    assert set(BINARY) < set(found)
    rename = lambda text: re.sub(
        r"\bNat\.(?=(?:%s)\b)" % "|".join(sorted({n.split(".")[0] for n in found})), "Twin.", text
    )  # noqa: E731
    text = "noncomputable section\n"
    for name in [
        "ble",
        "beq",
        "add",
        "mul",
        "pow",
        "pred",
        "sub",
        "div.go",
        "div",
        "mod.go",
        "mod",
        "gcd.go",
        "gcd",
        "log2.go",
        "log2",
        "shiftLeft",
        "shiftRight",
        "bitwise.go",
        "land",
        "lor",
        "xor",
    ]:
        text += rename(found[name])
    return text


def test_what_the_kernel_computes_natively_is_what_the_library_defines(tmp_path):
    text = twins()
    for name, x, y in [
        (n, x, y)
        for n in BINARY
        for x, y in itertools.product(NUMBERS, NUMBERS)
        if n not in ("pow", "shiftLeft") or x * y < 30
    ]:
        text += f"example : Twin.{name} {x} {y} = Nat.{name} {x} {y} := by decide +kernel\n"
    for x in [*NUMBERS, 31, 32, 100]:
        text += f"example : Twin.log2 {x} = Nat.log2 {x} := by decide +kernel\n"
    assert [said for severity, _, said in lean(text, tmp_path) if severity == "error"] == []
    # and the comparison can fail
    assert (
        lean(twins() + "example : Twin.log2 8 = Nat.log2 16 := by decide +kernel\n", tmp_path)[-1][
            0
        ]
        == "error"
    )


@pytest.mark.parametrize("name, arguments, value", [
    ("gcd", "12 18", 6), ("div", "17 5", 3), ("mod", "17 5", 2), ("div", "7 0", 0), ("mod", "7 0", 7), ("log2", "100", 6), ("pow", "2 10", 1024),
    ("land", "12 10", 8), ("lor", "12 10", 14), ("xor", "12 10", 6), ("shiftLeft", "3 4", 48), ("shiftRight", "48 4", 3), ("sub", "3 5", 0),
])  # fmt: skip
def test_operations_are_what_their_names_say(name, arguments, value, tmp_path):
    assert (
        lean(f"example : Nat.{name} {arguments} = {value} := by decide +kernel\n", tmp_path) == []
    )


def test_integer_operations_are_what_their_names_say(tmp_path):
    facts, numbers = [], range(-5, 6)
    for x, y in itertools.product(numbers, numbers):
        quotient = 0 if y == 0 else (x - x % abs(y)) // y
        facts += [
            f"({x} : Int) + {y} = {x + y}",
            f"({x} : Int) - {y} = {x - y}",
            f"({x} : Int) * {y} = {x * y}",
        ]
        facts += [
            f"({x} : Int) / {y} = {quotient}",
            f"({x} : Int) % {y} = {x - y * quotient}",
            f"max ({x} : Int) ({y}) = {max(x, y)}",
        ]
        facts += [
            f"{'' if x <= y else '¬'}({x} : Int) ≤ {y}",
            f"{'' if x < y else '¬'}({x} : Int) < {y}",
            f"{'' if x == y else '¬'}({x} : Int) = {y}",
        ]
    facts += [
        f"Int.natAbs ({x}) = {abs(x)} ∧ Int.toNat ({x}) = {max(x, 0)} ∧ -({x} : Int) = {-x} ∧ ({x} : Int) ^ 3 = {x**3}"
        for x in numbers
    ]
    text = "".join(f"example : {fact} := by decide +kernel\n" for fact in facts)
    assert [said for severity, _, said in lean(text, tmp_path) if severity == "error"] == []


def test_different_strings_cannot_be_proved_equal(tmp_path):
    assert any(
        severity == "error" for severity, _, _ in lean('example : "a" = "b" := rfl\n', tmp_path)
    )
    assert lean('theorem t : "a" ≠ "b" := by decide\n', tmp_path) == []


# -- the registry --------------------------------------------------------------------------------------------------------


def test_the_registry_is_what_the_generator_writes(tmp_path):
    if core_library().toolchain.shared is None:
        pytest.skip("the generator reads the shared library of the PyPI wheel")
    script = tmp_path / "generate_syntax.py"
    script.write_text(
        (PROJECT / "generate_syntax.py").read_text(encoding="utf-8"), encoding="utf-8"
    )
    (tmp_path / "Fd").mkdir()
    subprocess.run([sys.executable, str(script)], check=True, capture_output=True)
    for name in ("Syntax.lean", "Unexpand.lean"):
        assert (tmp_path / "Fd" / name).read_text(encoding="utf-8") == (
            PROJECT / "Fd" / name
        ).read_text(encoding="utf-8")

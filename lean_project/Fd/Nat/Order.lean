prelude
import Fd.Nat.Basic
/-! Natural numbers: `≤` and `<`. -/
set_option autoImplicit false
namespace Nat

/-! ## The order -/
/-- Every number is at most itself. -/
@[simp, refl] protected theorem le_refl (n : Nat) : n ≤ n := Nat.le.refl
/-- Every number is at most itself. -/
protected theorem le_rfl {n : Nat} : n ≤ n := Nat.le_refl n
/-- Equal numbers are at most each other. -/
protected theorem le_of_eq {n m : Nat} (h : n = m) : n ≤ m := h ▸ Nat.le_refl n
/-- A number is at most its successor. -/
theorem le_succ (n : Nat) : n ≤ n + 1 := .step .refl
/-- A number is at most one more. -/
@[simp] theorem le_add_one (n : Nat) : n ≤ n + 1 := .step .refl
/-- A bound stays a bound when it grows by one. -/
theorem le_succ_of_le {n m : Nat} (h : n ≤ m) : n ≤ m + 1 := .step h
/-- Zero is at most every number. -/
@[simp] theorem zero_le (n : Nat) : 0 ≤ n := by
  induction n with
  | zero => exact .refl
  | succ n ih => exact .step ih
/-- `≤` is transitive. -/
protected theorem le_trans {n m k : Nat} (h₁ : n ≤ m) (h₂ : m ≤ k) : n ≤ k := by
  induction h₂ with
  | refl => exact h₁
  | step _ ih => exact .step ih
/-- Add one on both sides of `≤`. -/
theorem succ_le_succ {n m : Nat} (h : n ≤ m) : n + 1 ≤ m + 1 := by
  induction h with
  | refl => exact .refl
  | step _ ih => exact .step ih
/-- Predecessors keep the order. -/
theorem pred_le_pred {n m : Nat} (h : n ≤ m) : pred n ≤ pred m := by
  cases h with
  | refl => exact .refl
  | @step m h => cases n with
    | zero => exact zero_le m
    | succ n => exact Nat.le_trans (le_succ n) h
/-- Take one away on both sides of `≤`. -/
theorem le_of_succ_le_succ {n m : Nat} (h : n + 1 ≤ m + 1) : n ≤ m := pred_le_pred h
/-- `n + 1 ≤ m + 1` is `n ≤ m`. -/
@[simp] theorem succ_le_succ_iff {n m : Nat} : n + 1 ≤ m + 1 ↔ n ≤ m := ⟨le_of_succ_le_succ, succ_le_succ⟩
/-- No successor is at most zero. -/
theorem not_succ_le_zero (n : Nat) : ¬(n + 1 ≤ 0) := nofun
/-- Nothing is less than zero. -/
@[simp] theorem not_lt_zero (n : Nat) : ¬(n < 0) := not_succ_le_zero n
/-- What is at most zero is zero. -/
theorem eq_zero_of_le_zero {n : Nat} (h : n ≤ 0) : n = 0 := by cases h; rfl
/-- At most zero means zero. -/
@[simp] protected theorem le_zero_eq {n : Nat} : n ≤ 0 ↔ n = 0 := ⟨eq_zero_of_le_zero, fun h => h ▸ Nat.le_refl n⟩
/-- No successor is at most its number. -/
theorem not_succ_le_self (n : Nat) : ¬(n + 1 ≤ n) := by
  induction n with
  | zero => exact not_succ_le_zero 0
  | succ n ih => exact fun h => ih (le_of_succ_le_succ h)
/-- No number is less than itself. -/
@[simp] protected theorem lt_irrefl (n : Nat) : ¬(n < n) := not_succ_le_self n
/-- `≤` in both directions is equality. -/
protected theorem le_antisymm {n m : Nat} (h₁ : n ≤ m) (h₂ : m ≤ n) : n = m := by
  cases h₁ with
  | refl => rfl
  | step h => exact absurd (Nat.le_trans h₂ h) (not_succ_le_self _)
/-- Equality is `≤` in both directions. -/
protected theorem le_antisymm_iff {a b : Nat} : a = b ↔ a ≤ b ∧ b ≤ a := ⟨fun h => ⟨Nat.le_of_eq h, Nat.le_of_eq h.symm⟩, fun h => Nat.le_antisymm h.1 h.2⟩
/-- Of two numbers one is at most the other. -/
protected theorem le_total (m n : Nat) : m ≤ n ∨ n ≤ m := by
  induction m with
  | zero => exact .inl (zero_le n)
  | succ m ih =>
    rcases ih with h | h
    · cases h with
      | refl => exact .inr (le_succ _)
      | step h => exact .inl (succ_le_succ h)
    · exact .inr (.step h)

/-! ## Strictly less -/
/-- A number is less than its successor. -/
@[simp] theorem lt_add_one (n : Nat) : n < n + 1 := Nat.le.refl
/-- A number is less than its successor. -/
theorem lt_succ_self (n : Nat) : n < succ n := Nat.le.refl
/-- What is at most `m` is less than `m + 1`. -/
theorem lt_succ_of_le {n m : Nat} (h : n ≤ m) : n < m + 1 := succ_le_succ h
/-- What is less than `m + 1` is at most `m`. -/
theorem le_of_lt_succ {m n : Nat} (h : m < n + 1) : m ≤ n := le_of_succ_le_succ h
/-- Less than `n + 1` means at most `n`. -/
protected theorem lt_succ_iff {m n : Nat} : m < n + 1 ↔ m ≤ n := ⟨le_of_lt_succ, lt_succ_of_le⟩
/-- The successor of something smaller is at most the bound. -/
theorem succ_le_of_lt {n m : Nat} (h : n < m) : n + 1 ≤ m := h
/-- If the successor is at most the bound, the number is less. -/
theorem lt_of_succ_le {n m : Nat} (h : n + 1 ≤ m) : n < m := h
/-- `n + 1 ≤ m` means `n < m`. -/
theorem succ_le_iff {n m : Nat} : n + 1 ≤ m ↔ n < m := Iff.rfl
/-- Less implies at most. -/
protected theorem le_of_lt {n m : Nat} (h : n < m) : n ≤ m := Nat.le_trans (le_succ n) h
/-- `<` is transitive. -/
protected theorem lt_trans {n m k : Nat} (h₁ : n < m) (h₂ : m < k) : n < k := Nat.le_trans h₁ (Nat.le_of_lt h₂)
/-- `<` after `≤` gives `<`. -/
protected theorem lt_of_le_of_lt {n m k : Nat} (h₁ : n ≤ m) (h₂ : m < k) : n < k := Nat.le_trans (succ_le_succ h₁) h₂
/-- `≤` after `<` gives `<`. -/
protected theorem lt_of_lt_of_le {n m k : Nat} (h₁ : n < m) (h₂ : m ≤ k) : n < k := Nat.le_trans h₁ h₂
/-- Less implies different. -/
protected theorem ne_of_lt {a b : Nat} (h : a < b) : a ≠ b := fun e => Nat.lt_irrefl b (e ▸ h)
/-- Greater implies different. -/
protected theorem ne_of_gt {a b : Nat} (h : b < a) : a ≠ b := fun e => Nat.lt_irrefl b (e ▸ h)
/-- Not both less and greater. -/
protected theorem lt_asymm {n m : Nat} (h : n < m) : ¬(m < n) := fun k => Nat.lt_irrefl n (Nat.lt_trans h k)
/-- What is less is not at least. -/
protected theorem not_le_of_lt {a b : Nat} (h : a < b) : ¬(b ≤ a) := fun k => Nat.lt_irrefl a (Nat.lt_of_lt_of_le h k)
/-- What is at most is not greater. -/
protected theorem not_lt_of_le {a b : Nat} (h : a ≤ b) : ¬(b < a) := fun k => Nat.not_le_of_lt k h
/-- At most means equal or less. -/
protected theorem eq_or_lt_of_le {n m : Nat} (h : n ≤ m) : n = m ∨ n < m := by
  cases h with
  | refl => exact .inl rfl
  | step h => exact .inr (succ_le_succ h)
/-- At most means less or equal. -/
protected theorem le_iff_lt_or_eq {n m : Nat} : n ≤ m ↔ n < m ∨ n = m := ⟨fun h => (Nat.eq_or_lt_of_le h).symm, fun h => h.elim Nat.le_of_lt Nat.le_of_eq⟩
/-- At most and different is less. -/
protected theorem lt_of_le_of_ne {n m : Nat} (h₁ : n ≤ m) (h₂ : n ≠ m) : n < m := (Nat.eq_or_lt_of_le h₁).resolve_left h₂
/-- Less means at most and different. -/
protected theorem lt_iff_le_and_ne {m n : Nat} : m < n ↔ m ≤ n ∧ m ≠ n := ⟨fun h => ⟨Nat.le_of_lt h, Nat.ne_of_lt h⟩, fun h => Nat.lt_of_le_of_ne h.1 h.2⟩
/-- Of two numbers one is less, or the other at most. -/
protected theorem lt_or_ge (a b : Nat) : a < b ∨ b ≤ a := (Nat.le_total b a).elim .inr (fun h => (Nat.eq_or_lt_of_le h).elim (fun e => .inr (Nat.le_of_eq e.symm)) .inl)
/-- Of two numbers one is at most, or the other less. -/
protected theorem le_or_lt (a b : Nat) : a ≤ b ∨ b < a := (Nat.lt_or_ge b a).symm
/-- Less, equal or greater. -/
protected theorem lt_trichotomy (a b : Nat) : a < b ∨ a = b ∨ b < a := (Nat.lt_or_ge a b).elim .inl (fun h => .inr ((Nat.eq_or_lt_of_le h).elim (fun e => .inl e.symm) .inr))
/-- Different numbers: one is less. -/
protected theorem lt_or_gt_of_ne {a b : Nat} (h : a ≠ b) : a < b ∨ b < a := (Nat.lt_trichotomy a b).elim .inl (fun k => k.elim (fun e => absurd e h) .inr)
/-- Not at most means greater. -/
@[simp] protected theorem not_le {n m : Nat} : ¬(n ≤ m) ↔ m < n := ⟨fun h => (Nat.lt_or_ge m n).resolve_right h, Nat.not_le_of_lt⟩
/-- Not less means at least. -/
@[simp] protected theorem not_lt {n m : Nat} : ¬(n < m) ↔ m ≤ n := ⟨fun h => (Nat.lt_or_ge n m).resolve_left h, Nat.not_lt_of_le⟩

/-! ## Positive numbers -/
/-- A successor is positive. -/
@[simp] theorem zero_lt_succ (n : Nat) : 0 < n + 1 := succ_le_succ (zero_le n)
/-- One is positive. -/
theorem zero_lt_one : 0 < (1 : Nat) := zero_lt_succ 0
/-- Positive numbers are not zero. -/
theorem ne_zero_of_lt {a b : Nat} (h : b < a) : a ≠ 0 := fun e => not_lt_zero b (e ▸ h)
/-- A number that is not zero is positive. -/
theorem pos_of_ne_zero {n : Nat} (h : n ≠ 0) : 0 < n := Nat.lt_of_le_of_ne (zero_le n) h.symm
/-- Positive means not zero. -/
protected theorem pos_iff_ne_zero {n : Nat} : 0 < n ↔ n ≠ 0 := ⟨ne_zero_of_lt, pos_of_ne_zero⟩
/-- A number is zero or positive. -/
protected theorem eq_zero_or_pos (n : Nat) : n = 0 ∨ 0 < n := by
  cases n with
  | zero => exact .inl rfl
  | succ n => exact .inr (zero_lt_succ n)
/-- A product of positive numbers is positive. -/
protected theorem mul_pos {n m : Nat} (hn : 0 < n) (hm : 0 < m) : 0 < n * m := pos_of_ne_zero (Nat.mul_ne_zero (ne_zero_of_lt hn) (ne_zero_of_lt hm))
/-- A sum with a positive left summand is positive. -/
protected theorem add_pos_left {m : Nat} (h : 0 < m) (n : Nat) : 0 < m + n := pos_of_ne_zero (fun e => ne_zero_of_lt h (Nat.eq_zero_of_add_eq_zero_right e))
/-- A sum with a positive right summand is positive. -/
protected theorem add_pos_right {n : Nat} (m : Nat) (h : 0 < n) : 0 < m + n := pos_of_ne_zero (fun e => ne_zero_of_lt h (Nat.eq_zero_of_add_eq_zero_left e))
/-- A positive number is at least one. -/
theorem one_le_of_lt {a b : Nat} (h : a < b) : 1 ≤ b := Nat.lt_of_le_of_lt (zero_le a) h
/-- Less than one means zero. -/
protected theorem lt_one_iff {n : Nat} : n < 1 ↔ n = 0 := ⟨fun h => eq_zero_of_le_zero (le_of_lt_succ h), fun h => h ▸ zero_lt_one⟩

/-! ## Order and addition -/
/-- A number is at most itself plus another. -/
@[simp] theorem le_add_right (n k : Nat) : n ≤ n + k := by
  induction k with
  | zero => exact .refl
  | succ k ih => exact .step ih
/-- A number is at most another plus itself. -/
@[simp] theorem le_add_left (n m : Nat) : n ≤ m + n := by rw [Nat.add_comm]; exact le_add_right n m
/-- A number at most another is reached by adding. -/
theorem le.dest {n m : Nat} (h : n ≤ m) : ∃ k, n + k = m := by
  induction h with
  | refl => exact ⟨0, rfl⟩
  | step _ ih => obtain ⟨k, hk⟩ := ih; exact ⟨k + 1, congrArg succ hk⟩
/-- What is reached by adding is at least the start. -/
theorem le.intro {n m k : Nat} (h : n + k = m) : n ≤ m := h ▸ le_add_right n k
/-- At most means reached by adding. -/
protected theorem le_iff_exists_add {m n : Nat} : m ≤ n ↔ ∃ k, n = m + k := ⟨fun h => (le.dest h).elim (fun k e => ⟨k, e.symm⟩), fun ⟨_, e⟩ => le.intro e.symm⟩
/-- Add the same number on the right of `≤`. -/
protected theorem add_le_add_right {n m : Nat} (h : n ≤ m) (k : Nat) : n + k ≤ m + k := by
  induction k with
  | zero => exact h
  | succ k ih => exact succ_le_succ ih
/-- Add the same number on the left of `≤`. -/
protected theorem add_le_add_left {n m : Nat} (h : n ≤ m) (k : Nat) : k + n ≤ k + m := by rw [Nat.add_comm k n, Nat.add_comm k m]; exact Nat.add_le_add_right h k
/-- Add two `≤`. -/
protected theorem add_le_add {a b c d : Nat} (h₁ : a ≤ b) (h₂ : c ≤ d) : a + c ≤ b + d := Nat.le_trans (Nat.add_le_add_right h₁ c) (Nat.add_le_add_left h₂ b)
/-- Add the same number on the right of `<`. -/
protected theorem add_lt_add_right {n m : Nat} (h : n < m) (k : Nat) : n + k < m + k := by
  induction k with
  | zero => exact h
  | succ k ih => exact succ_le_succ ih
/-- Add the same number on the left of `<`. -/
protected theorem add_lt_add_left {n m : Nat} (h : n < m) (k : Nat) : k + n < k + m := by rw [Nat.add_comm k n, Nat.add_comm k m]; exact Nat.add_lt_add_right h k
/-- Add two `<`. -/
protected theorem add_lt_add {a b c d : Nat} (h₁ : a < b) (h₂ : c < d) : a + c < b + d := Nat.lt_trans (Nat.add_lt_add_right h₁ c) (Nat.add_lt_add_left h₂ b)
/-- Add `≤` and `<`. -/
protected theorem add_lt_add_of_le_of_lt {a b c d : Nat} (h₁ : a ≤ b) (h₂ : c < d) : a + c < b + d := Nat.lt_of_le_of_lt (Nat.add_le_add_right h₁ c) (Nat.add_lt_add_left h₂ b)
/-- Add `<` and `≤`. -/
protected theorem add_lt_add_of_lt_of_le {a b c d : Nat} (h₁ : a < b) (h₂ : c ≤ d) : a + c < b + d := Nat.lt_of_lt_of_le (Nat.add_lt_add_right h₁ c) (Nat.add_le_add_left h₂ b)
/-- Cancel a right summand in `≤`. -/
protected theorem le_of_add_le_add_right {a b c : Nat} (h : a + b ≤ c + b) : a ≤ c := by
  induction b with
  | zero => exact h
  | succ b ih => exact ih (le_of_succ_le_succ h)
/-- Cancel a left summand in `≤`. -/
protected theorem le_of_add_le_add_left {a b c : Nat} (h : a + b ≤ a + c) : b ≤ c := by rw [Nat.add_comm a b, Nat.add_comm a c] at h; exact Nat.le_of_add_le_add_right h
/-- Cancel a right summand in `<`. -/
protected theorem lt_of_add_lt_add_right {k n m : Nat} (h : k + n < m + n) : k < m := Nat.le_of_add_le_add_right (b := n) (by rw [Nat.add_one_add]; exact h)
/-- Cancel a left summand in `<`. -/
protected theorem lt_of_add_lt_add_left {k n m : Nat} (h : n + k < n + m) : k < m := by rw [Nat.add_comm n k, Nat.add_comm n m] at h; exact Nat.lt_of_add_lt_add_right h
/-- `≤` is not changed by a common right summand. -/
@[simp] protected theorem add_le_add_iff_right {m k n : Nat} : m + n ≤ k + n ↔ m ≤ k := ⟨Nat.le_of_add_le_add_right, fun h => Nat.add_le_add_right h n⟩
/-- `≤` is not changed by a common left summand. -/
@[simp] protected theorem add_le_add_iff_left {m k n : Nat} : n + m ≤ n + k ↔ m ≤ k := ⟨Nat.le_of_add_le_add_left, fun h => Nat.add_le_add_left h n⟩
/-- `<` is not changed by a common right summand. -/
@[simp] protected theorem add_lt_add_iff_right {m k n : Nat} : m + n < k + n ↔ m < k := ⟨Nat.lt_of_add_lt_add_right, fun h => Nat.add_lt_add_right h n⟩
/-- `<` is not changed by a common left summand. -/
@[simp] protected theorem add_lt_add_iff_left {m k n : Nat} : n + m < n + k ↔ m < k := ⟨Nat.lt_of_add_lt_add_left, fun h => Nat.add_lt_add_left h n⟩
/-- A bound stays a bound when something is added on the right. -/
theorem le_add_right_of_le {n m k : Nat} (h : n ≤ m) : n ≤ m + k := Nat.le_trans h (le_add_right m k)
/-- A bound stays a bound when something is added on the left. -/
theorem le_add_left_of_le {n m k : Nat} (h : n ≤ m) : n ≤ k + m := Nat.le_trans h (le_add_left m k)
/-- If a sum is bounded, so is its left summand. -/
theorem le_of_add_right_le {n m k : Nat} (h : n + k ≤ m) : n ≤ m := Nat.le_trans (le_add_right n k) h
/-- If a sum is bounded, so is its right summand. -/
theorem le_of_add_left_le {n m k : Nat} (h : k + n ≤ m) : n ≤ m := Nat.le_trans (le_add_left n k) h
/-- Adding a positive number on the right makes it larger. -/
protected theorem lt_add_of_pos_right {k n : Nat} (h : 0 < k) : n < n + k := Nat.add_lt_add_left h n
/-- Adding a positive number on the left makes it larger. -/
protected theorem lt_add_of_pos_left {k n : Nat} (h : 0 < k) : n < k + n := by rw [Nat.add_comm]; exact Nat.lt_add_of_pos_right h

/-! ## Order and multiplication -/
/-- Multiply `≤` on the left. -/
protected theorem mul_le_mul_left {m n : Nat} (k : Nat) (h : m ≤ n) : k * m ≤ k * n := (le.dest h).elim (fun j e => e ▸ (Nat.mul_add k m j).symm ▸ le_add_right _ _)
/-- Multiply `≤` on the right. -/
protected theorem mul_le_mul_right {m n : Nat} (k : Nat) (h : m ≤ n) : m * k ≤ n * k := by rw [Nat.mul_comm m k, Nat.mul_comm n k]; exact Nat.mul_le_mul_left k h
/-- Multiply two `≤`. -/
protected theorem mul_le_mul {p q m n : Nat} (h₁ : p ≤ m) (h₂ : q ≤ n) : p * q ≤ m * n := Nat.le_trans (Nat.mul_le_mul_right q h₁) (Nat.mul_le_mul_left m h₂)
/-- A square grows with its root. -/
protected theorem mul_self_le_mul_self {m n : Nat} (h : m ≤ n) : m * m ≤ n * n := Nat.mul_le_mul h h
/-- Multiply `<` by a positive number on the left. -/
protected theorem mul_lt_mul_of_pos_left {n m k : Nat} (h : n < m) (hk : 0 < k) : k * n < k * m :=
  Nat.lt_of_lt_of_le (Nat.lt_add_of_pos_right hk) ((mul_add_one k n) ▸ Nat.mul_le_mul_left k h)
/-- Multiply `<` by a positive number on the right. -/
protected theorem mul_lt_mul_of_pos_right {n m k : Nat} (h : n < m) (hk : 0 < k) : n * k < m * k := by rw [Nat.mul_comm n k, Nat.mul_comm m k]; exact Nat.mul_lt_mul_of_pos_left h hk
/-- A positive left factor can be cancelled in `≤`. -/
protected theorem le_of_mul_le_mul_left {a b c : Nat} (h : c * a ≤ c * b) (hc : 0 < c) : a ≤ b := Nat.not_lt.1 (fun k => Nat.not_le_of_lt (Nat.mul_lt_mul_of_pos_left k hc) h)
/-- A positive right factor can be cancelled in `≤`. -/
protected theorem le_of_mul_le_mul_right {a b c : Nat} (h : a * c ≤ b * c) (hc : 0 < c) : a ≤ b := by rw [Nat.mul_comm a c, Nat.mul_comm b c] at h; exact Nat.le_of_mul_le_mul_left h hc
/-- A positive left factor can be cancelled in `=`. -/
protected theorem eq_of_mul_eq_mul_left {a m n : Nat} (ha : 0 < a) (h : a * m = a * n) : m = n :=
  Nat.le_antisymm (Nat.le_of_mul_le_mul_left (Nat.le_of_eq h) ha) (Nat.le_of_mul_le_mul_left (Nat.le_of_eq h.symm) ha)
/-- A positive right factor can be cancelled in `=`. -/
protected theorem eq_of_mul_eq_mul_right {a m n : Nat} (ha : 0 < a) (h : m * a = n * a) : m = n := by rw [Nat.mul_comm m a, Nat.mul_comm n a] at h; exact Nat.eq_of_mul_eq_mul_left ha h
/-- A number is at most its product with a positive number on the right. -/
protected theorem le_mul_of_pos_right {n : Nat} (m : Nat) (h : 0 < n) : m ≤ m * n := by
  have k := Nat.mul_le_mul_left m (succ_le_of_lt h)
  rw [Nat.zero_add, Nat.mul_one] at k
  exact k
/-- A number is at most its product with a positive number on the left. -/
protected theorem le_mul_of_pos_left {n : Nat} (m : Nat) (h : 0 < n) : m ≤ n * m := by rw [Nat.mul_comm]; exact Nat.le_mul_of_pos_right m h
/-- A number is at most its square. -/
theorem le_mul_self (n : Nat) : n ≤ n * n := by
  cases n with
  | zero => exact .refl
  | succ n => exact Nat.le_mul_of_pos_right _ (zero_lt_succ n)

/-! ## Deciding, and induction on everything smaller -/
/-- `ble` computes `≤`. -/
theorem ble_eq {a b : Nat} : Nat.ble a b = true ↔ a ≤ b := by
  induction a generalizing b with
  | zero => exact ⟨fun _ => zero_le b, fun _ => rfl⟩
  | succ a ih =>
    cases b with
    | zero => exact ⟨fun h => Bool.noConfusion h, fun h => (not_succ_le_zero _ h).elim⟩
    | succ b => exact ⟨fun h => succ_le_succ (ih.1 h), fun h => ih.2 (le_of_succ_le_succ h)⟩
/-- What `ble` calls true is at most. -/
theorem le_of_ble_eq_true {n m : Nat} (h : Nat.ble n m = true) : n ≤ m := ble_eq.1 h
/-- What is at most, `ble` calls true. -/
theorem ble_eq_true_of_le {n m : Nat} (h : n ≤ m) : Nat.ble n m = true := ble_eq.2 h
instance decLe (a b : Nat) : Decidable (a ≤ b) := if h : Nat.ble a b = true then isTrue (ble_eq.1 h) else isFalse (fun k => h (ble_eq.2 k))
instance decLt (a b : Nat) : Decidable (a < b) := decLe (a + 1) b
/-- Strong induction: to prove `p n`, assume `p` of everything smaller. -/
@[elab_as_elim] protected theorem strongRecOn {motive : Nat → Prop} (n : Nat) (ind : ∀ n, (∀ m, m < n → motive m) → motive n) : motive n :=
  have all : ∀ k, ∀ m, m < k → motive m := fun k => by
    induction k with
    | zero => exact fun m h => absurd h (not_lt_zero m)
    | succ k ih => exact fun m h => ind m (fun j hj => ih j (Nat.lt_of_lt_of_le hj (le_of_lt_succ h)))
  all (n + 1) n (lt_add_one n)
/-- Induction from a starting point. -/
@[elab_as_elim] protected theorem le_induction {m : Nat} {motive : Nat → Prop} (base : motive m) (succ : ∀ n, m ≤ n → motive n → motive (n + 1)) (n : Nat) (h : m ≤ n) : motive n := by
  induction h with
  | refl => exact base
  | step h ih => exact succ _ h ih
instance instTransLe : Trans (α := Nat) (β := Nat) (γ := Nat) LE.le LE.le LE.le := ⟨Nat.le_trans⟩
instance instTransLt : Trans (α := Nat) (β := Nat) (γ := Nat) LT.lt LT.lt LT.lt := ⟨Nat.lt_trans⟩
instance instTransLtLe : Trans (α := Nat) (β := Nat) (γ := Nat) LT.lt LE.le LT.lt := ⟨Nat.lt_of_lt_of_le⟩
instance instTransLeLt : Trans (α := Nat) (β := Nat) (γ := Nat) LE.le LT.lt LT.lt := ⟨Nat.lt_of_le_of_lt⟩
end Nat

prelude
import Fd.Omega
/-! Natural numbers: more on parity, on minimum and maximum, and on induction. -/
set_option autoImplicit false

/-! ## Parity -/
namespace Nat
/-- Even means remainder zero by two. -/
theorem even_iff {n : Nat} : Even n ↔ n % 2 = 0 := ⟨fun ⟨r, e⟩ => by omega, fun h => ⟨n / 2, by omega⟩⟩
/-- Odd means remainder one by two. -/
theorem odd_iff {n : Nat} : Odd n ↔ n % 2 = 1 := ⟨fun ⟨r, e⟩ => by omega, fun h => ⟨n / 2, by omega⟩⟩
instance Even.decidable (n : Nat) : Decidable (Even n) := decidable_of_iff (n % 2 = 0) even_iff.symm
instance Odd.decidable (n : Nat) : Decidable (Odd n) := decidable_of_iff (n % 2 = 1) odd_iff.symm
/-- A sum is even exactly when both summands are even or both odd. -/
theorem even_add {m n : Nat} : Even (m + n) ↔ (Even m ↔ Even n) := by rw [even_iff, even_iff, even_iff]; omega
/-- A sum is odd exactly when one summand is odd and the other even. -/
theorem odd_add {m n : Nat} : Odd (m + n) ↔ (Odd m ↔ Even n) := by rw [odd_iff, odd_iff, even_iff]; omega
/-- A successor is even exactly when the number is not. -/
theorem even_add_one {n : Nat} : Even (n + 1) ↔ ¬Even n := by rw [even_iff, even_iff]; omega
/-- A difference of comparable numbers is even exactly when both are even or both odd. -/
theorem even_sub {m n : Nat} (h : n ≤ m) : Even (m - n) ↔ (Even m ↔ Even n) := by rw [even_iff, even_iff, even_iff]; omega
/-- A product is even exactly when a factor is. -/
theorem even_mul {m n : Nat} : Even (m * n) ↔ Even m ∨ Even n := by
  refine ⟨fun h => ?_, fun h => h.elim (fun k => k.mul_right n) (fun k => k.mul_left m)⟩
  rcases even_or_odd m with k | ⟨a, rfl⟩
  · exact .inl k
  · rcases even_or_odd n with k | ⟨b, rfl⟩
    · exact .inr k
    · rw [Nat.add_mul_add, even_iff] at h
      simp only [Nat.mul_assoc] at h
      omega
/-- A product is odd exactly when both factors are. -/
theorem odd_mul {m n : Nat} : Odd (m * n) ↔ Odd m ∧ Odd n := by rw [← not_even_iff_odd, even_mul, not_or, not_even_iff_odd, not_even_iff_odd]
/-- A power is even exactly when its base is and its exponent is not zero. -/
theorem even_pow {m n : Nat} : Even (m ^ n) ↔ Even m ∧ n ≠ 0 := by
  induction n with
  | zero => exact ⟨fun h => absurd ⟨h, odd_one⟩ (not_even_and_odd 1), fun h => absurd rfl h.2⟩
  | succ n ih => rw [Nat.pow_succ, even_mul, ih]; exact ⟨fun h => ⟨h.elim And.left id, succ_ne_zero n⟩, fun h => .inr h.1⟩
/-- Two is even. -/
theorem even_two : Even 2 := ⟨1, rfl⟩
end Nat
/-- A product of odd numbers is odd. -/
theorem Odd.mul {m n : Nat} (hm : Odd m) (hn : Odd n) : Odd (m * n) := Nat.odd_mul.2 ⟨hm, hn⟩
/-- A power of an odd number is odd. -/
theorem Odd.pow {m : Nat} (hm : Odd m) (n : Nat) : Odd (m ^ n) := Nat.not_even_iff_odd.1 (fun h => Nat.not_even_and_odd m ⟨(Nat.even_pow.1 h).1, hm⟩)
/-- An odd and an even number have an odd sum. -/
theorem Odd.add_even {m n : Nat} (hm : Odd m) (hn : Even n) : Odd (m + n) := by rw [Nat.add_comm]; exact hn.add_odd hm

namespace Nat
/-! ## Minimum and maximum -/
/-- The maximum, by cases. -/
protected theorem max_def {n m : Nat} : max n m = if n ≤ m then m else n := by split <;> omega
/-- The minimum, by cases. -/
protected theorem min_def {n m : Nat} : min n m = if n ≤ m then n else m := by split <;> omega
/-- The maximum is less than a bound exactly when both numbers are. -/
protected theorem max_lt {a b c : Nat} : max a b < c ↔ a < c ∧ b < c := by omega
/-- A number is less than the minimum exactly when it is less than both. -/
protected theorem lt_min {a b c : Nat} : a < min b c ↔ a < b ∧ a < c := by omega
/-- A common summand moves out of a maximum. -/
protected theorem add_max_add_right (a b c : Nat) : max (a + c) (b + c) = max a b + c := by omega
/-- A common summand moves out of a minimum. -/
protected theorem add_min_add_right (a b c : Nat) : min (a + c) (b + c) = min a b + c := by omega
/-- The maximum with a minimum is the minimum of the maxima. -/
protected theorem max_min_distrib_left (a b c : Nat) : max a (min b c) = min (max a b) (max a c) := by omega
/-- The minimum with a maximum is the maximum of the minima. -/
protected theorem min_max_distrib_left (a b c : Nat) : min a (max b c) = max (min a b) (min a c) := by omega
/-- The maximum with a minimum of the same number is the number. -/
@[simp] protected theorem max_min_self (a b : Nat) : max a (min a b) = a := by omega
/-- The minimum with a maximum of the same number is the number. -/
@[simp] protected theorem min_max_self (a b : Nat) : min a (max a b) = a := by omega
/-- Taking a difference and adding again gives the maximum. -/
protected theorem sub_add_eq_max (a b : Nat) : a - b + b = max a b := by omega

/-! ## Induction -/
/-- Strong induction: to prove `p n`, assume `p` of everything smaller. -/
@[elab_as_elim] protected theorem strong_induction_on {p : Nat → Prop} (n : Nat) (h : ∀ n, (∀ m, m < n → p m) → p n) : p n := Nat.strongRecOn n h
/-- Strong induction with zero apart. -/
@[elab_as_elim] protected theorem case_strong_induction_on {p : Nat → Prop} (a : Nat) (hz : p 0) (hi : ∀ n, (∀ m, m ≤ n → p m) → p (n + 1)) : p a := by
  induction a using Nat.strongRecOn with
  | ind n ih => cases n with
    | zero => exact hz
    | succ n => exact hi n (fun m h => ih m (lt_succ_of_le h))
/-- Induction downwards from `n` to a smaller number. -/
@[elab_as_elim] protected theorem decreasing_induction {m n : Nat} {p : Nat → Prop} (h : ∀ k, k < n → p (k + 1) → p k) (hmn : m ≤ n) (hn : p n) : p m := by
  obtain ⟨k, rfl⟩ := le.dest hmn
  induction k generalizing m with
  | zero => exact hn
  | succ k ih => exact h m (by omega) (ih (fun j l => h j (by omega)) (by omega) (by rw [Nat.add_one_add]; exact hn))
/-- A property of some number has a least number with it. -/
theorem exists_least {p : Nat → Prop} (h : ∃ n, p n) : ∃ n, p n ∧ ∀ m, m < n → ¬p m := by
  obtain ⟨n, hn⟩ := h
  induction n using Nat.strongRecOn with
  | ind n ih =>
    by_cases k : ∃ m, m < n ∧ p m
    · obtain ⟨m, l, hm⟩ := k; exact ih m l hm
    · exact ⟨n, hn, fun m l hm => k ⟨m, l, hm⟩⟩
/-- A bounded property that holds of some number holds of a greatest one. -/
theorem exists_greatest {p : Nat → Prop} {b : Nat} (hb : ∀ n, p n → n ≤ b) (h : ∃ n, p n) : ∃ n, p n ∧ ∀ m, p m → m ≤ n := by
  obtain ⟨d, ⟨n, hn, e⟩, least⟩ := exists_least (p := fun d => ∃ n, p n ∧ d = b - n) (h.elim (fun n hn => ⟨b - n, n, hn, rfl⟩))
  refine ⟨n, hn, fun m hm => Nat.not_lt.1 (fun l => least (b - m) ?_ ⟨m, hm, rfl⟩)⟩
  have := hb m hm
  omega
/-- A sequence of numbers cannot go down forever. -/
theorem not_strictly_decreasing (f : Nat → Nat) : ¬∀ n, f (n + 1) < f n := fun h => by
  have low (n : Nat) : f n + n ≤ f 0 := by
    induction n with
    | zero => exact Nat.le_refl _
    | succ n ih => have := h n; omega
  have := low (f 0 + 1)
  omega
end Nat

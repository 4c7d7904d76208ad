prelude
import Fd.List.Range
/-!
Finite sums `f 0 + … + f (n - 1)` of natural numbers. Mathlib writes `∑ i ∈ Finset.range n, f i`; here it is `sumRange n f`, a function
of `n` and not of a set, and the theorems have the names of Mathlib's about `Finset.sum` over a range.
-/
set_option autoImplicit false
/-- The sum `f 0 + … + f (n - 1)`. -/
def sumRange : Nat → (Nat → Nat) → Nat
  | 0, _ => 0
  | n + 1, f => sumRange n f + f n
namespace Finset
variable {f g : Nat → Nat} {m n : Nat}

/-! ## Terms -/
/-- A sum without terms is zero. -/
@[simp] theorem sum_range_zero (f : Nat → Nat) : sumRange 0 f = 0 := rfl
/-- The last term of a sum, split off. -/
theorem sum_range_succ (f : Nat → Nat) (n : Nat) : sumRange (n + 1) f = sumRange n f + f n := rfl
/-- The last term of a sum, split off to the front. -/
theorem sum_range_succ_comm (f : Nat → Nat) (n : Nat) : sumRange (n + 1) f = f n + sumRange n f := Nat.add_comm _ _
/-- A sum of one term. -/
@[simp] theorem sum_range_one (f : Nat → Nat) : sumRange 1 f = f 0 := Nat.zero_add (f 0)
/-- The first term of a sum, split off. -/
theorem sum_range_succ' (f : Nat → Nat) (n : Nat) : sumRange (n + 1) f = sumRange n (fun i => f (i + 1)) + f 0 := by
  induction n with
  | zero => rfl
  | succ n ih => rw [sum_range_succ, ih, sum_range_succ, Nat.add_right_comm]
/-- Sums of equal terms are equal. -/
theorem sum_congr (h : ∀ i, i < n → f i = g i) : sumRange n f = sumRange n g := by
  induction n with
  | zero => rfl
  | succ n ih => rw [sum_range_succ, sum_range_succ, ih (fun i l => h i (Nat.lt_trans l (Nat.lt_add_one n))), h n (Nat.lt_add_one n)]
/-- A sum of the first `m + n` terms is the sum of the first `m` and of the next `n`. -/
theorem sum_range_add (f : Nat → Nat) (m n : Nat) : sumRange (m + n) f = sumRange m f + sumRange n (fun i => f (m + i)) := by
  induction n with
  | zero => rfl
  | succ n ih => rw [← Nat.add_assoc, sum_range_succ, ih, sum_range_succ, Nat.add_assoc]
/-- The terms of a sum can be added in the opposite order. -/
theorem sum_range_reflect (f : Nat → Nat) (n : Nat) : sumRange n (fun j => f (n - 1 - j)) = sumRange n f := by
  induction n with
  | zero => rfl
  | succ n ih =>
    rw [sum_range_succ', sum_range_succ f, ← ih]
    show _ + f n = _
    rw [sum_congr (fun i _ => congrArg f (show n + 1 - 1 - (i + 1) = n - 1 - i by omega))]
/-- The sum over the list of the numbers below `n`. -/
theorem sum_map_range (f : Nat → Nat) (n : Nat) : List.sum ((List.range n).map f) = sumRange n f := by
  induction n with
  | zero => rfl
  | succ n ih => rw [List.range_succ, List.map_append, List.sum_append, ih]; rfl

/-! ## Constants, sums, products -/
/-- A sum of zeros is zero. -/
@[simp] theorem sum_const_zero : sumRange n (fun _ => 0) = 0 := by
  induction n with
  | zero => rfl
  | succ n ih => exact ih
/-- A sum of equal terms is their number times the term. -/
@[simp] theorem sum_const (n c : Nat) : sumRange n (fun _ => c) = n * c := by
  induction n with
  | zero => exact (Nat.zero_mul c).symm
  | succ n ih => rw [sum_range_succ, ih, Nat.add_one_mul]
/-- A sum of sums is the sum of the two sums. -/
theorem sum_add_distrib : sumRange n (fun i => f i + g i) = sumRange n f + sumRange n g := by
  induction n with
  | zero => rfl
  | succ n ih => rw [sum_range_succ, ih, sum_range_succ, sum_range_succ, Nat.add_add_add_comm]
/-- A factor moves into a sum from the left. -/
theorem mul_sum (n : Nat) (f : Nat → Nat) (b : Nat) : b * sumRange n f = sumRange n (fun i => b * f i) := by
  induction n with
  | zero => rfl
  | succ n ih => rw [sum_range_succ, sum_range_succ, Nat.mul_add, ih]
/-- A factor moves into a sum from the right. -/
theorem sum_mul (n : Nat) (f : Nat → Nat) (b : Nat) : sumRange n f * b = sumRange n (fun i => f i * b) := by
  rw [Nat.mul_comm, mul_sum]; exact sum_congr (fun i _ => Nat.mul_comm b (f i))
/-- Two sums can be exchanged. -/
theorem sum_comm {f : Nat → Nat → Nat} : sumRange m (fun i => sumRange n (fun j => f i j)) = sumRange n (fun j => sumRange m (fun i => f i j)) := by
  induction m with
  | zero => exact sum_const_zero.symm
  | succ m ih => rw [sum_range_succ, ih, ← sum_add_distrib]; rfl
/-- A sum with a single term that is not zero. -/
theorem sum_ite_eq (n k : Nat) (f : Nat → Nat) : sumRange n (fun i => if i = k then f i else 0) = if k < n then f k else 0 := by
  induction n with
  | zero => rfl
  | succ n ih =>
    rw [sum_range_succ, ih]
    by_cases h : n = k
    · rw [h, if_pos rfl, if_neg (Nat.lt_irrefl k), if_pos (Nat.lt_add_one k), Nat.zero_add]
    · rw [if_neg h, Nat.add_zero]
      by_cases l : k < n
      · rw [if_pos l, if_pos (Nat.lt_trans l (Nat.lt_add_one n))]
      · rw [if_neg l, if_neg (by omega)]
/-- A sum of steps up is the difference of the ends. -/
theorem sum_range_tsub (h : ∀ i, f i ≤ f (i + 1)) (n : Nat) : sumRange n (fun i => f (i + 1) - f i) = f n - f 0 := by
  have up : ∀ n, f 0 ≤ f n := fun n => by
    induction n with
    | zero => exact Nat.le_refl _
    | succ n ih => exact Nat.le_trans ih (h n)
  induction n with
  | zero => exact (Nat.sub_self _).symm
  | succ n ih =>
    rw [sum_range_succ, ih]
    have a := up n
    have b := h n
    omega

/-! ## Order and divisibility -/
/-- A sum of larger terms is larger. -/
theorem sum_le_sum (h : ∀ i, i < n → f i ≤ g i) : sumRange n f ≤ sumRange n g := by
  induction n with
  | zero => exact Nat.le_refl 0
  | succ n ih => exact Nat.add_le_add (ih (fun i l => h i (Nat.lt_trans l (Nat.lt_add_one n)))) (h n (Nat.lt_add_one n))
/-- A sum of more terms is at least as large. -/
theorem sum_range_mono (f : Nat → Nat) (h : m ≤ n) : sumRange m f ≤ sumRange n f := by
  obtain ⟨k, rfl⟩ := Nat.le.dest h
  rw [sum_range_add]
  exact Nat.le_add_right _ _
/-- Each term is at most the sum. -/
theorem single_le_sum (f : Nat → Nat) {i : Nat} (h : i < n) : f i ≤ sumRange n f :=
  Nat.le_trans (Nat.le_add_left (f i) (sumRange i f)) (sum_range_mono f (m := i + 1) h)
/-- A sum of terms bounded by `c` is at most their number times `c`. -/
theorem sum_le_card_nsmul (n : Nat) (f : Nat → Nat) (c : Nat) (h : ∀ i, i < n → f i ≤ c) : sumRange n f ≤ n * c := sum_const n c ▸ sum_le_sum h
/-- A sum of terms of at least `c` is at least their number times `c`. -/
theorem card_nsmul_le_sum (n : Nat) (f : Nat → Nat) (c : Nat) (h : ∀ i, i < n → c ≤ f i) : n * c ≤ sumRange n f := sum_const n c ▸ sum_le_sum h
/-- A sum is zero exactly when all its terms are. -/
theorem sum_eq_zero_iff : sumRange n f = 0 ↔ ∀ i, i < n → f i = 0 :=
  ⟨fun h _ l => Nat.eq_zero_of_le_zero (h ▸ single_le_sum f l), fun h => (sum_congr h).trans sum_const_zero⟩
/-- What divides all terms divides the sum. -/
theorem dvd_sum {a : Nat} (h : ∀ i, i < n → a ∣ f i) : a ∣ sumRange n f := by
  induction n with
  | zero => exact Nat.dvd_zero a
  | succ n ih => exact Nat.dvd_add (ih (fun i l => h i (Nat.lt_trans l (Nat.lt_add_one n)))) (h n (Nat.lt_add_one n))

/-! ## Closed forms -/
/-- Gauss: twice the sum of the numbers up to `n` is `n * (n + 1)`. -/
theorem two_mul_sum_range_succ_id (n : Nat) : 2 * sumRange (n + 1) (fun i => i) = n * (n + 1) := by
  induction n with
  | zero => rfl
  | succ n ih => rw [sum_range_succ, Nat.mul_add, ih, ← Nat.add_mul, Nat.mul_comm]
/-- Twice the sum of the numbers below `n` is `n * (n - 1)`. -/
theorem sum_range_id_mul_two (n : Nat) : sumRange n (fun i => i) * 2 = n * (n - 1) := by
  cases n with
  | zero => rfl
  | succ n => rw [Nat.mul_comm, two_mul_sum_range_succ_id, Nat.add_one_sub_one, Nat.mul_comm]
/-- The sum of the first `n` odd numbers is the square of `n`. -/
theorem sum_range_odd (n : Nat) : sumRange n (fun i => 2 * i + 1) = n ^ 2 := by
  induction n with
  | zero => rfl
  | succ n ih => rw [sum_range_succ, ih, Nat.pow_two, Nat.pow_two, Nat.add_mul_add]; omega
/-- Six times the sum of the squares up to `n` is `n * (n + 1) * (2 * n + 1)`. -/
theorem six_mul_sum_range_succ_sq (n : Nat) : 6 * sumRange (n + 1) (fun i => i ^ 2) = n * (n + 1) * (2 * n + 1) := by
  induction n with
  | zero => rfl
  | succ n ih =>
    rw [sum_range_succ, Nat.mul_add, ih]
    simp only [Nat.pow_two, Nat.mul_add, Nat.add_mul, Nat.mul_comm n 2, Nat.mul_left_comm n 2, Nat.mul_assoc, Nat.mul_one, Nat.one_mul]
    omega
/-- The sum of the cubes up to `n` is the square of the sum of the numbers up to `n` (Nicomachus). -/
theorem sum_range_succ_cube (n : Nat) : sumRange (n + 1) (fun i => i ^ 3) = sumRange (n + 1) (fun i => i) ^ 2 := by
  induction n with
  | zero => rfl
  | succ n ih =>
    have g := two_mul_sum_range_succ_id n
    rw [sum_range_succ, ih, sum_range_succ (fun i => i) (n + 1), Nat.add_pow_two, ← Nat.mul_assoc, g, Nat.add_assoc]
    refine congrArg _ ?_
    show (n + 1) ^ 3 = _
    rw [Nat.pow_succ, Nat.pow_two]
    simp only [Nat.mul_add, Nat.add_mul, Nat.mul_assoc, Nat.mul_one, Nat.one_mul]
/-- A geometric sum: `x` times the sum of the first `n` powers of `x + 1`, plus one, is the next power. -/
theorem geom_sum_mul_add (x n : Nat) : sumRange n (fun i => (x + 1) ^ i) * x + 1 = (x + 1) ^ n := by
  induction n with
  | zero => rw [sum_range_zero, Nat.zero_mul]; rfl
  | succ n ih => rw [sum_range_succ, Nat.add_mul, Nat.add_right_comm, ih, Nat.pow_succ, Nat.mul_add, Nat.mul_one, Nat.add_comm]
/-- The sum of the first `n` powers of two, plus one, is the next power. -/
theorem sum_range_two_pow (n : Nat) : sumRange n (fun i => 2 ^ i) + 1 = 2 ^ n := by have h := geom_sum_mul_add 1 n; rw [Nat.mul_one] at h; exact h
end Finset

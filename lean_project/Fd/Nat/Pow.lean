prelude
import Fd.Nat.Sub
/-! Natural numbers: powers. -/
set_option autoImplicit false
namespace Nat
/-- Every number to the power zero is one. -/
@[simp] protected theorem pow_zero (b : Nat) : b ^ 0 = 1 := rfl
/-- One more in the exponent multiplies once more. -/
protected theorem pow_succ (b n : Nat) : b ^ (n + 1) = b ^ n * b := rfl
/-- One more in the exponent multiplies once more, on the left. -/
protected theorem pow_succ' (m n : Nat) : m ^ (n + 1) = m * m ^ n := by rw [Nat.pow_succ, Nat.mul_comm]
/-- Every number to the power one is itself. -/
@[simp] protected theorem pow_one (a : Nat) : a ^ 1 = a := by rw [Nat.pow_succ, Nat.pow_zero, Nat.one_mul]
/-- A number to the power two is its product with itself. -/
protected theorem pow_two (a : Nat) : a ^ 2 = a * a := by rw [Nat.pow_succ, Nat.pow_one]
/-- One to any power is one. -/
@[simp] protected theorem one_pow (n : Nat) : 1 ^ n = 1 := by
  induction n with
  | zero => rfl
  | succ n ih => rw [Nat.pow_succ, ih]
/-- Zero to a positive power is zero. -/
protected theorem zero_pow {n : Nat} (h : 0 < n) : 0 ^ n = 0 := by
  cases n with
  | zero => exact absurd h (Nat.lt_irrefl 0)
  | succ n => rfl
/-- Exponents add. -/
protected theorem pow_add (a m n : Nat) : a ^ (m + n) = a ^ m * a ^ n := by
  induction n with
  | zero => rw [Nat.add_zero, Nat.pow_zero, Nat.mul_one]
  | succ n ih => rw [← Nat.add_assoc, Nat.pow_succ, Nat.pow_succ, ih, Nat.mul_assoc]
/-- Exponents multiply. -/
protected theorem pow_mul (a m n : Nat) : a ^ (m * n) = (a ^ m) ^ n := by
  induction n with
  | zero => rfl
  | succ n ih => rw [mul_add_one, Nat.pow_add, ih, Nat.pow_succ]
/-- A power of a product is the product of the powers. -/
protected theorem mul_pow (a b n : Nat) : (a * b) ^ n = a ^ n * b ^ n := by
  induction n with
  | zero => rfl
  | succ n ih => rw [Nat.pow_succ, Nat.pow_succ, Nat.pow_succ, ih, Nat.mul_mul_mul_comm]
/-- Two powers in a row can be exchanged. -/
protected theorem pow_right_comm (a m n : Nat) : (a ^ m) ^ n = (a ^ n) ^ m := by rw [← Nat.pow_mul, ← Nat.pow_mul, Nat.mul_comm]
/-- A power of a positive number is positive. -/
protected theorem pow_pos {p n : Nat} (h : 0 < p) : 0 < p ^ n := by
  induction n with
  | zero => exact zero_lt_one
  | succ n ih => rw [Nat.pow_succ]; exact Nat.mul_pos ih h
/-- Powers grow with the base. -/
protected theorem pow_le_pow_left {m n : Nat} (h : m ≤ n) (i : Nat) : m ^ i ≤ n ^ i := by
  induction i with
  | zero => exact Nat.le_refl 1
  | succ i ih => rw [Nat.pow_succ, Nat.pow_succ]; exact Nat.mul_le_mul ih h
/-- Powers of a positive base grow with the exponent. -/
protected theorem pow_le_pow_right {n m k : Nat} (hn : 0 < n) (h : m ≤ k) : n ^ m ≤ n ^ k := by
  obtain ⟨j, e⟩ := le.dest h
  rw [← e, Nat.pow_add]
  exact Nat.le_mul_of_pos_right _ (Nat.pow_pos hn)
/-- An exponent is less than its power of two. -/
theorem lt_two_pow_self (n : Nat) : n < 2 ^ n := by
  induction n with
  | zero => exact zero_lt_one
  | succ n ih => rw [Nat.pow_succ, Nat.mul_two]; exact Nat.add_lt_add_of_lt_of_le ih (Nat.pow_pos (zero_lt_succ 1))
/-- The square of a sum. -/
protected theorem add_pow_two (a b : Nat) : (a + b) ^ 2 = a ^ 2 + 2 * (a * b) + b ^ 2 := by
  rw [Nat.pow_two, Nat.pow_two, Nat.pow_two, Nat.add_mul_add, Nat.two_mul, Nat.mul_comm b a, Nat.add_assoc, Nat.add_assoc, Nat.add_assoc]
end Nat

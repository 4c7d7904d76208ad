prelude
import Fd.Nat.Dvd
/-! Natural numbers: greatest common divisor. -/
set_option autoImplicit false
namespace Nat
theorem gcd.go_dvd (f m n : Nat) (h : m ≤ f) : gcd.go f m n ∣ m ∧ gcd.go f m n ∣ n := by
  induction f generalizing m n with
  | zero => rw [eq_zero_of_le_zero h]; exact ⟨Nat.dvd_zero n, Nat.dvd_refl n⟩
  | succ f ih => cases m with
    | zero => exact ⟨Nat.dvd_zero n, Nat.dvd_refl n⟩
    | succ k =>
      have t := ih (n % (k + 1)) (k + 1) (Nat.le_trans (le_of_lt_succ (mod_lt n (zero_lt_succ k))) (le_of_succ_le_succ h))
      have d := Nat.dvd_add (Nat.dvd_mul_right_of_dvd t.2 (n / (k + 1))) t.1
      rw [div_add_mod] at d
      exact ⟨t.2, d⟩
theorem gcd.go_of_dvd (k f m n : Nat) (h : m ≤ f) (hm : k ∣ m) (hn : k ∣ n) : k ∣ gcd.go f m n := by
  induction f generalizing m n with
  | zero => exact hn
  | succ f ih => cases m with
    | zero => exact hn
    | succ j =>
      refine ih (n % (j + 1)) (j + 1) (Nat.le_trans (le_of_lt_succ (mod_lt n (zero_lt_succ j))) (le_of_succ_le_succ h)) ?_ hm
      exact Nat.dvd_of_dvd_add_right (by rw [div_add_mod]; exact hn) (Nat.dvd_mul_right_of_dvd hm (n / (j + 1)))
/-- The greatest common divisor divides the first number. -/
theorem gcd_dvd_left (m n : Nat) : gcd m n ∣ m := (gcd.go_dvd m m n (Nat.le_refl m)).1
/-- The greatest common divisor divides the second number. -/
theorem gcd_dvd_right (m n : Nat) : gcd m n ∣ n := (gcd.go_dvd m m n (Nat.le_refl m)).2
/-- A common divisor divides the greatest common divisor. -/
theorem dvd_gcd {k m n : Nat} (hm : k ∣ m) (hn : k ∣ n) : k ∣ gcd m n := gcd.go_of_dvd k m m n (Nat.le_refl m) hm hn
/-- The divisors of the greatest common divisor are the common divisors. -/
theorem dvd_gcd_iff {k m n : Nat} : k ∣ gcd m n ↔ k ∣ m ∧ k ∣ n :=
  ⟨fun h => ⟨Nat.dvd_trans h (gcd_dvd_left m n), Nat.dvd_trans h (gcd_dvd_right m n)⟩, fun h => dvd_gcd h.1 h.2⟩
/-- The greatest common divisor does not depend on the order. -/
theorem gcd_comm (m n : Nat) : gcd m n = gcd n m :=
  dvd_antisymm (dvd_gcd (gcd_dvd_right m n) (gcd_dvd_left m n)) (dvd_gcd (gcd_dvd_right n m) (gcd_dvd_left n m))
/-- The greatest common divisor of three numbers does not depend on the grouping. -/
theorem gcd_assoc (m n k : Nat) : gcd (gcd m n) k = gcd m (gcd n k) :=
  dvd_antisymm
    (dvd_gcd (Nat.dvd_trans (gcd_dvd_left _ k) (gcd_dvd_left m n)) (dvd_gcd (Nat.dvd_trans (gcd_dvd_left _ k) (gcd_dvd_right m n)) (gcd_dvd_right _ k)))
    (dvd_gcd (dvd_gcd (gcd_dvd_left m _) (Nat.dvd_trans (gcd_dvd_right m _) (gcd_dvd_left n k))) (Nat.dvd_trans (gcd_dvd_right m _) (gcd_dvd_right n k)))
/-- Zero on the left drops out of a greatest common divisor. -/
@[simp] theorem gcd_zero_left (n : Nat) : gcd 0 n = n := rfl
/-- Zero on the right drops out of a greatest common divisor. -/
@[simp] theorem gcd_zero_right (n : Nat) : gcd n 0 = n := gcd_comm n 0
/-- The greatest common divisor of a number and itself. -/
@[simp] theorem gcd_self (n : Nat) : gcd n n = n := dvd_antisymm (gcd_dvd_left n n) (dvd_gcd (Nat.dvd_refl n) (Nat.dvd_refl n))
/-- The greatest common divisor with one is one. -/
@[simp] theorem gcd_one_left (n : Nat) : gcd 1 n = 1 := eq_one_of_dvd_one (gcd_dvd_left 1 n)
/-- The greatest common divisor with one is one. -/
@[simp] theorem gcd_one_right (n : Nat) : gcd n 1 = 1 := eq_one_of_dvd_one (gcd_dvd_right n 1)
/-- The greatest common divisor is zero only for two zeros. -/
theorem gcd_eq_zero_iff {m n : Nat} : gcd m n = 0 ↔ m = 0 ∧ n = 0 := by
  constructor
  · intro h
    have l := gcd_dvd_left m n
    have r := gcd_dvd_right m n
    rw [h] at l r
    exact ⟨eq_zero_of_zero_dvd l, eq_zero_of_zero_dvd r⟩
  · rintro ⟨rfl, rfl⟩; rfl
/-- The greatest common divisor with a positive number is positive. -/
theorem gcd_pos_of_pos_left {m : Nat} (n : Nat) (h : 0 < m) : 0 < gcd m n := pos_of_ne_zero (fun e => ne_zero_of_lt h (gcd_eq_zero_iff.1 e).1)
/-- A divisor is the greatest common divisor with its multiple. -/
theorem gcd_eq_left {m n : Nat} (h : m ∣ n) : gcd m n = m := dvd_antisymm (gcd_dvd_left m n) (dvd_gcd (Nat.dvd_refl m) h)
/-- A divisor is the greatest common divisor with its multiple. -/
theorem gcd_eq_right {m n : Nat} (h : n ∣ m) : gcd m n = n := (gcd_comm m n).trans (gcd_eq_left h)
/-- Adding a multiple of the first number to the second changes nothing. -/
theorem gcd_add_mul_left_right (m n k : Nat) : gcd m (n + m * k) = gcd m n := by
  have d (g : Nat) (h : g ∣ m) : g ∣ n + m * k ↔ g ∣ n := by rw [Nat.add_comm]; exact Nat.dvd_add_right (Nat.dvd_mul_right_of_dvd h k)
  exact dvd_antisymm (dvd_gcd (gcd_dvd_left _ _) ((d _ (gcd_dvd_left _ _)).1 (gcd_dvd_right m (n + m * k))))
    (dvd_gcd (gcd_dvd_left m n) ((d _ (gcd_dvd_left m n)).2 (gcd_dvd_right m n)))
end Nat

prelude
import Fd.Int.Order
/-! Integers: quotient, remainder, divisibility. The remainder is never negative. -/
set_option autoImplicit false
namespace Int
theorem subNatNat_eq_sub (m n : Nat) : subNatNat m n = (m : Int) - n := by
  show _ = ofNat m - ofNat n
  rw [← subNatNat_zero m, ← subNatNat_zero n, subNatNat_sub_subNatNat, Nat.zero_add, Nat.add_zero]

/-! ## Quotient and remainder -/
/-- Dividing by zero gives zero. -/
@[simp] protected theorem ediv_zero (a : Int) : a / 0 = 0 := by
  cases a with
  | ofNat m => exact congrArg ofNat (Nat.div_zero m)
  | negSucc m => rfl
/-- The quotient of two casts. -/
@[simp, norm_cast] theorem natCast_ediv (m n : Nat) : ((m / n : Nat) : Int) = m / n := rfl
/-- The remainder of two casts. -/
@[simp, norm_cast] theorem natCast_emod (m n : Nat) : ((m % n : Nat) : Int) = m % n := rfl
/-- Negating the divisor negates the quotient. -/
@[simp] protected theorem ediv_neg (a b : Int) : a / -b = -(a / b) := by
  cases a with
  | ofNat m => cases b with
    | ofNat n => cases n with
      | zero => show (ofNat m : Int) / 0 = -(ofNat m / 0); rw [Int.ediv_zero]; rfl
      | succ n => rfl
    | negSucc n => exact (Int.neg_neg _).symm
  | negSucc m => cases b with
    | ofNat n => cases n <;> rfl
    | negSucc n => rfl
/-- Divisor times quotient plus remainder is the number. -/
protected theorem mul_ediv_add_emod (a b : Int) : b * (a / b) + a % b = a := by
  cases a with
  | ofNat m => cases b with
    | ofNat n => exact congrArg ofNat (Nat.div_add_mod m n)
    | negSucc n =>
      show -(ofNat (n + 1)) * -(ofNat (m / (n + 1))) + ofNat (m % (n + 1)) = _
      rw [Int.neg_mul_neg]; exact congrArg ofNat (Nat.div_add_mod m (n + 1))
  | negSucc m =>
    have key (n : Nat) : -((n : Int) * (↑(m / n) + 1)) + subNatNat n (m % n + 1) = negSucc m := by
      rw [subNatNat_eq_sub, Int.mul_add, Int.mul_one, Int.neg_add, Int.add_assoc, Int.sub_eq_add_neg, Int.neg_add_cancel_left, ← natCast_mul, ← Int.neg_add, negSucc_eq]
      exact congrArg (fun k : Nat => -(k : Int)) (congrArg Nat.succ (Nat.div_add_mod m n))
    cases b with
    | ofNat n => cases n with
      | zero =>
        show 0 * 0 + subNatNat 0 (m % 0 + 1) = _
        rw [Nat.mod_zero]; rfl
      | succ n => exact (congrArg (· + _) (Int.mul_neg (ofNat (n + 1)) (ofNat (m / (n + 1) + 1)))).trans (key (n + 1))
    | negSucc n => exact (congrArg (· + _) (Int.neg_mul (ofNat (n + 1)) (ofNat (m / (n + 1) + 1)))).trans (key (n + 1))
/-- Remainder plus divisor times quotient is the number. -/
protected theorem emod_add_mul_ediv (a b : Int) : a % b + b * (a / b) = a := by rw [Int.add_comm]; exact Int.mul_ediv_add_emod a b
/-- The remainder is what divisor times quotient leaves. -/
protected theorem emod_def (a b : Int) : a % b = a - b * (a / b) := (Int.sub_eq_iff_eq_add.2 (Int.emod_add_mul_ediv a b).symm).symm
/-- A remainder by a number that is not zero is at least zero. -/
protected theorem emod_nonneg (a : Int) {b : Int} (h : b ≠ 0) : 0 ≤ a % b := by
  cases a with
  | ofNat m => exact natCast_nonneg (m % natAbs b)
  | negSucc m =>
    show 0 ≤ subNatNat (natAbs b) (m % natAbs b + 1)
    rw [subNatNat_eq_sub]
    exact Int.sub_nonneg_of_le (ofNat_le.2 (Nat.mod_lt m (Nat.pos_of_ne_zero (fun e => h (natAbs_eq_zero.1 e)))))
/-- A remainder by a positive number is less than it. -/
protected theorem emod_lt_of_pos (a : Int) {b : Int} (h : 0 < b) : a % b < b := by
  obtain ⟨n, rfl⟩ := eq_natCast_of_zero_le (Int.le_of_lt h)
  have hn : 0 < n := ofNat_lt.1 h
  cases a with
  | ofNat m => exact ofNat_lt.2 (Nat.mod_lt m hn)
  | negSucc m =>
    show subNatNat n (m % n + 1) < n
    rw [subNatNat_eq_sub]
    show (n : Int) - ↑(m % n + 1) + 1 ≤ n
    rw [natCast_add, natCast_one, ← Int.sub_sub, Int.sub_add_cancel, Int.sub_le_iff_le_add]
    exact le_add_natCast _ _
/-- Divisor times quotient is at most the number. -/
theorem mul_ediv_self_le {x k : Int} (h : k ≠ 0) : k * (x / k) ≤ x :=
  Int.le_of_sub_nonneg (by rw [← Int.emod_def]; exact Int.emod_nonneg x h)
/-- The number is less than the next multiple of a positive divisor. -/
theorem lt_mul_ediv_self_add {x k : Int} (h : 0 < k) : x < k * (x / k) + k := by
  have l := Int.add_lt_add_left (Int.emod_lt_of_pos x h) (k * (x / k))
  rw [Int.mul_ediv_add_emod] at l
  exact l
/-- A quotient is at least what times the positive divisor is at most the number. -/
protected theorem le_ediv_of_mul_le {a b c : Int} (hc : 0 < c) (h : c * a ≤ b) : a ≤ b / c := by
  refine lt_add_one_iff.1 (Int.not_le.1 (fun k => ?_))
  have l := Int.lt_of_le_of_lt h (lt_mul_ediv_self_add hc)
  have m := Int.mul_le_mul_of_nonneg_left k (Int.le_of_lt hc)
  rw [Int.mul_add, Int.mul_one] at m
  exact Int.lt_irrefl _ (Int.lt_of_lt_of_le l m)
/-- A multiple divided by its factor. -/
@[simp] protected theorem mul_ediv_cancel_left (b : Int) {a : Int} (h : a ≠ 0) : a * b / a = b := by
  have pos : ∀ {c : Int}, 0 < c → ∀ d : Int, c * d / c = d := fun {c} hc d => by
    refine Int.le_antisymm (lt_add_one_iff.1 (Int.not_le.1 (fun k => ?_))) (Int.le_ediv_of_mul_le hc (Int.le_refl _))
    have m := Int.mul_le_mul_of_nonneg_left k (Int.le_of_lt hc)
    have l := Int.le_trans m (mul_ediv_self_le (Int.ne_of_gt hc))
    exact Int.not_lt.2 (Int.le_of_mul_le_mul_left l hc) (Int.lt_add_one d)
  rcases Int.lt_or_gt_of_ne h with k | k
  · have e := pos (Int.neg_lt_neg k) (-b)
    rw [Int.neg_mul_neg, Int.ediv_neg] at e
    exact Int.neg_inj.1 e
  · exact pos k b
/-- A multiple divided by its right factor. -/
@[simp] protected theorem mul_ediv_cancel (a : Int) {b : Int} (h : b ≠ 0) : a * b / b = a := by rw [Int.mul_comm]; exact Int.mul_ediv_cancel_left a h

/-! ## Divisibility -/
/-- Every number divides itself. -/
@[simp, refl] protected theorem dvd_refl (a : Int) : a ∣ a := ⟨1, (Int.mul_one a).symm⟩
/-- Divisibility is transitive. -/
protected theorem dvd_trans {a b c : Int} (h₁ : a ∣ b) (h₂ : b ∣ c) : a ∣ c := by
  obtain ⟨d, rfl⟩ := h₁; obtain ⟨e, rfl⟩ := h₂
  exact ⟨d * e, Int.mul_assoc a d e⟩
instance instTransDvd : Trans (α := Int) (β := Int) (γ := Int) Dvd.dvd Dvd.dvd Dvd.dvd := ⟨Int.dvd_trans⟩
/-- Everything divides zero. -/
@[simp] protected theorem dvd_zero (a : Int) : a ∣ 0 := ⟨0, (Int.mul_zero a).symm⟩
/-- One divides everything. -/
@[simp] protected theorem one_dvd (a : Int) : 1 ∣ a := ⟨a, (Int.one_mul a).symm⟩
/-- Zero divides exactly zero. -/
@[simp] protected theorem zero_dvd {a : Int} : 0 ∣ a ↔ a = 0 := ⟨fun ⟨c, e⟩ => by rw [e, Int.zero_mul], fun h => h ▸ Int.dvd_refl 0⟩
/-- A number divides its product with another on the right. -/
@[simp] protected theorem dvd_mul_right (a b : Int) : a ∣ a * b := ⟨b, rfl⟩
/-- A number divides its product with another on the left. -/
@[simp] protected theorem dvd_mul_left (a b : Int) : a ∣ b * a := ⟨b, Int.mul_comm b a⟩
/-- A divisor of two numbers divides their sum. -/
protected theorem dvd_add {a b c : Int} (h₁ : a ∣ b) (h₂ : a ∣ c) : a ∣ b + c := by
  obtain ⟨d, rfl⟩ := h₁; obtain ⟨e, rfl⟩ := h₂
  exact ⟨d + e, (Int.mul_add a d e).symm⟩
/-- A divisor of two numbers divides their difference. -/
protected theorem dvd_sub {a b c : Int} (h₁ : a ∣ b) (h₂ : a ∣ c) : a ∣ b - c := by
  obtain ⟨d, rfl⟩ := h₁; obtain ⟨e, rfl⟩ := h₂
  exact ⟨d - e, (Int.mul_sub a d e).symm⟩
/-- A number divides a negative exactly when it divides the number. -/
@[simp] protected theorem dvd_neg {a b : Int} : a ∣ -b ↔ a ∣ b :=
  ⟨fun ⟨c, e⟩ => ⟨-c, by rw [Int.mul_neg, ← e, Int.neg_neg]⟩, fun ⟨c, e⟩ => ⟨-c, by rw [Int.mul_neg, ← e]⟩⟩
/-- A negative divides exactly what the number divides. -/
@[simp] protected theorem neg_dvd {a b : Int} : -a ∣ b ↔ a ∣ b :=
  ⟨fun ⟨c, e⟩ => ⟨-c, by rw [e, Int.neg_mul, Int.mul_neg]⟩, fun ⟨c, e⟩ => ⟨-c, by rw [Int.neg_mul_neg, ← e]⟩⟩
/-- A divisor of a factor divides the product. -/
protected theorem dvd_mul_of_dvd_left {a b : Int} (h : a ∣ b) (c : Int) : a ∣ b * c := Int.dvd_trans h (Int.dvd_mul_right b c)
/-- A divisor of the right factor divides the product. -/
protected theorem dvd_mul_of_dvd_right {a b : Int} (h : a ∣ b) (c : Int) : a ∣ c * b := Int.dvd_trans h (Int.dvd_mul_left b c)
/-- Casts divide each other exactly when the numbers do. -/
@[norm_cast] theorem natCast_dvd_natCast {m n : Nat} : (m : Int) ∣ n ↔ m ∣ n :=
  ⟨fun ⟨c, e⟩ => ⟨natAbs c, by have k := congrArg natAbs e; rw [natAbs_mul] at k; exact k⟩, fun ⟨c, e⟩ => ⟨c, by rw [e]; rfl⟩⟩
/-- A natural number divides an integer exactly when it divides its distance from zero. -/
theorem natCast_dvd {m : Nat} {a : Int} : (m : Int) ∣ a ↔ m ∣ natAbs a := by
  rcases natAbs_eq a with h | h <;> rw [h]
  · exact natCast_dvd_natCast
  · rw [Int.dvd_neg, natAbs_neg]; exact natCast_dvd_natCast
/-- Divisible means remainder zero. -/
theorem emod_eq_zero_of_dvd {a b : Int} (h : a ∣ b) : b % a = 0 := by
  obtain ⟨c, rfl⟩ := h
  by_cases z : a = 0
  · rw [z, Int.zero_mul]; rfl
  · rw [Int.emod_def, Int.mul_ediv_cancel_left c z, Int.sub_self]
/-- Remainder zero means divisible. -/
theorem dvd_of_emod_eq_zero {a b : Int} (h : b % a = 0) : a ∣ b := ⟨b / a, by have e := Int.mul_ediv_add_emod b a; rw [h, Int.add_zero] at e; exact e.symm⟩
/-- Divisible exactly when the remainder is zero. -/
theorem dvd_iff_emod_eq_zero {a b : Int} : a ∣ b ↔ b % a = 0 := ⟨emod_eq_zero_of_dvd, dvd_of_emod_eq_zero⟩
instance decidable_dvd (a b : Int) : Decidable (a ∣ b) := decidable_of_iff (b % a = 0) dvd_iff_emod_eq_zero.symm
/-- The divisor times the quotient is the number, if it divides it. -/
protected theorem mul_ediv_cancel' {a b : Int} (h : a ∣ b) : a * (b / a) = b := by have e := Int.mul_ediv_add_emod b a; rw [emod_eq_zero_of_dvd h, Int.add_zero] at e; exact e
/-- A number has remainder zero by itself. -/
@[simp] theorem emod_self (a : Int) : a % a = 0 := emod_eq_zero_of_dvd (Int.dvd_refl a)
/-- A number that is at least zero and less than the divisor is its own remainder. -/
theorem emod_eq_of_lt {a b : Int} (h₁ : 0 ≤ a) (h₂ : a < b) : a % b = a := by
  obtain ⟨m, rfl⟩ := eq_natCast_of_zero_le h₁; obtain ⟨n, rfl⟩ := eq_natCast_of_zero_le (Int.le_of_lt (Int.lt_of_le_of_lt h₁ h₂))
  rw [← natCast_emod, Nat.mod_eq_of_lt (ofNat_lt.1 h₂)]
end Int

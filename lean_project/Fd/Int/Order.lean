prelude
import Fd.Int.Basic
/-! Integers: `≤` and `<`, minimum and maximum. -/
set_option autoImplicit false
namespace Int
theorem nonneg_subNatNat {m n : Nat} : NonNeg (subNatNat m n) ↔ n ≤ m := by
  rcases subNatNat_cases m n with ⟨i, rfl⟩ | ⟨i, rfl⟩
  · rw [subNatNat_add_left]; exact ⟨fun _ => Nat.le_add_right n i, fun _ => .mk i⟩
  · rw [subNatNat_add_right]; exact ⟨nofun, fun h => absurd (Nat.le_of_add_right_le (k := i) (by rw [Nat.add_right_comm]; exact h)) (Nat.not_succ_le_self m)⟩
theorem subNatNat_le_subNatNat {a b c d : Nat} : subNatNat a b ≤ subNatNat c d ↔ a + d ≤ c + b := by
  show NonNeg (subNatNat c d - subNatNat a b) ↔ _
  rw [subNatNat_sub_subNatNat, nonneg_subNatNat, Nat.add_comm d]

/-! ## The order -/
/-- A number at least `a` is `a` plus a natural number. -/
theorem le.dest {a b : Int} (h : a ≤ b) : ∃ n : Nat, a + n = b := by
  have h : NonNeg (b - a) := h
  cases e : b - a with
  | ofNat n => exact ⟨n, by rw [Int.add_comm, ← ofNat_eq_natCast, ← e, Int.sub_add_cancel]⟩
  | negSucc n => rw [e] at h; exact nomatch h
/-- Adding a natural number makes nothing smaller. -/
theorem le_add_natCast (a : Int) (n : Nat) : a ≤ a + n := by
  show NonNeg (a + n - a)
  rw [Int.add_sub_cancel_left]
  exact .mk n
/-- What is `a` plus a natural number is at least `a`. -/
theorem le.intro {a b : Int} (n : Nat) (h : a + n = b) : a ≤ b := h ▸ le_add_natCast a n
/-- Every number is at most itself. -/
@[simp, refl] protected theorem le_refl (a : Int) : a ≤ a := le.intro 0 (Int.add_zero a)
/-- Every number is at most itself. -/
protected theorem le_rfl {a : Int} : a ≤ a := Int.le_refl a
/-- Equal numbers are at most each other. -/
protected theorem le_of_eq {a b : Int} (h : a = b) : a ≤ b := h ▸ Int.le_refl a
/-- `≤` is transitive. -/
protected theorem le_trans {a b c : Int} (h₁ : a ≤ b) (h₂ : b ≤ c) : a ≤ c := by
  obtain ⟨m, rfl⟩ := le.dest h₁; obtain ⟨n, rfl⟩ := le.dest h₂
  exact le.intro (m + n) (Int.add_assoc a m n).symm
/-- `≤` in both directions is equality. -/
protected theorem le_antisymm {a b : Int} (h₁ : a ≤ b) (h₂ : b ≤ a) : a = b := by
  obtain ⟨m, rfl⟩ := le.dest h₁; obtain ⟨n, e⟩ := le.dest h₂
  rw [Int.add_assoc, ← natCast_add] at e
  have z := natCast_eq_zero.1 (Int.add_left_cancel (e.trans (Int.add_zero a).symm))
  rw [Nat.eq_zero_of_add_eq_zero_right z, natCast_zero, Int.add_zero]
/-- Of two numbers one is at most the other. -/
protected theorem le_total (a b : Int) : a ≤ b ∨ b ≤ a := by
  obtain ⟨i, j, rfl⟩ := exists_subNatNat a; obtain ⟨k, l, rfl⟩ := exists_subNatNat b
  rw [subNatNat_le_subNatNat, subNatNat_le_subNatNat]
  exact Nat.le_total _ _
/-- Casts keep the order. -/
@[simp, norm_cast] theorem ofNat_le {m n : Nat} : (m : Int) ≤ n ↔ m ≤ n := by
  show ofNat m ≤ ofNat n ↔ _
  rw [← subNatNat_zero, ← subNatNat_zero, subNatNat_le_subNatNat]
  exact Iff.rfl
/-- A natural number is at least zero. -/
@[simp] theorem natCast_nonneg (n : Nat) : (0 : Int) ≤ n := ofNat_le.2 (Nat.zero_le n)
/-- A number that is at least zero is a natural number. -/
theorem eq_natCast_of_zero_le {a : Int} (h : 0 ≤ a) : ∃ n : Nat, a = n := by
  obtain ⟨n, e⟩ := le.dest h
  exact ⟨n, by rw [← e, Int.zero_add]⟩
/-- `a < b` means `a + 1 ≤ b`. -/
theorem lt_iff_add_one_le {a b : Int} : a < b ↔ a + 1 ≤ b := Iff.rfl
/-- A smaller number plus one is at most the larger. -/
theorem add_one_le_of_lt {a b : Int} (h : a < b) : a + 1 ≤ b := h
/-- If a number plus one is at most another, it is smaller. -/
theorem lt_of_add_one_le {a b : Int} (h : a + 1 ≤ b) : a < b := h
/-- Casts keep the strict order. -/
@[simp, norm_cast] theorem ofNat_lt {m n : Nat} : (m : Int) < n ↔ m < n := ofNat_le (m := m + 1)

/-! ## Order and addition -/
/-- Add the same number on the left of `≤`. -/
protected theorem add_le_add_left {a b : Int} (h : a ≤ b) (c : Int) : c + a ≤ c + b := by
  obtain ⟨n, rfl⟩ := le.dest h
  exact le.intro n (Int.add_assoc c a n)
/-- Add the same number on the right of `≤`. -/
protected theorem add_le_add_right {a b : Int} (h : a ≤ b) (c : Int) : a + c ≤ b + c := by rw [Int.add_comm a, Int.add_comm b]; exact Int.add_le_add_left h c
/-- Add two `≤`. -/
protected theorem add_le_add {a b c d : Int} (h₁ : a ≤ b) (h₂ : c ≤ d) : a + c ≤ b + d := Int.le_trans (Int.add_le_add_right h₁ c) (Int.add_le_add_left h₂ b)
/-- Cancel a left summand in `≤`. -/
protected theorem le_of_add_le_add_left {a b c : Int} (h : a + b ≤ a + c) : b ≤ c := by
  have k := Int.add_le_add_left h (-a)
  rw [Int.neg_add_cancel_left, Int.neg_add_cancel_left] at k
  exact k
/-- Cancel a right summand in `≤`. -/
protected theorem le_of_add_le_add_right {a b c : Int} (h : a + b ≤ c + b) : a ≤ c := Int.le_of_add_le_add_left (a := b) (by rw [Int.add_comm b, Int.add_comm b]; exact h)
/-- `≤` is not changed by a common left summand. -/
@[simp] protected theorem add_le_add_iff_left {b c : Int} (a : Int) : a + b ≤ a + c ↔ b ≤ c := ⟨Int.le_of_add_le_add_left, fun h => Int.add_le_add_left h a⟩
/-- `≤` is not changed by a common right summand. -/
@[simp] protected theorem add_le_add_iff_right {a b : Int} (c : Int) : a + c ≤ b + c ↔ a ≤ b := ⟨Int.le_of_add_le_add_right, fun h => Int.add_le_add_right h c⟩
/-- Add the same number on the left of `<`. -/
protected theorem add_lt_add_left {a b : Int} (h : a < b) (c : Int) : c + a < c + b := by
  show c + a + 1 ≤ c + b
  rw [Int.add_assoc]; exact Int.add_le_add_left h c
/-- Add the same number on the right of `<`. -/
protected theorem add_lt_add_right {a b : Int} (h : a < b) (c : Int) : a + c < b + c := by rw [Int.add_comm a, Int.add_comm b]; exact Int.add_lt_add_left h c
/-- A difference is at least zero exactly when no more is taken away. -/
protected theorem sub_nonneg {a b : Int} : 0 ≤ a - b ↔ b ≤ a := by
  rw [← Int.add_le_add_iff_right b, Int.zero_add, Int.sub_add_cancel]
/-- Taking away no more leaves at least zero. -/
protected theorem sub_nonneg_of_le {a b : Int} (h : b ≤ a) : 0 ≤ a - b := Int.sub_nonneg.2 h
/-- If at least zero is left, no more was taken away. -/
protected theorem le_of_sub_nonneg {a b : Int} (h : 0 ≤ a - b) : b ≤ a := Int.sub_nonneg.1 h
/-- Negating turns `≤` round. -/
protected theorem neg_le_neg {a b : Int} (h : a ≤ b) : -b ≤ -a := Int.le_of_sub_nonneg (by
  rw [Int.sub_neg, Int.add_comm]; exact Int.sub_nonneg_of_le h)
/-- `≤` between negatives is `≥` between the numbers. -/
@[simp] protected theorem neg_le_neg_iff {a b : Int} : -a ≤ -b ↔ b ≤ a := ⟨fun h => by have k := Int.neg_le_neg h; rw [Int.neg_neg, Int.neg_neg] at k; exact k, Int.neg_le_neg⟩
/-- The negative of a number at least zero is at most zero. -/
protected theorem neg_nonpos_of_nonneg {a : Int} (h : 0 ≤ a) : -a ≤ 0 := Int.neg_le_neg h
/-- The negative of a number at most zero is at least zero. -/
protected theorem neg_nonneg_of_nonpos {a : Int} (h : a ≤ 0) : 0 ≤ -a := Int.neg_le_neg h
/-- A difference grows with its first part. -/
protected theorem sub_le_sub_right {a b : Int} (h : a ≤ b) (c : Int) : a - c ≤ b - c := Int.add_le_add_right h (-c)
/-- A difference shrinks when more is taken away. -/
protected theorem sub_le_sub_left {a b : Int} (h : a ≤ b) (c : Int) : c - b ≤ c - a := Int.add_le_add_left (Int.neg_le_neg h) c
/-- A summand moves to the other side of `≤` as a difference. -/
protected theorem le_sub_iff_add_le {a b c : Int} : a ≤ b - c ↔ a + c ≤ b := by rw [← Int.add_le_add_iff_right c, Int.sub_add_cancel]
/-- A difference moves to the other side of `≤` as a summand. -/
protected theorem sub_le_iff_le_add {a b c : Int} : a - c ≤ b ↔ a ≤ b + c := by rw [← Int.add_le_add_iff_right c, Int.sub_add_cancel]
/-- A sum of numbers that are at least zero is at least zero. -/
protected theorem add_nonneg {a b : Int} (ha : 0 ≤ a) (hb : 0 ≤ b) : 0 ≤ a + b := Int.add_le_add ha hb

/-! ## Strictly less -/
/-- Nothing is less than itself. -/
@[simp] protected theorem lt_irrefl (a : Int) : ¬(a < a) := fun h => by
  have k : a + 1 ≤ a + 0 := by rw [Int.add_zero]; exact h
  exact Nat.not_succ_le_zero 0 (ofNat_le.1 (Int.le_of_add_le_add_left k))
/-- A number is less than itself plus one. -/
@[simp] protected theorem lt_add_one (a : Int) : a < a + 1 := Int.le_refl (a + 1)
/-- Less implies at most. -/
protected theorem le_of_lt {a b : Int} (h : a < b) : a ≤ b := Int.le_trans (le_add_natCast a 1) h
/-- `<` after `≤` gives `<`. -/
protected theorem lt_of_le_of_lt {a b c : Int} (h₁ : a ≤ b) (h₂ : b < c) : a < c := Int.le_trans (Int.add_le_add_right h₁ 1) h₂
/-- `≤` after `<` gives `<`. -/
protected theorem lt_of_lt_of_le {a b c : Int} (h₁ : a < b) (h₂ : b ≤ c) : a < c := Int.le_trans h₁ h₂
/-- `<` is transitive. -/
protected theorem lt_trans {a b c : Int} (h₁ : a < b) (h₂ : b < c) : a < c := Int.lt_of_le_of_lt (Int.le_of_lt h₁) h₂
/-- Not both less and greater. -/
protected theorem lt_asymm {a b : Int} (h : a < b) : ¬(b < a) := fun k => Int.lt_irrefl a (Int.lt_trans h k)
/-- Less implies different. -/
protected theorem ne_of_lt {a b : Int} (h : a < b) : a ≠ b := fun e => Int.lt_irrefl b (e ▸ h)
/-- Greater implies different. -/
protected theorem ne_of_gt {a b : Int} (h : b < a) : a ≠ b := fun e => Int.lt_irrefl b (e ▸ h)
/-- At most and different is less. -/
protected theorem lt_of_le_of_ne {a b : Int} (h : a ≤ b) (n : a ≠ b) : a < b := by
  obtain ⟨k, rfl⟩ := le.dest h
  cases k with
  | zero => exact absurd (Int.add_zero a).symm n
  | succ k => exact Int.add_le_add_left (ofNat_le.2 (Nat.succ_le_succ (Nat.zero_le k))) a
/-- Less means at most and different. -/
protected theorem lt_iff_le_and_ne {a b : Int} : a < b ↔ a ≤ b ∧ a ≠ b := ⟨fun h => ⟨Int.le_of_lt h, Int.ne_of_lt h⟩, fun h => Int.lt_of_le_of_ne h.1 h.2⟩
/-- At most means less or equal. -/
protected theorem le_iff_lt_or_eq {a b : Int} : a ≤ b ↔ a < b ∨ a = b :=
  ⟨fun h => (Classical.em (a = b)).elim .inr (fun n => .inl (Int.lt_of_le_of_ne h n)), fun h => h.elim Int.le_of_lt Int.le_of_eq⟩
/-- Of two numbers one is less, or the other at most. -/
protected theorem lt_or_ge (a b : Int) : a < b ∨ b ≤ a := (Int.le_total a b).elim (fun h => (Int.le_iff_lt_or_eq.1 h).elim .inl (fun e => .inr (Int.le_of_eq e.symm))) .inr
/-- Less, equal or greater. -/
protected theorem lt_trichotomy (a b : Int) : a < b ∨ a = b ∨ b < a := (Int.lt_or_ge a b).elim .inl (fun h => .inr ((Int.le_iff_lt_or_eq.1 h).elim .inr (fun e => .inl e.symm)))
/-- Different numbers: one is less. -/
protected theorem lt_or_gt_of_ne {a b : Int} (h : a ≠ b) : a < b ∨ b < a := (Int.lt_trichotomy a b).elim .inl (fun k => k.elim (fun e => absurd e h) .inr)
/-- Not at most means greater. -/
@[simp] protected theorem not_le {a b : Int} : ¬(a ≤ b) ↔ b < a := ⟨fun h => (Int.lt_or_ge b a).resolve_right h, fun h k => Int.lt_irrefl b (Int.lt_of_lt_of_le h k)⟩
/-- Not less means at least. -/
@[simp] protected theorem not_lt {a b : Int} : ¬(a < b) ↔ b ≤ a := ⟨fun h => (Int.lt_or_ge a b).resolve_left h, fun h k => Int.lt_irrefl a (Int.lt_of_lt_of_le k h)⟩
/-- Less than `b + 1` means at most `b`. -/
theorem lt_add_one_iff {a b : Int} : a < b + 1 ↔ a ≤ b := Int.add_le_add_iff_right 1
/-- A difference is positive exactly when less is taken away. -/
protected theorem sub_pos {a b : Int} : 0 < a - b ↔ b < a := by
  rw [← Int.not_le, ← Int.not_le, Int.sub_le_iff_le_add, Int.zero_add]
/-- Negating turns `<` round. -/
protected theorem neg_lt_neg {a b : Int} (h : a < b) : -b < -a := Int.not_le.1 (fun k => Int.not_le.2 h (Int.neg_le_neg_iff.1 k))
/-- A sum of positive numbers is positive. -/
protected theorem add_pos {a b : Int} (ha : 0 < a) (hb : 0 < b) : 0 < a + b := Int.lt_trans ha (by have k := Int.add_lt_add_left hb a; rw [Int.add_zero] at k; exact k)
/-- Add two `<`. -/
protected theorem add_lt_add {a b c d : Int} (h₁ : a < b) (h₂ : c < d) : a + c < b + d := Int.lt_trans (Int.add_lt_add_right h₁ c) (Int.add_lt_add_left h₂ b)

/-! ## Order and multiplication -/
/-- A product of numbers that are at least zero is at least zero. -/
protected theorem mul_nonneg {a b : Int} (ha : 0 ≤ a) (hb : 0 ≤ b) : 0 ≤ a * b := by
  obtain ⟨m, rfl⟩ := eq_natCast_of_zero_le ha; obtain ⟨n, rfl⟩ := eq_natCast_of_zero_le hb
  exact natCast_nonneg (m * n)
/-- A product of positive numbers is positive. -/
protected theorem mul_pos {a b : Int} (ha : 0 < a) (hb : 0 < b) : 0 < a * b :=
  Int.lt_of_le_of_ne (Int.mul_nonneg (Int.le_of_lt ha) (Int.le_of_lt hb)) (Int.mul_ne_zero (Int.ne_of_gt ha) (Int.ne_of_gt hb)).symm
/-- Multiply `≤` on the left by a number that is at least zero. -/
protected theorem mul_le_mul_of_nonneg_left {a b c : Int} (h : a ≤ b) (hc : 0 ≤ c) : c * a ≤ c * b :=
  Int.le_of_sub_nonneg (by rw [← Int.mul_sub]; exact Int.mul_nonneg hc (Int.sub_nonneg_of_le h))
/-- Multiply `≤` on the right by a number that is at least zero. -/
protected theorem mul_le_mul_of_nonneg_right {a b c : Int} (h : a ≤ b) (hc : 0 ≤ c) : a * c ≤ b * c := by
  rw [Int.mul_comm a, Int.mul_comm b]; exact Int.mul_le_mul_of_nonneg_left h hc
/-- Multiply `≤` on the left by a number that is at most zero: it turns round. -/
protected theorem mul_le_mul_of_nonpos_left {a b c : Int} (hc : c ≤ 0) (h : a ≤ b) : c * b ≤ c * a := by
  have k := Int.mul_le_mul_of_nonneg_left h (Int.neg_nonneg_of_nonpos hc)
  rw [Int.neg_mul, Int.neg_mul] at k
  exact Int.neg_le_neg_iff.1 k
/-- Multiply `<` on the left by a positive number. -/
protected theorem mul_lt_mul_of_pos_left {a b c : Int} (h : a < b) (hc : 0 < c) : c * a < c * b :=
  Int.sub_pos.1 (by rw [← Int.mul_sub]; exact Int.mul_pos hc (Int.sub_pos.2 h))
/-- A positive left factor can be cancelled in `≤`. -/
protected theorem le_of_mul_le_mul_left {a b c : Int} (h : a * b ≤ a * c) (ha : 0 < a) : b ≤ c := Int.not_lt.1 (fun k => Int.not_le.2 (Int.mul_lt_mul_of_pos_left k ha) h)
/-- A square is at least zero. -/
protected theorem mul_self_nonneg (a : Int) : 0 ≤ a * a := by
  rcases Int.le_total 0 a with h | h
  · exact Int.mul_nonneg h h
  · rw [← Int.neg_mul_neg]; exact Int.mul_nonneg (Int.neg_nonneg_of_nonpos h) (Int.neg_nonneg_of_nonpos h)

/-! ## Distance from zero, minimum and maximum -/
/-- A number that is at least zero is the cast of its natural number. -/
@[simp] theorem toNat_of_nonneg {a : Int} (h : 0 ≤ a) : (toNat a : Int) = a := by obtain ⟨n, rfl⟩ := eq_natCast_of_zero_le h; rfl
/-- A number that is at least zero is its distance from zero. -/
theorem natAbs_of_nonneg {a : Int} (h : 0 ≤ a) : (natAbs a : Int) = a := by obtain ⟨n, rfl⟩ := eq_natCast_of_zero_le h; rfl
/-- The distance of a number at most zero from zero is its negative. -/
theorem ofNat_natAbs_of_nonpos {a : Int} (h : a ≤ 0) : (natAbs a : Int) = -a := by rw [← natAbs_neg, natAbs_of_nonneg (Int.neg_nonneg_of_nonpos h)]
/-- A number is at most its distance from zero. -/
theorem le_natAbs {a : Int} : a ≤ natAbs a := (Int.le_total 0 a).elim (fun h => Int.le_of_eq (natAbs_of_nonneg h).symm) (fun h => Int.le_trans h (natCast_nonneg _))
/-- The maximum, by cases. -/
protected theorem max_def (a b : Int) : max a b = if a ≤ b then b else a := rfl
/-- The minimum, by cases. -/
protected theorem min_def (a b : Int) : min a b = if a ≤ b then a else b := rfl
/-- The maximum is the second number when the first is at most that. -/
protected theorem max_eq_right {a b : Int} (h : a ≤ b) : max a b = b := if_pos h
/-- The minimum is the first number when it is at most the second. -/
protected theorem min_eq_left {a b : Int} (h : a ≤ b) : min a b = a := if_pos h
/-- The first number is at most the maximum. -/
@[simp] protected theorem le_max_left (a b : Int) : a ≤ max a b := by
  rw [Int.max_def]; split
  · assumption
  · exact Int.le_refl a
/-- The second number is at most the maximum. -/
@[simp] protected theorem le_max_right (a b : Int) : b ≤ max a b := by
  rw [Int.max_def]; split
  · exact Int.le_refl b
  · exact Int.le_of_lt (Int.not_le.1 ‹_›)
/-- The minimum is at most the first number. -/
@[simp] protected theorem min_le_left (a b : Int) : min a b ≤ a := by
  rw [Int.min_def]; split
  · exact Int.le_refl a
  · exact Int.le_of_lt (Int.not_le.1 ‹_›)
/-- The minimum is at most the second number. -/
@[simp] protected theorem min_le_right (a b : Int) : min a b ≤ b := by
  rw [Int.min_def]; split
  · assumption
  · exact Int.le_refl b
/-- The maximum is bounded exactly when both numbers are. -/
protected theorem max_le {a b c : Int} : max a b ≤ c ↔ a ≤ c ∧ b ≤ c :=
  ⟨fun h => ⟨Int.le_trans (Int.le_max_left a b) h, Int.le_trans (Int.le_max_right a b) h⟩, fun h => by rw [Int.max_def]; split; exact h.2; exact h.1⟩
/-- The minimum is at least a number exactly when both numbers are. -/
protected theorem le_min {a b c : Int} : a ≤ min b c ↔ a ≤ b ∧ a ≤ c :=
  ⟨fun h => ⟨Int.le_trans h (Int.min_le_left b c), Int.le_trans h (Int.min_le_right b c)⟩, fun h => by rw [Int.min_def]; split; exact h.1; exact h.2⟩
instance instTransLe : Trans (α := Int) (β := Int) (γ := Int) LE.le LE.le LE.le := ⟨Int.le_trans⟩
instance instTransLt : Trans (α := Int) (β := Int) (γ := Int) LT.lt LT.lt LT.lt := ⟨Int.lt_trans⟩
instance instTransLtLe : Trans (α := Int) (β := Int) (γ := Int) LT.lt LE.le LT.lt := ⟨Int.lt_of_lt_of_le⟩
instance instTransLeLt : Trans (α := Int) (β := Int) (γ := Int) LE.le LT.lt LT.lt := ⟨Int.lt_of_le_of_lt⟩
end Int

prelude
import Fd.Nat.Order
import Fd.Classical
/-! Natural numbers: subtraction (it stops at zero), minimum and maximum. -/
set_option autoImplicit false
namespace Nat

/-! ## Subtraction -/
/-- Subtracting zero changes nothing. -/
@[simp] protected theorem sub_zero (n : Nat) : n - 0 = n := rfl
/-- Subtracting one more is the predecessor. -/
theorem sub_succ (n m : Nat) : n - succ m = pred (n - m) := rfl
/-- Subtracting from zero gives zero. -/
@[simp] protected theorem zero_sub (n : Nat) : 0 - n = 0 := by
  induction n with
  | zero => rfl
  | succ n ih => exact congrArg pred ih
/-- One can be taken away on both sides of a difference. -/
theorem succ_sub_succ_eq_sub (n m : Nat) : succ n - succ m = n - m := by
  induction m with
  | zero => rfl
  | succ m ih => exact congrArg pred ih
/-- One can be taken away on both sides of a difference. -/
@[simp] theorem add_one_sub_add_one (n m : Nat) : n + 1 - (m + 1) = n - m := succ_sub_succ_eq_sub n m
/-- A number minus itself is zero. -/
@[simp] protected theorem sub_self (n : Nat) : n - n = 0 := by
  induction n with
  | zero => rfl
  | succ n ih => rw [add_one_sub_add_one, ih]
/-- The predecessor is the number minus one. -/
theorem pred_eq_sub_one (n : Nat) : pred n = n - 1 := rfl
/-- A successor minus one. -/
@[simp] theorem add_one_sub_one (n : Nat) : n + 1 - 1 = n := rfl
/-- A difference is at most what it was taken from. -/
@[simp] theorem sub_le (n m : Nat) : n - m ≤ n := by
  induction m with
  | zero => exact Nat.le_refl n
  | succ m ih => exact Nat.le_trans (pred_le_pred (le_succ_of_le ih)) (Nat.le_refl n)
/-- A positive number minus a positive number is smaller. -/
theorem sub_lt {n m : Nat} (hn : 0 < n) (hm : 0 < m) : n - m < n := by
  cases n with
  | zero => exact absurd hn (not_lt_zero 0)
  | succ n => cases m with
    | zero => exact absurd hm (not_lt_zero 0)
    | succ m => rw [add_one_sub_add_one]; exact lt_succ_of_le (sub_le n m)
/-- Adding and taking away the same on the right changes nothing. -/
@[simp] protected theorem add_sub_cancel (n m : Nat) : n + m - m = n := by
  induction m with
  | zero => rfl
  | succ m ih => rw [← Nat.add_assoc, add_one_sub_add_one, ih]
/-- Adding and taking away the same on the left changes nothing. -/
@[simp] protected theorem add_sub_cancel_left (n m : Nat) : n + m - n = m := by rw [Nat.add_comm, Nat.add_sub_cancel]
/-- Taking away a sum is taking away one summand after the other. -/
protected theorem sub_sub (n m k : Nat) : n - m - k = n - (m + k) := by
  induction k with
  | zero => rfl
  | succ k ih => exact congrArg pred ih
/-- Two numbers can be taken away in either order. -/
protected theorem sub_right_comm (m n k : Nat) : m - n - k = m - k - n := by rw [Nat.sub_sub, Nat.sub_sub, Nat.add_comm n k]
/-- A common right summand drops out of a difference. -/
@[simp] protected theorem add_sub_add_right (n k m : Nat) : n + k - (m + k) = n - m := by
  induction k with
  | zero => rfl
  | succ k ih => exact (add_one_sub_add_one (n + k) (m + k)).trans ih
/-- A common left summand drops out of a difference. -/
@[simp] protected theorem add_sub_add_left (k n m : Nat) : k + n - (k + m) = n - m := by rw [Nat.add_comm k n, Nat.add_comm k m, Nat.add_sub_add_right]
/-- Taking away something at least as large gives zero. -/
protected theorem sub_eq_zero_of_le {n m : Nat} (h : n ≤ m) : n - m = 0 := by obtain ⟨k, e⟩ := le.dest h; rw [← e, ← Nat.sub_sub, Nat.sub_self, Nat.zero_sub]
/-- Taking away what is at most as large and adding it again. -/
protected theorem sub_add_cancel {n m : Nat} (h : m ≤ n) : n - m + m = n := by obtain ⟨k, e⟩ := le.dest h; rw [← e, Nat.add_sub_cancel_left, Nat.add_comm]
/-- Adding what was taken away, from the left. -/
protected theorem add_sub_of_le {a b : Nat} (h : a ≤ b) : a + (b - a) = b := by rw [Nat.add_comm]; exact Nat.sub_add_cancel h
/-- A difference is zero exactly when nothing remains. -/
protected theorem sub_eq_zero_iff_le {n m : Nat} : n - m = 0 ↔ n ≤ m :=
  ⟨fun h => (Nat.le_total n m).elim id (fun k => by have e := Nat.sub_add_cancel k; rw [h, Nat.zero_add] at e; exact Nat.le_of_eq e.symm), Nat.sub_eq_zero_of_le⟩
/-- Taking away less than there is leaves something. -/
protected theorem sub_pos_of_lt {m n : Nat} (h : m < n) : 0 < n - m := pos_of_ne_zero (fun e => Nat.not_le_of_lt h (Nat.sub_eq_zero_iff_le.1 e))
/-- A difference is positive exactly when less is taken away. -/
protected theorem sub_pos_iff_lt {m n : Nat} : 0 < n - m ↔ m < n := ⟨fun h => (Nat.lt_or_ge m n).elim id (fun k => absurd (Nat.sub_eq_zero_of_le k) (ne_zero_of_lt h)), Nat.sub_pos_of_lt⟩
/-- A difference is what must be added. -/
protected theorem sub_eq_of_eq_add {a b c : Nat} (h : a = c + b) : a - b = c := by rw [h, Nat.add_sub_cancel]
/-- If a difference of comparable numbers is known, so is the sum. -/
protected theorem eq_add_of_sub_eq {a b c : Nat} (hle : b ≤ a) (h : a - b = c) : a = c + b := by rw [← h, Nat.sub_add_cancel hle]
/-- Differences grow with what they are taken from. -/
protected theorem sub_le_sub_right {n m : Nat} (h : n ≤ m) (k : Nat) : n - k ≤ m - k := by
  induction k with
  | zero => exact h
  | succ k ih => exact pred_le_pred ih
/-- Differences shrink when more is taken away. -/
protected theorem sub_le_sub_left {n m : Nat} (h : n ≤ m) (k : Nat) : k - m ≤ k - n := by obtain ⟨j, e⟩ := le.dest h; rw [← e, ← Nat.sub_sub]; exact sub_le _ _
/-- Bound a difference by bounding a sum. -/
protected theorem sub_le_iff_le_add {a b c : Nat} : a - b ≤ c ↔ a ≤ c + b := by
  constructor
  · intro h
    rcases Nat.le_total b a with k | k
    · rw [← Nat.sub_add_cancel k]; exact Nat.add_le_add_right h b
    · exact Nat.le_trans k (le_add_left b c)
  · intro h
    have k := Nat.sub_le_sub_right h b
    rw [Nat.add_sub_cancel] at k
    exact k
/-- Move a summand past a difference. -/
protected theorem add_sub_assoc {m k : Nat} (h : k ≤ m) (n : Nat) : n + m - k = n + (m - k) := by
  obtain ⟨j, e⟩ := le.dest h
  rw [← e, Nat.add_sub_cancel_left, Nat.add_left_comm, Nat.add_sub_cancel_left]
/-- Multiply a difference on the right. -/
protected theorem sub_mul (n m k : Nat) : (n - m) * k = n * k - m * k := by
  rcases Nat.le_total m n with h | h
  · obtain ⟨j, e⟩ := le.dest h
    rw [← e, Nat.add_sub_cancel_left, Nat.add_mul, Nat.add_sub_cancel_left]
  · rw [Nat.sub_eq_zero_of_le h, Nat.sub_eq_zero_of_le (Nat.mul_le_mul_right k h), Nat.zero_mul]
/-- Multiply a difference on the left. -/
protected theorem mul_sub (k m n : Nat) : k * (m - n) = k * m - k * n := by rw [Nat.mul_comm, Nat.sub_mul, Nat.mul_comm m, Nat.mul_comm n]

/-! ## Minimum and maximum -/
/-- The maximum is the second number when the first is at most that. -/
theorem max_eq_right {a b : Nat} (h : a ≤ b) : max a b = b := if_pos (ble_eq_true_of_le h)
/-- The maximum is the first number when the second is at most that. -/
theorem max_eq_left {a b : Nat} (h : b ≤ a) : max a b = a :=
  (Nat.eq_or_lt_of_le h).elim (fun e => e ▸ max_eq_right (Nat.le_refl b)) (fun k => if_neg (fun t => Nat.not_le_of_lt k (le_of_ble_eq_true t)))
/-- The minimum is the first number when it is at most the second. -/
theorem min_eq_left {a b : Nat} (h : a ≤ b) : min a b = a := if_pos (ble_eq_true_of_le h)
/-- The minimum is the second number when it is at most the first. -/
theorem min_eq_right {a b : Nat} (h : b ≤ a) : min a b = b :=
  (Nat.eq_or_lt_of_le h).elim (fun e => e ▸ min_eq_left (Nat.le_refl b)) (fun k => if_neg (fun t => Nat.not_le_of_lt k (le_of_ble_eq_true t)))
/-- The first number is at most the maximum. -/
@[simp] protected theorem le_max_left (a b : Nat) : a ≤ max a b := (Nat.le_total a b).elim (fun h => by rw [Nat.max_eq_right h]; exact h) (fun h => Nat.le_of_eq (Nat.max_eq_left h).symm)
/-- The second number is at most the maximum. -/
@[simp] protected theorem le_max_right (a b : Nat) : b ≤ max a b := (Nat.le_total a b).elim (fun h => Nat.le_of_eq (Nat.max_eq_right h).symm) (fun h => by rw [Nat.max_eq_left h]; exact h)
/-- The minimum is at most the first number. -/
@[simp] protected theorem min_le_left (a b : Nat) : min a b ≤ a := (Nat.le_total a b).elim (fun h => Nat.le_of_eq (Nat.min_eq_left h)) (fun h => by rw [Nat.min_eq_right h]; exact h)
/-- The minimum is at most the second number. -/
@[simp] protected theorem min_le_right (a b : Nat) : min a b ≤ b := (Nat.le_total a b).elim (fun h => by rw [Nat.min_eq_left h]; exact h) (fun h => Nat.le_of_eq (Nat.min_eq_right h))
/-- The maximum is bounded exactly when both numbers are. -/
protected theorem max_le {a b c : Nat} : max a b ≤ c ↔ a ≤ c ∧ b ≤ c :=
  ⟨fun h => ⟨Nat.le_trans (Nat.le_max_left a b) h, Nat.le_trans (Nat.le_max_right a b) h⟩,
   fun ⟨h, k⟩ => (Nat.le_total a b).elim (fun e => by rw [Nat.max_eq_right e]; exact k) (fun e => by rw [Nat.max_eq_left e]; exact h)⟩
/-- The minimum is at least a number exactly when both numbers are. -/
protected theorem le_min {a b c : Nat} : a ≤ min b c ↔ a ≤ b ∧ a ≤ c :=
  ⟨fun h => ⟨Nat.le_trans h (Nat.min_le_left b c), Nat.le_trans h (Nat.min_le_right b c)⟩,
   fun ⟨h, k⟩ => (Nat.le_total b c).elim (fun e => by rw [Nat.min_eq_left e]; exact h) (fun e => by rw [Nat.min_eq_right e]; exact k)⟩
/-- `max` is commutative. -/
protected theorem max_comm (a b : Nat) : max a b = max b a := (Nat.le_total a b).elim (fun h => by rw [Nat.max_eq_right h, Nat.max_eq_left h]) (fun h => by rw [Nat.max_eq_left h, Nat.max_eq_right h])
/-- `min` is commutative. -/
protected theorem min_comm (a b : Nat) : min a b = min b a := (Nat.le_total a b).elim (fun h => by rw [Nat.min_eq_left h, Nat.min_eq_right h]) (fun h => by rw [Nat.min_eq_right h, Nat.min_eq_left h])
/-- The maximum of a number and itself. -/
@[simp] protected theorem max_self (a : Nat) : max a a = a := Nat.max_eq_left (Nat.le_refl a)
/-- The minimum of a number and itself. -/
@[simp] protected theorem min_self (a : Nat) : min a a = a := Nat.min_eq_left (Nat.le_refl a)
/-- Zero drops out of a maximum on the left. -/
@[simp] protected theorem zero_max (a : Nat) : max 0 a = a := Nat.max_eq_right (zero_le a)
/-- Zero drops out of a maximum on the right. -/
@[simp] protected theorem max_zero (a : Nat) : max a 0 = a := Nat.max_eq_left (zero_le a)
/-- A minimum with zero on the left is zero. -/
@[simp] protected theorem zero_min (a : Nat) : min 0 a = 0 := Nat.min_eq_left (zero_le a)
/-- A minimum with zero on the right is zero. -/
@[simp] protected theorem min_zero (a : Nat) : min a 0 = 0 := Nat.min_eq_right (zero_le a)
/-- `max` is associative. -/
protected theorem max_assoc (a b c : Nat) : max (max a b) c = max a (max b c) :=
  Nat.le_antisymm
    (Nat.max_le.2 ⟨Nat.max_le.2 ⟨Nat.le_max_left a _, Nat.le_trans (Nat.le_max_left b c) (Nat.le_max_right a _)⟩, Nat.le_trans (Nat.le_max_right b c) (Nat.le_max_right a _)⟩)
    (Nat.max_le.2 ⟨Nat.le_trans (Nat.le_max_left a b) (Nat.le_max_left _ c), Nat.max_le.2 ⟨Nat.le_trans (Nat.le_max_right a b) (Nat.le_max_left _ c), Nat.le_max_right _ c⟩⟩)
/-- `min` is associative. -/
protected theorem min_assoc (a b c : Nat) : min (min a b) c = min a (min b c) :=
  Nat.le_antisymm
    (Nat.le_min.2 ⟨Nat.le_trans (Nat.min_le_left _ c) (Nat.min_le_left a b), Nat.le_min.2 ⟨Nat.le_trans (Nat.min_le_left _ c) (Nat.min_le_right a b), Nat.min_le_right _ c⟩⟩)
    (Nat.le_min.2 ⟨Nat.le_min.2 ⟨Nat.min_le_left a _, Nat.le_trans (Nat.min_le_right a _) (Nat.min_le_left b c)⟩, Nat.le_trans (Nat.min_le_right a _) (Nat.min_le_right b c)⟩)
/-- The minimum is at most the maximum. -/
protected theorem min_le_max (a b : Nat) : min a b ≤ max a b := Nat.le_trans (Nat.min_le_left a b) (Nat.le_max_left a b)
/-- Minimum and maximum together have the sum of the two numbers. -/
protected theorem max_add_min (a b : Nat) : max a b + min a b = a + b := (Nat.le_total a b).elim (fun h => by rw [Nat.max_eq_right h, Nat.min_eq_left h, Nat.add_comm]) (fun h => by rw [Nat.max_eq_left h, Nat.min_eq_right h])
end Nat

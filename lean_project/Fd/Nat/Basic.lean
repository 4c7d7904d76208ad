prelude
import Fd.Function
/-! Natural numbers: zero, successor, addition, multiplication, and induction. -/
set_option autoImplicit false
universe u
/-- Induction that speaks of `0` and `n + 1`; `induction` uses it. -/
@[elab_as_elim, induction_eliminator] protected noncomputable def Nat.recAux {motive : Nat → Sort u} (zero : motive 0) (succ : ∀ n, motive n → motive (n + 1)) (t : Nat) : motive t :=
  Nat.rec zero succ t
/-- Cases that speak of `0` and `n + 1`; `cases` uses it. -/
@[elab_as_elim, cases_eliminator] protected noncomputable def Nat.casesAuxOn {motive : Nat → Sort u} (t : Nat) (zero : motive 0) (succ : ∀ n, motive (n + 1)) : motive t :=
  Nat.casesOn t zero succ
namespace Nat

/-! ## Successor -/
/-- `succ n` is `n + 1`. -/
theorem succ_eq_add_one (n : Nat) : succ n = n + 1 := rfl
/-- `n + 1` is `succ n`. -/
theorem add_one (n : Nat) : n + 1 = succ n := rfl
/-- A successor is not zero. -/
@[simp] theorem succ_ne_zero (n : Nat) : ¬(n + 1 = 0) := fun h => Nat.noConfusion h
/-- Zero is no successor. -/
@[simp] theorem zero_ne_add_one (n : Nat) : ¬(0 = n + 1) := fun h => Nat.noConfusion h
/-- Zero is not one. -/
theorem zero_ne_one : ¬(0 = (1 : Nat)) := fun h => Nat.noConfusion h
/-- One is not zero. -/
theorem one_ne_zero : ¬((1 : Nat) = 0) := fun h => Nat.noConfusion h
/-- Equal successors have equal predecessors. -/
theorem succ.inj {m n : Nat} (h : m + 1 = n + 1) : m = n := by injection h
/-- Successors are equal exactly when the numbers are. -/
theorem succ_inj {a b : Nat} : a + 1 = b + 1 ↔ a = b := ⟨succ.inj, congrArg succ⟩
/-- The successor function is injective. -/
theorem succ_injective : Function.Injective Nat.succ := fun _ _ => succ.inj
/-- No number is its own successor. -/
theorem succ_ne_self (n : Nat) : ¬(n + 1 = n) := by
  induction n with
  | zero => exact succ_ne_zero 0
  | succ n ih => exact fun h => ih (succ.inj h)
/-- A number that is not zero is a successor. -/
theorem exists_eq_succ_of_ne_zero {n : Nat} (h : n ≠ 0) : ∃ k, n = k + 1 := by
  cases n with
  | zero => exact absurd rfl h
  | succ k => exact ⟨k, rfl⟩
/-- A number is zero or a successor. -/
theorem eq_zero_or_eq_succ (n : Nat) : n = 0 ∨ ∃ k, n = k + 1 := by
  cases n with
  | zero => exact .inl rfl
  | succ k => exact .inr ⟨k, rfl⟩
/-- The predecessor of zero is zero. -/
@[simp] theorem pred_zero : pred 0 = 0 := rfl
/-- The predecessor of a successor. -/
@[simp] theorem pred_succ (n : Nat) : pred (n + 1) = n := rfl
/-- A number that is not zero is the successor of its predecessor. -/
theorem succ_pred {n : Nat} (h : n ≠ 0) : pred n + 1 = n := by
  cases n with
  | zero => exact absurd rfl h
  | succ k => rfl

/-! ## Addition -/
/-- Adding zero on the right changes nothing. -/
@[simp] theorem add_zero (n : Nat) : n + 0 = n := rfl
/-- A successor moves out of a sum on the right. -/
theorem add_succ (n m : Nat) : n + succ m = succ (n + m) := rfl
/-- Adding zero on the left changes nothing. -/
@[simp] theorem zero_add (n : Nat) : 0 + n = n := by
  induction n with
  | zero => rfl
  | succ n ih => exact congrArg succ ih
/-- A successor moves out of a sum on the left. -/
theorem succ_add (n m : Nat) : succ n + m = succ (n + m) := by
  induction m with
  | zero => rfl
  | succ m ih => exact congrArg succ ih
/-- One moves from the left summand out of the sum. -/
theorem add_one_add (n m : Nat) : n + 1 + m = n + m + 1 := succ_add n m
/-- Addition is commutative. -/
protected theorem add_comm (n m : Nat) : n + m = m + n := by
  induction m with
  | zero => exact (zero_add n).symm
  | succ m ih => exact (congrArg succ ih).trans (succ_add m n).symm
/-- Addition is associative. -/
protected theorem add_assoc (a b c : Nat) : a + b + c = a + (b + c) := by
  induction c with
  | zero => rfl
  | succ c ih => exact congrArg succ ih
/-- The first two of three summands can be exchanged. -/
protected theorem add_left_comm (a b c : Nat) : a + (b + c) = b + (a + c) := by rw [← Nat.add_assoc, Nat.add_comm a b, Nat.add_assoc]
/-- The last two of three summands can be exchanged. -/
protected theorem add_right_comm (a b c : Nat) : a + b + c = a + c + b := by rw [Nat.add_assoc, Nat.add_comm b c, ← Nat.add_assoc]
/-- The inner two of four summands can be exchanged. -/
protected theorem add_add_add_comm (a b c d : Nat) : a + b + (c + d) = a + c + (b + d) := by rw [Nat.add_assoc, Nat.add_assoc, Nat.add_left_comm b c d]
/-- One plus `n` is the successor of `n`. -/
theorem one_add (n : Nat) : 1 + n = succ n := Nat.add_comm 1 n
/-- A summand can be cancelled on the right. -/
protected theorem add_right_cancel {n m k : Nat} (h : n + m = k + m) : n = k := by
  induction m with
  | zero => exact h
  | succ m ih => exact ih (succ.inj h)
/-- A summand can be cancelled on the left. -/
protected theorem add_left_cancel {n m k : Nat} (h : n + m = n + k) : m = k := by
  rw [Nat.add_comm n m, Nat.add_comm n k] at h
  exact Nat.add_right_cancel h
/-- Sums with the same right summand are equal exactly when the left summands are. -/
@[simp] protected theorem add_right_cancel_iff {m k n : Nat} : m + n = k + n ↔ m = k := ⟨Nat.add_right_cancel, fun h => h ▸ rfl⟩
/-- Sums with the same left summand are equal exactly when the right summands are. -/
@[simp] protected theorem add_left_cancel_iff {m k n : Nat} : n + m = n + k ↔ m = k := ⟨Nat.add_left_cancel, fun h => h ▸ rfl⟩
/-- If a sum is zero, so is the right summand. -/
protected theorem eq_zero_of_add_eq_zero_left {n m : Nat} (h : n + m = 0) : m = 0 := by
  cases m with
  | zero => rfl
  | succ m => exact absurd h (succ_ne_zero (n + m))
/-- If a sum is zero, so is the left summand. -/
protected theorem eq_zero_of_add_eq_zero_right {n m : Nat} (h : n + m = 0) : n = 0 := Nat.eq_zero_of_add_eq_zero_left ((Nat.add_comm m n).trans h)
/-- A sum is zero exactly when both summands are. -/
@[simp] protected theorem add_eq_zero_iff {n m : Nat} : n + m = 0 ↔ n = 0 ∧ m = 0 :=
  ⟨fun h => ⟨Nat.eq_zero_of_add_eq_zero_right h, Nat.eq_zero_of_add_eq_zero_left h⟩, fun ⟨h, k⟩ => by rw [h, k]⟩
/-- Adding something leaves `n` unchanged exactly when it is zero. -/
@[simp] protected theorem add_eq_left {a b : Nat} : a + b = a ↔ b = 0 := ⟨fun h => Nat.add_left_cancel (n := a) h, fun h => by rw [h, Nat.add_zero]⟩
/-- Adding something on the left leaves `b` unchanged exactly when it is zero. -/
@[simp] protected theorem add_eq_right {a b : Nat} : a + b = b ↔ a = 0 := by rw [Nat.add_comm]; exact Nat.add_eq_left
/-- Adding a fixed number is injective. -/
theorem add_right_injective (n : Nat) : Function.Injective (fun m => n + m) := fun _ _ h => Nat.add_left_cancel h

/-! ## Multiplication -/
/-- Zero on the right makes a product zero. -/
@[simp] protected theorem mul_zero (n : Nat) : n * 0 = 0 := rfl
/-- Multiply by a successor on the right. -/
theorem mul_succ (n m : Nat) : n * succ m = n * m + n := rfl
/-- Multiply by `m + 1` on the right. -/
theorem mul_add_one (n m : Nat) : n * (m + 1) = n * m + n := rfl
/-- Zero on the left makes a product zero. -/
@[simp] protected theorem zero_mul (n : Nat) : 0 * n = 0 := by
  induction n with
  | zero => rfl
  | succ n ih => exact ih
/-- Multiply by a successor on the left. -/
theorem succ_mul (n m : Nat) : succ n * m = n * m + m := by
  induction m with
  | zero => rfl
  | succ m ih => exact (congrArg (fun k => k + n + 1) ih).trans (congrArg succ (Nat.add_right_comm (n * m) m n))
/-- Multiply by `n + 1` on the left. -/
theorem add_one_mul (n m : Nat) : (n + 1) * m = n * m + m := succ_mul n m
/-- Multiplication is commutative. -/
protected theorem mul_comm (n m : Nat) : n * m = m * n := by
  induction m with
  | zero => exact (Nat.zero_mul n).symm
  | succ m ih => rw [mul_add_one, add_one_mul, ih]
/-- One on the right of a product drops out. -/
@[simp] protected theorem mul_one (n : Nat) : n * 1 = n := zero_add n
/-- One on the left of a product drops out. -/
@[simp] protected theorem one_mul (n : Nat) : 1 * n = n := by rw [Nat.mul_comm, Nat.mul_one]
/-- Multiplication distributes over addition from the left. -/
protected theorem left_distrib (n m k : Nat) : n * (m + k) = n * m + n * k := by
  induction k with
  | zero => rfl
  | succ k ih =>
    calc n * (m + (k + 1)) = n * (m + k) + n := rfl
      _ = n * m + n * k + n := by rw [ih]
      _ = n * m + (n * k + n) := Nat.add_assoc ..
/-- Multiplication distributes over addition from the right. -/
protected theorem right_distrib (n m k : Nat) : (n + m) * k = n * k + m * k := by rw [Nat.mul_comm, Nat.left_distrib, Nat.mul_comm k n, Nat.mul_comm k m]
/-- Multiply a sum on the left. -/
protected theorem mul_add (x y z : Nat) : x * (y + z) = x * y + x * z := Nat.left_distrib x y z
/-- Multiply a sum on the right. -/
protected theorem add_mul (x y z : Nat) : (x + y) * z = x * z + y * z := Nat.right_distrib x y z
/-- Multiplication is associative. -/
protected theorem mul_assoc (a b c : Nat) : a * b * c = a * (b * c) := by
  induction c with
  | zero => rfl
  | succ c ih => rw [mul_add_one, ih, mul_add_one, Nat.mul_add]
/-- The first two of three factors can be exchanged. -/
protected theorem mul_left_comm (n m k : Nat) : n * (m * k) = m * (n * k) := by rw [← Nat.mul_assoc, Nat.mul_comm n m, Nat.mul_assoc]
/-- The last two of three factors can be exchanged. -/
protected theorem mul_right_comm (n m k : Nat) : n * m * k = n * k * m := by rw [Nat.mul_assoc, Nat.mul_comm m k, ← Nat.mul_assoc]
/-- The inner two of four factors can be exchanged. -/
protected theorem mul_mul_mul_comm (a b c d : Nat) : (a * b) * (c * d) = (a * c) * (b * d) := by rw [Nat.mul_assoc, Nat.mul_assoc, Nat.mul_left_comm b c d]
/-- Twice a number is the number added to itself. -/
protected theorem two_mul (n : Nat) : 2 * n = n + n := by rw [show (2 : Nat) = 1 + 1 from rfl, Nat.add_mul, Nat.one_mul]
/-- A number times two is the number added to itself. -/
protected theorem mul_two (n : Nat) : n * 2 = n + n := by rw [Nat.mul_comm, Nat.two_mul]
/-- A product is zero exactly when a factor is. -/
@[simp] protected theorem mul_eq_zero {m n : Nat} : n * m = 0 ↔ n = 0 ∨ m = 0 := by
  constructor
  · intro h
    cases n with
    | zero => exact .inl rfl
    | succ n => rw [add_one_mul] at h; exact .inr (Nat.eq_zero_of_add_eq_zero_left h)
  · rintro (h | h)
    · rw [h, Nat.zero_mul]
    · rw [h, Nat.mul_zero]
/-- A product of numbers that are not zero is not zero. -/
protected theorem mul_ne_zero {n m : Nat} (h : n ≠ 0) (k : m ≠ 0) : n * m ≠ 0 := fun e => (Nat.mul_eq_zero.1 e).elim h k
/-- The product of two sums. -/
protected theorem add_mul_add (a b c d : Nat) : (a + b) * (c + d) = a * c + a * d + (b * c + b * d) := by rw [Nat.add_mul, Nat.mul_add, Nat.mul_add]
/-- A factor that is not zero can be cancelled on the right. -/
protected theorem eq_of_mul_eq_mul_right_of_ne {a m n : Nat} (ha : a ≠ 0) (h : m * a = n * a) : m = n := by
  induction m generalizing n with
  | zero =>
    rw [Nat.zero_mul] at h
    exact ((Nat.mul_eq_zero.1 h.symm).resolve_right ha).symm
  | succ m ih =>
    cases n with
    | zero => rw [Nat.zero_mul] at h; exact absurd h (Nat.mul_ne_zero (succ_ne_zero m) ha)
    | succ n => rw [add_one_mul, add_one_mul] at h; exact congrArg succ (ih (Nat.add_right_cancel h))
/-- If a product is one, the left factor is one. -/
protected theorem eq_one_of_mul_eq_one_right {m n : Nat} (h : m * n = 1) : m = 1 := by
  cases m with
  | zero => rw [Nat.zero_mul] at h; exact absurd h zero_ne_one
  | succ m =>
    cases n with
    | zero => exact absurd h zero_ne_one
    | succ n =>
      exact congrArg succ (Nat.eq_zero_of_add_eq_zero_left (n := (m + 1) * n) (succ.inj h))
/-- If a product is one, the right factor is one. -/
protected theorem eq_one_of_mul_eq_one_left {m n : Nat} (h : m * n = 1) : n = 1 := Nat.eq_one_of_mul_eq_one_right ((Nat.mul_comm n m).trans h)

/-! ## Induction -/
/-- Induction in steps of two. -/
@[elab_as_elim] protected theorem twoStepInduction {motive : Nat → Prop} (zero : motive 0) (one : motive 1) (more : ∀ n, motive n → motive (n + 1) → motive (n + 2)) (n : Nat) : motive n :=
  have both : motive n ∧ motive (n + 1) := by
    induction n with
    | zero => exact ⟨zero, one⟩
    | succ n ih => exact ⟨ih.2, more n ih.1 ih.2⟩
  both.1
end Nat

prelude
import Fd.AC
import Fd.Decide
import Fd.Nat.Dvd
import Fd.Nat.Pow
/-!
Integers, as in Lean core: `ofNat n` and `negSucc n`, which is `-(n + 1)`. The laws of addition and multiplication are proved on
differences of natural numbers (`subNatNat`), where they are laws of `Nat`. The kernel has no own arithmetic for `Int`; what it
computes here it computes by these definitions, on natural numbers.
-/
set_option autoImplicit false
set_option linter.defProp false
universe u
set_option genCtorIdx false in
/-- The integers: natural numbers and their negatives. -/
inductive Int : Type where
  | ofNat (n : Nat) : Int
  | negSucc (n : Nat) : Int
noncomputable def Int.ctorIdx (a : Int) : Nat := Int.rec (motive := fun _ => Nat) (fun _ => 0) (fun _ => 1) a
attribute [extern "lean_nat_to_int"] Int.ofNat
attribute [extern "lean_int_neg_succ_of_nat"] Int.negSucc
/-- Types into which the natural numbers are mapped. -/
class NatCast (R : Type u) where
  natCast : Nat → R
/-- A natural number as an element of `R`, printed `↑n`. -/
@[coe, reducible, match_pattern] protected def Nat.cast {R : Type u} [NatCast R] (n : Nat) : R := NatCast.natCast n
@[reducible] instance instNatCastInt : NatCast Int := ⟨Int.ofNat⟩
instance instCoeNat {R : Type u} [NatCast R] (n : Nat) : CoeT Nat n R := ⟨Nat.cast n⟩
@[reducible] instance instOfNat {n : Nat} : OfNat Int n := ⟨Int.ofNat n⟩

/-! ## Operations -/
namespace Int
instance instInhabitedInt : Inhabited Int := ⟨0⟩
/-- Minus a natural number. -/
def negOfNat : Nat → Int
  | 0 => 0
  | .succ m => negSucc m
set_option bootstrap.genMatcherCode false in
/-- Minus an integer. -/
@[extern "lean_int_neg"] protected def neg (n : Int) : Int :=
  match n with
  | ofNat n => negOfNat n
  | negSucc n => ofNat (n + 1)
@[reducible] instance instNegInt : Neg Int := ⟨Int.neg⟩
/-- The integer `m - n` of two natural numbers. -/
def subNatNat (m n : Nat) : Int :=
  match (n - m : Nat) with
  | 0 => ofNat (m - n)
  | .succ k => negSucc k
set_option bootstrap.genMatcherCode false in
/-- Addition. -/
@[extern "lean_int_add"] protected def add (m n : Int) : Int :=
  match m, n with
  | ofNat m, ofNat n => ofNat (m + n)
  | ofNat m, negSucc n => subNatNat m (n + 1)
  | negSucc m, ofNat n => subNatNat n (m + 1)
  | negSucc m, negSucc n => negSucc (m + n + 1)
@[reducible] instance instAddInt : Add Int := ⟨Int.add⟩
set_option bootstrap.genMatcherCode false in
/-- Multiplication. -/
@[extern "lean_int_mul"] protected def mul (m n : Int) : Int :=
  match m, n with
  | ofNat m, ofNat n => ofNat (m * n)
  | ofNat m, negSucc n => negOfNat (m * (n + 1))
  | negSucc m, ofNat n => negOfNat ((m + 1) * n)
  | negSucc m, negSucc n => ofNat ((m + 1) * (n + 1))
@[reducible] instance instMulInt : Mul Int := ⟨Int.mul⟩
/-- Subtraction. -/
@[extern "lean_int_sub"] protected def sub (m n : Int) : Int := m + -n
@[reducible] instance instSubInt : Sub Int := ⟨Int.sub⟩
/-- Powers, by recursion on the exponent. -/
protected def pow (m : Int) : Nat → Int
  | 0 => 1
  | n + 1 => Int.pow m n * m
@[reducible] instance instNatPow : NatPow Int := ⟨Int.pow⟩
set_option bootstrap.genMatcherCode false in
/-- The distance from zero, a natural number. -/
@[extern "lean_nat_abs"] def natAbs (m : Int) : Nat :=
  match m with
  | ofNat m => m
  | negSucc m => m + 1
/-- The integer is a natural number. -/
inductive NonNeg : Int → Prop where
  | mk (n : Nat) : NonNeg (ofNat n)
/-- `a ≤ b` means that `b - a` is a natural number. -/
protected def le (a b : Int) : Prop := NonNeg (b - a)
/-- `a < b` means `a + 1 ≤ b`. -/
protected def lt (a b : Int) : Prop := (a + 1).le b
@[reducible] instance instLEInt : LE Int := ⟨Int.le⟩
@[reducible] instance instLTInt : LT Int := ⟨Int.lt⟩
set_option bootstrap.genMatcherCode false in
/-- Equality of integers is decidable. -/
@[extern "lean_int_dec_eq"] protected def decEq (a b : Int) : Decidable (a = b) :=
  match a, b with
  | ofNat a, ofNat b => decidable_of_iff (a = b) ⟨congrArg ofNat, fun h => by injection h⟩
  | ofNat _, negSucc _ => isFalse nofun
  | negSucc _, ofNat _ => isFalse nofun
  | negSucc a, negSucc b => decidable_of_iff (a = b) ⟨congrArg negSucc, fun h => by injection h⟩
instance instDecidableEq : DecidableEq Int := Int.decEq
set_option bootstrap.genMatcherCode false in
@[extern "lean_int_dec_nonneg"] def decNonneg (m : Int) : Decidable (NonNeg m) :=
  match m with
  | ofNat m => isTrue (.mk m)
  | negSucc _ => isFalse nofun
@[extern "lean_int_dec_le"] instance decLe (a b : Int) : Decidable (a ≤ b) := decNonneg (b - a)
@[extern "lean_int_dec_lt"] instance decLt (a b : Int) : Decidable (a < b) := decNonneg (b - (a + 1))
/-- The natural number, or zero if the integer is negative. -/
def toNat : Int → Nat
  | ofNat n => n
  | negSucc _ => 0
/-- `1`, `0` or `-1`. -/
def sign : Int → Int
  | ofNat 0 => 0
  | ofNat (.succ _) => 1
  | negSucc _ => -1
set_option bootstrap.genMatcherCode false in
/-- Division that leaves a remainder of at least zero; division by zero gives zero. -/
@[extern "lean_int_ediv"] def ediv : Int → Int → Int
  | ofNat m, ofNat n => ofNat (m / n)
  | ofNat m, negSucc n => -ofNat (m / (n + 1))
  | negSucc _, ofNat 0 => 0
  | negSucc m, ofNat (.succ n) => negSucc (m / (n + 1))
  | negSucc m, negSucc n => ofNat (m / (n + 1) + 1)
set_option bootstrap.genMatcherCode false in
/-- The remainder of `ediv`, at least zero and less than the distance of the divisor from zero. -/
@[extern "lean_int_emod"] def emod : Int → Int → Int
  | ofNat m, n => ofNat (m % natAbs n)
  | negSucc m, n => subNatNat (natAbs n) (m % natAbs n + 1)
@[reducible] instance instDivInt : Div Int := ⟨Int.ediv⟩
@[reducible] instance instModInt : Mod Int := ⟨Int.emod⟩
/-- `a ∣ b`: some multiple of `a` is `b`. -/
instance instDvdInt : Dvd Int := ⟨fun a b => ∃ c, b = a * c⟩
/-- The larger of two integers. -/
instance instMaxInt : Max Int := ⟨fun a b => if a ≤ b then b else a⟩
/-- The smaller of two integers. -/
instance instMinInt : Min Int := ⟨fun a b => if a ≤ b then a else b⟩

/-! ## Differences of natural numbers -/
theorem subNatNat_add_left {m n : Nat} : subNatNat (m + n) m = ofNat n := by
  unfold subNatNat
  rw [Nat.sub_eq_zero_of_le (Nat.le_add_right m n), Nat.add_sub_cancel_left]
theorem subNatNat_add_right {m n : Nat} : subNatNat m (m + n + 1) = negSucc n := by
  unfold subNatNat
  rw [Nat.add_assoc, Nat.add_sub_cancel_left]
theorem subNatNat_add_add (m n k : Nat) : subNatNat (m + k) (n + k) = subNatNat m n := by
  unfold subNatNat
  rw [Nat.add_sub_add_right, Nat.add_sub_add_right]
theorem subNatNat_eq {m n k l : Nat} (h : m + l = k + n) : subNatNat m n = subNatNat k l := by
  rw [← subNatNat_add_add m n l, h, Nat.add_comm n l, subNatNat_add_add]
theorem subNatNat_zero (m : Nat) : subNatNat m 0 = ofNat m := by have h := subNatNat_add_left (m := 0) (n := m); rw [Nat.zero_add] at h; exact h
theorem zero_subNatNat (m : Nat) : subNatNat 0 m = negOfNat m := by cases m <;> rfl
theorem exists_subNatNat (a : Int) : ∃ m n, a = subNatNat m n := by
  cases a with
  | ofNat n => exact ⟨n, 0, (subNatNat_zero n).symm⟩
  | negSucc n => exact ⟨0, n + 1, rfl⟩
theorem subNatNat_cases (m n : Nat) : (∃ i, m = n + i) ∨ ∃ i, n = m + i + 1 := by
  rcases Nat.lt_or_ge m n with h | h
  · obtain ⟨i, e⟩ := Nat.le.dest h
    exact .inr ⟨i, by rw [← e, Nat.add_one_add]⟩
  · obtain ⟨i, e⟩ := Nat.le.dest h
    exact .inl ⟨i, e.symm⟩
theorem subNatNat_add_subNatNat (a b c d : Nat) : subNatNat a b + subNatNat c d = subNatNat (a + c) (b + d) := by
  rcases subNatNat_cases a b with ⟨i, rfl⟩ | ⟨i, rfl⟩ <;> rcases subNatNat_cases c d with ⟨j, rfl⟩ | ⟨j, rfl⟩
  · rw [subNatNat_add_left, subNatNat_add_left]; exact (subNatNat_zero _).symm.trans (subNatNat_eq (by ac_rfl))
  · rw [subNatNat_add_left, subNatNat_add_right]; exact subNatNat_eq (m := i) (n := j + 1) (by ac_rfl)
  · rw [subNatNat_add_left, subNatNat_add_right]; exact subNatNat_eq (m := j) (n := i + 1) (by ac_rfl)
  · rw [subNatNat_add_right, subNatNat_add_right]; exact subNatNat_eq (m := 0) (n := i + j + 1 + 1) (by ac_rfl)
theorem neg_subNatNat (a b : Nat) : -subNatNat a b = subNatNat b a := by
  rcases subNatNat_cases a b with ⟨i, rfl⟩ | ⟨i, rfl⟩
  · rw [subNatNat_add_left]
    cases i with
    | zero => exact subNatNat_eq (m := 0) (n := 0) (by ac_rfl)
    | succ i => exact subNatNat_eq (m := 0) (n := i + 1) (by ac_rfl)
  · rw [subNatNat_add_right]; exact (subNatNat_zero (i + 1)).symm.trans (subNatNat_eq (by ac_rfl))
theorem subNatNat_sub_subNatNat (a b c d : Nat) : subNatNat a b - subNatNat c d = subNatNat (a + d) (b + c) := by
  show subNatNat a b + -subNatNat c d = _
  rw [neg_subNatNat, subNatNat_add_subNatNat]
theorem subNatNat_mul_subNatNat (a b c d : Nat) : subNatNat a b * subNatNat c d = subNatNat (a * c + b * d) (a * d + b * c) := by
  rcases subNatNat_cases a b with ⟨i, rfl⟩ | ⟨i, rfl⟩ <;> rcases subNatNat_cases c d with ⟨j, rfl⟩ | ⟨j, rfl⟩
  · rw [subNatNat_add_left, subNatNat_add_left]
    exact (subNatNat_zero _).symm.trans (subNatNat_eq (by simp only [Nat.mul_add, Nat.add_mul]; ac_rfl))
  · rw [subNatNat_add_left, subNatNat_add_right]
    exact (zero_subNatNat _).symm.trans (subNatNat_eq (n := i * (j + 1)) (by simp only [Nat.mul_add, Nat.add_mul]; ac_rfl))
  · rw [subNatNat_add_left, subNatNat_add_right]
    exact (zero_subNatNat _).symm.trans (subNatNat_eq (n := (i + 1) * j) (by simp only [Nat.mul_add, Nat.add_mul]; ac_rfl))
  · rw [subNatNat_add_right, subNatNat_add_right]
    exact (subNatNat_zero _).symm.trans (subNatNat_eq (m := (i + 1) * (j + 1)) (by simp only [Nat.mul_add, Nat.add_mul]; ac_rfl))

/-! ## Natural numbers among the integers -/
/-- `ofNat n` is written `↑n`. -/
theorem ofNat_eq_natCast (n : Nat) : ofNat n = (n : Int) := rfl
/-- Numerals mean the same in both types. -/
@[simp, norm_cast] theorem natCast_ofNat {n : Nat} : @Nat.cast Int instNatCastInt (no_index (OfNat.ofNat n)) = OfNat.ofNat n := rfl
/-- The cast of zero. -/
@[simp, norm_cast] theorem natCast_zero : ((0 : Nat) : Int) = 0 := rfl
/-- The cast of one. -/
@[simp, norm_cast] theorem natCast_one : ((1 : Nat) : Int) = 1 := rfl
/-- The cast of a sum. -/
@[simp, norm_cast] theorem natCast_add (n m : Nat) : ((n + m : Nat) : Int) = n + m := rfl
/-- The cast of a successor. -/
theorem natCast_succ (n : Nat) : (Nat.succ n : Int) = n + 1 := rfl
/-- The cast of a product. -/
@[simp, norm_cast] theorem natCast_mul (n m : Nat) : ((n * m : Nat) : Int) = n * m := rfl
/-- Different natural numbers are different integers. -/
theorem ofNat_inj {m n : Nat} : (m : Int) = n ↔ m = n := ⟨fun h => by injection h, congrArg _⟩
/-- Casts are equal exactly when the numbers are. -/
@[simp, norm_cast] theorem natCast_inj {m n : Nat} : (m : Int) = n ↔ m = n := ofNat_inj
/-- The cast is zero only for zero. -/
@[simp] theorem natCast_eq_zero {n : Nat} : (n : Int) = 0 ↔ n = 0 := ofNat_inj
/-- `negSucc n` is `-(n + 1)`. -/
theorem negSucc_eq (n : Nat) : negSucc n = -((n : Int) + 1) := rfl
/-- An integer is a natural number or the negative of one. -/
theorem eq_nat_or_neg (a : Int) : ∃ n : Nat, a = n ∨ a = -n := by
  cases a with
  | ofNat n => exact ⟨n, .inl rfl⟩
  | negSucc n => exact ⟨n + 1, .inr rfl⟩
/-- The natural number of a cast. -/
@[simp] theorem toNat_natCast (n : Nat) : toNat n = n := rfl
/-- The distance of a natural number from zero is the number. -/
@[simp] theorem natAbs_natCast (n : Nat) : natAbs n = n := rfl
/-- A number and its negative are as far from zero. -/
@[simp] theorem natAbs_neg (a : Int) : natAbs (-a) = natAbs a := by
  cases a with
  | ofNat n => cases n <;> rfl
  | negSucc n => rfl
/-- Only zero has distance zero from zero. -/
@[simp] theorem natAbs_eq_zero {a : Int} : natAbs a = 0 ↔ a = 0 := by
  cases a with
  | ofNat n => exact ofNat_inj.symm
  | negSucc n => exact ⟨nofun, nofun⟩
/-- An integer is its distance from zero or the negative of it. -/
theorem natAbs_eq (a : Int) : a = natAbs a ∨ a = -natAbs a := by
  cases a with
  | ofNat n => exact .inl rfl
  | negSucc n => exact .inr rfl

/-! ## Addition, negation, subtraction -/
/-- Addition is commutative. -/
protected theorem add_comm (a b : Int) : a + b = b + a := by
  obtain ⟨i, j, rfl⟩ := exists_subNatNat a; obtain ⟨k, l, rfl⟩ := exists_subNatNat b
  rw [subNatNat_add_subNatNat, subNatNat_add_subNatNat, Nat.add_comm i, Nat.add_comm j]
/-- Addition is associative. -/
protected theorem add_assoc (a b c : Int) : a + b + c = a + (b + c) := by
  obtain ⟨i, j, rfl⟩ := exists_subNatNat a; obtain ⟨k, l, rfl⟩ := exists_subNatNat b; obtain ⟨m, n, rfl⟩ := exists_subNatNat c
  rw [subNatNat_add_subNatNat, subNatNat_add_subNatNat, subNatNat_add_subNatNat, subNatNat_add_subNatNat, Nat.add_assoc, Nat.add_assoc]
/-- Adding zero on the right changes nothing. -/
@[simp] protected theorem add_zero (a : Int) : a + 0 = a := by cases a <;> rfl
/-- Adding zero on the left changes nothing. -/
@[simp] protected theorem zero_add (a : Int) : 0 + a = a := by rw [Int.add_comm, Int.add_zero]
/-- The negative plus the number is zero. -/
@[simp] protected theorem add_left_neg (a : Int) : -a + a = 0 := by
  obtain ⟨i, j, rfl⟩ := exists_subNatNat a
  rw [neg_subNatNat, subNatNat_add_subNatNat]
  exact subNatNat_eq (k := 0) (l := 0) (by ac_rfl)
/-- The number plus its negative is zero. -/
@[simp] protected theorem add_right_neg (a : Int) : a + -a = 0 := by rw [Int.add_comm, Int.add_left_neg]
/-- The first two of three summands can be exchanged. -/
protected theorem add_left_comm (a b c : Int) : a + (b + c) = b + (a + c) := by rw [← Int.add_assoc, Int.add_comm a, Int.add_assoc]
/-- The last two of three summands can be exchanged. -/
protected theorem add_right_comm (a b c : Int) : a + b + c = a + c + b := by rw [Int.add_assoc, Int.add_comm b, Int.add_assoc]
instance instAssociativeAdd : Std.Associative (α := Int) (· + ·) := ⟨Int.add_assoc⟩
instance instCommutativeAdd : Std.Commutative (α := Int) (· + ·) := ⟨Int.add_comm⟩
instance instLawfulIdentityAdd : Std.LawfulIdentity (α := Int) (· + ·) 0 := ⟨Int.zero_add, Int.add_zero⟩
/-- A number added after its negative drops out. -/
@[simp] protected theorem neg_add_cancel_left (a b : Int) : -a + (a + b) = b := by rw [← Int.add_assoc, Int.add_left_neg, Int.zero_add]
/-- A negative added after its number drops out. -/
@[simp] protected theorem add_neg_cancel_left (a b : Int) : a + (-a + b) = b := by rw [← Int.add_assoc, Int.add_right_neg, Int.zero_add]
/-- A number and its negative on the right drop out. -/
@[simp] protected theorem add_neg_cancel_right (a b : Int) : a + b + -b = a := by rw [Int.add_assoc, Int.add_right_neg, Int.add_zero]
/-- A negative and its number on the right drop out. -/
@[simp] protected theorem neg_add_cancel_right (a b : Int) : a + -b + b = a := by rw [Int.add_assoc, Int.add_left_neg, Int.add_zero]
/-- A summand can be cancelled on the left. -/
protected theorem add_left_cancel {a b c : Int} (h : a + b = a + c) : b = c := by rw [← Int.neg_add_cancel_left a b, h, Int.neg_add_cancel_left]
/-- A summand can be cancelled on the right. -/
protected theorem add_right_cancel {a b c : Int} (h : a + b = c + b) : a = c := by rw [← Int.add_neg_cancel_right a b, h, Int.add_neg_cancel_right]
/-- Sums with the same left summand are equal exactly when the right ones are. -/
@[simp] protected theorem add_left_inj {i j : Int} (k : Int) : i + k = j + k ↔ i = j := ⟨Int.add_right_cancel, fun h => by rw [h]⟩
/-- Sums with the same right summand are equal exactly when the left ones are. -/
@[simp] protected theorem add_right_inj {i j : Int} (k : Int) : k + i = k + j ↔ i = j := ⟨Int.add_left_cancel, fun h => by rw [h]⟩
/-- Adding something leaves `a` unchanged exactly when it is zero. -/
@[simp] protected theorem add_eq_left {a b : Int} : a + b = a ↔ b = 0 := ⟨fun h => Int.add_left_cancel (h.trans (Int.add_zero a).symm), fun h => by rw [h, Int.add_zero]⟩
/-- Adding something on the left leaves `b` unchanged exactly when it is zero. -/
@[simp] protected theorem add_eq_right {a b : Int} : a + b = b ↔ a = 0 := by rw [Int.add_comm]; exact Int.add_eq_left
/-- Two negations cancel. -/
@[simp] protected theorem neg_neg (a : Int) : - -a = a := by
  obtain ⟨i, j, rfl⟩ := exists_subNatNat a
  rw [neg_subNatNat, neg_subNatNat]
/-- Minus zero is zero. -/
@[simp] protected theorem neg_zero : -(0 : Int) = 0 := rfl
/-- The negative of a sum is the sum of the negatives. -/
protected theorem neg_add {a b : Int} : -(a + b) = -a + -b := by
  obtain ⟨i, j, rfl⟩ := exists_subNatNat a; obtain ⟨k, l, rfl⟩ := exists_subNatNat b
  rw [subNatNat_add_subNatNat, neg_subNatNat, neg_subNatNat, neg_subNatNat, subNatNat_add_subNatNat]
/-- Negatives are equal exactly when the numbers are. -/
@[simp] protected theorem neg_inj {a b : Int} : -a = -b ↔ a = b := ⟨fun h => by rw [← Int.neg_neg a, h, Int.neg_neg], congrArg _⟩
/-- A negative is zero only for zero. -/
@[simp] protected theorem neg_eq_zero {a : Int} : -a = 0 ↔ a = 0 := Int.neg_inj (b := 0)
/-- What gives zero when added is the negative. -/
protected theorem eq_neg_of_add_eq_zero_left {a b : Int} (h : a + b = 0) : a = -b := by rw [← Int.add_neg_cancel_right a b, h, Int.zero_add]
/-- What must be added to give zero is the negative. -/
protected theorem neg_eq_of_add_eq_zero {a b : Int} (h : a + b = 0) : -a = b := by rw [← Int.neg_add_cancel_left a b, h, Int.add_zero]
/-- Subtracting is adding the negative. -/
protected theorem sub_eq_add_neg {a b : Int} : a - b = a + -b := rfl
/-- A number minus itself is zero. -/
@[simp] protected theorem sub_self (a : Int) : a - a = 0 := Int.add_right_neg a
/-- Subtracting zero changes nothing. -/
@[simp] protected theorem sub_zero (a : Int) : a - 0 = a := Int.add_zero a
/-- Zero minus a number is its negative. -/
@[simp] protected theorem zero_sub (a : Int) : 0 - a = -a := Int.zero_add (-a)
/-- Subtracting a negative is adding. -/
@[simp] protected theorem sub_neg (a b : Int) : a - -b = a + b := by rw [Int.sub_eq_add_neg, Int.neg_neg]
/-- The negative of a difference is the difference the other way round. -/
@[simp] protected theorem neg_sub (a b : Int) : -(a - b) = b - a := by
  rw [Int.sub_eq_add_neg, Int.neg_add, Int.neg_neg, Int.add_comm]; rfl
/-- Subtracting and adding again changes nothing. -/
@[simp] protected theorem sub_add_cancel (a b : Int) : a - b + b = a := Int.neg_add_cancel_right a b
/-- Adding and subtracting again changes nothing. -/
@[simp] protected theorem add_sub_cancel (a b : Int) : a + b - b = a := Int.add_neg_cancel_right a b
/-- The left summand taken away again leaves the right one. -/
@[simp] protected theorem add_sub_cancel_left (a b : Int) : a + b - a = b := by rw [Int.add_comm, Int.add_sub_cancel]
/-- Subtracting one number after the other is subtracting their sum. -/
protected theorem sub_sub (a b c : Int) : a - b - c = a - (b + c) := by
  rw [Int.sub_eq_add_neg, Int.sub_eq_add_neg, Int.sub_eq_add_neg, Int.neg_add, Int.add_assoc]
/-- A difference moves out of a sum. -/
protected theorem add_sub_assoc (a b c : Int) : a + b - c = a + (b - c) := Int.add_assoc a b (-c)
/-- Subtracting a difference adds what it takes away. -/
protected theorem sub_sub_self (a b : Int) : a - (a - b) = b := by
  rw [Int.sub_eq_add_neg, Int.neg_sub, Int.sub_eq_add_neg, Int.add_left_comm, Int.add_right_neg, Int.add_zero]
/-- A difference is zero exactly when the numbers are equal. -/
protected theorem sub_eq_zero {a b : Int} : a - b = 0 ↔ a = b :=
  ⟨fun h => by rw [← Int.sub_add_cancel a b, h, Int.zero_add], fun h => by rw [h, Int.sub_self]⟩
/-- A difference of equal numbers is zero. -/
protected theorem sub_eq_zero_of_eq {a b : Int} (h : a = b) : a - b = 0 := Int.sub_eq_zero.2 h
/-- Numbers whose difference is zero are equal. -/
protected theorem eq_of_sub_eq_zero {a b : Int} (h : a - b = 0) : a = b := Int.sub_eq_zero.1 h
/-- A summand moves to the other side as a difference. -/
protected theorem sub_eq_iff_eq_add {a b c : Int} : a - b = c ↔ a = c + b :=
  ⟨fun h => by rw [← h, Int.sub_add_cancel], fun h => by rw [h, Int.add_sub_cancel]⟩
/-- A subtraction of natural numbers that does not stop at zero. -/
@[norm_cast] theorem natCast_sub {m n : Nat} (h : m ≤ n) : ((n - m : Nat) : Int) = n - m := by
  obtain ⟨k, rfl⟩ := Nat.le.dest h
  rw [Nat.add_sub_cancel_left, natCast_add, Int.add_sub_cancel_left]

/-! ## Multiplication -/
/-- Multiplication is commutative. -/
protected theorem mul_comm (a b : Int) : a * b = b * a := by
  obtain ⟨i, j, rfl⟩ := exists_subNatNat a; obtain ⟨k, l, rfl⟩ := exists_subNatNat b
  rw [subNatNat_mul_subNatNat, subNatNat_mul_subNatNat]
  exact subNatNat_eq (by ac_rfl)
/-- Multiplication is associative. -/
protected theorem mul_assoc (a b c : Int) : a * b * c = a * (b * c) := by
  obtain ⟨i, j, rfl⟩ := exists_subNatNat a; obtain ⟨k, l, rfl⟩ := exists_subNatNat b; obtain ⟨m, n, rfl⟩ := exists_subNatNat c
  rw [subNatNat_mul_subNatNat, subNatNat_mul_subNatNat, subNatNat_mul_subNatNat, subNatNat_mul_subNatNat]
  exact subNatNat_eq (by simp only [Nat.mul_add, Nat.add_mul]; ac_rfl)
/-- Zero on the right makes a product zero. -/
@[simp] protected theorem mul_zero (a : Int) : a * 0 = 0 := by cases a <;> rfl
/-- Zero on the left makes a product zero. -/
@[simp] protected theorem zero_mul (a : Int) : 0 * a = 0 := by rw [Int.mul_comm, Int.mul_zero]
/-- One on the right of a product drops out. -/
@[simp] protected theorem mul_one (a : Int) : a * 1 = a := by
  obtain ⟨i, j, rfl⟩ := exists_subNatNat a
  exact (subNatNat_mul_subNatNat i j 1 0).trans (subNatNat_eq (by simp only [Nat.mul_zero, Nat.mul_one]; ac_rfl))
/-- One on the left of a product drops out. -/
@[simp] protected theorem one_mul (a : Int) : 1 * a = a := by rw [Int.mul_comm, Int.mul_one]
/-- Multiply a sum on the left. -/
protected theorem mul_add (a b c : Int) : a * (b + c) = a * b + a * c := by
  obtain ⟨i, j, rfl⟩ := exists_subNatNat a; obtain ⟨k, l, rfl⟩ := exists_subNatNat b; obtain ⟨m, n, rfl⟩ := exists_subNatNat c
  rw [subNatNat_add_subNatNat, subNatNat_mul_subNatNat, subNatNat_mul_subNatNat, subNatNat_mul_subNatNat, subNatNat_add_subNatNat]
  exact subNatNat_eq (by simp only [Nat.mul_add]; ac_rfl)
/-- Multiply a sum on the right. -/
protected theorem add_mul (a b c : Int) : (a + b) * c = a * c + b * c := by rw [Int.mul_comm, Int.mul_add, Int.mul_comm c a, Int.mul_comm c b]
/-- The first two of three factors can be exchanged. -/
protected theorem mul_left_comm (a b c : Int) : a * (b * c) = b * (a * c) := by rw [← Int.mul_assoc, Int.mul_comm a, Int.mul_assoc]
/-- The last two of three factors can be exchanged. -/
protected theorem mul_right_comm (a b c : Int) : a * b * c = a * c * b := by rw [Int.mul_assoc, Int.mul_comm b, Int.mul_assoc]
instance instAssociativeMul : Std.Associative (α := Int) (· * ·) := ⟨Int.mul_assoc⟩
instance instCommutativeMul : Std.Commutative (α := Int) (· * ·) := ⟨Int.mul_comm⟩
instance instLawfulIdentityMul : Std.LawfulIdentity (α := Int) (· * ·) 1 := ⟨Int.one_mul, Int.mul_one⟩
/-- A minus moves out of a product from the left factor. -/
@[simp] protected theorem neg_mul (a b : Int) : -a * b = -(a * b) :=
  (Int.neg_eq_of_add_eq_zero (by rw [← Int.add_mul, Int.add_right_neg, Int.zero_mul])).symm
/-- A minus moves out of a product from the right factor. -/
@[simp] protected theorem mul_neg (a b : Int) : a * -b = -(a * b) := by rw [Int.mul_comm, Int.neg_mul, Int.mul_comm]
/-- Minus times minus is plus. -/
protected theorem neg_mul_neg (a b : Int) : -a * -b = a * b := by rw [Int.neg_mul, Int.mul_neg, Int.neg_neg]
/-- The negative is the product with minus one. -/
protected theorem neg_eq_neg_one_mul (a : Int) : -a = -1 * a := by rw [Int.neg_mul, Int.one_mul]
/-- Multiply a difference on the left. -/
protected theorem mul_sub (a b c : Int) : a * (b - c) = a * b - a * c := by rw [Int.sub_eq_add_neg, Int.mul_add, Int.mul_neg]; rfl
/-- Multiply a difference on the right. -/
protected theorem sub_mul (a b c : Int) : (a - b) * c = a * c - b * c := by rw [Int.sub_eq_add_neg, Int.add_mul, Int.neg_mul]; rfl
/-- Twice a number is the number added to itself. -/
protected theorem two_mul (a : Int) : 2 * a = a + a := (Int.add_mul 1 1 a).trans (by rw [Int.one_mul])
/-- Distances from zero multiply. -/
theorem natAbs_mul (a b : Int) : natAbs (a * b) = natAbs a * natAbs b := by
  rcases natAbs_eq a with h | h <;> rcases natAbs_eq b with k | k <;> rw [h, k] <;>
    simp only [Int.neg_mul, Int.mul_neg, natAbs_neg, ← natCast_mul, natAbs_natCast]
/-- A product is zero exactly when a factor is. -/
@[simp] protected theorem mul_eq_zero {a b : Int} : a * b = 0 ↔ a = 0 ∨ b = 0 := by
  rw [← natAbs_eq_zero, natAbs_mul, Nat.mul_eq_zero, natAbs_eq_zero, natAbs_eq_zero]
/-- A product of numbers that are not zero is not zero. -/
protected theorem mul_ne_zero {a b : Int} (ha : a ≠ 0) (hb : b ≠ 0) : a * b ≠ 0 := fun h => (Int.mul_eq_zero.1 h).elim ha hb
/-- A factor that is not zero can be cancelled on the left. -/
protected theorem eq_of_mul_eq_mul_left {a b c : Int} (ha : a ≠ 0) (h : a * b = a * c) : b = c :=
  Int.eq_of_sub_eq_zero ((Int.mul_eq_zero.1 (by rw [Int.mul_sub, h, Int.sub_self])).resolve_left ha)
/-- A factor that is not zero can be cancelled on the right. -/
protected theorem eq_of_mul_eq_mul_right {a b c : Int} (ha : a ≠ 0) (h : b * a = c * a) : b = c :=
  Int.eq_of_mul_eq_mul_left ha (by rw [Int.mul_comm a, h, Int.mul_comm])
/-- The difference of two squares. -/
protected theorem mul_self_sub_mul_self (a b : Int) : a * a - b * b = (a + b) * (a - b) := by
  rw [Int.add_mul, Int.mul_sub, Int.mul_sub, Int.mul_comm b a, ← Int.add_sub_assoc, Int.sub_add_cancel]
/-- Every number to the power zero is one. -/
@[simp] protected theorem pow_zero (b : Int) : b ^ 0 = 1 := rfl
/-- One more in the exponent multiplies once more. -/
protected theorem pow_succ (b : Int) (n : Nat) : b ^ (n + 1) = b ^ n * b := rfl
/-- A number to the power two is its product with itself. -/
protected theorem pow_two (a : Int) : a ^ 2 = a * a := by rw [Int.pow_succ, Int.pow_succ, Int.pow_zero, Int.one_mul]
/-- Exponents add. -/
protected theorem pow_add (a : Int) (m n : Nat) : a ^ (m + n) = a ^ m * a ^ n := by
  induction n with
  | zero => rw [Nat.add_zero, Int.pow_zero, Int.mul_one]
  | succ n ih => rw [← Nat.add_assoc, Int.pow_succ, Int.pow_succ, ih, Int.mul_assoc]
/-- The cast of a power. -/
@[simp, norm_cast] theorem natCast_pow (b n : Nat) : ((b ^ n : Nat) : Int) = (b : Int) ^ n := by
  induction n with
  | zero => rfl
  | succ n ih => rw [Nat.pow_succ, natCast_mul, ih]; rfl
end Int

prelude
import Fd.Int.Div
import Fd.Nat.Gcd
import Fd.Classical
/-!
What `omega` asks for. It states its problem as linear combinations of atoms (`LinearCombo`), keeps bounds (`Constraint`) for
lists of coefficients, and combines them until one is impossible; the kernel computes each step again with the functions here,
which must therefore give what the official functions of the same names give. Only the constants that `omega` names are named after those;
its `Fin`, shifts and `Prod.Lex` have no counterpart in this library.
-/
set_option autoImplicit false
set_option linter.defProp false
universe u v

/-! ## Facts that `omega` derives -/
theorem le_of_le_of_eq {α : Type u} {a b c : α} [LE α] (h₁ : a ≤ b) (h₂ : b = c) : a ≤ c := h₂ ▸ h₁
noncomputable def Exists.choose {α : Sort u} {p : α → Prop} (h : ∃ a, p a) : α := Classical.choose h
theorem Exists.choose_spec {α : Sort u} {p : α → Prop} (h : ∃ a, p a) : p h.choose := Classical.choose_spec h
theorem Decidable.of_not_not {p : Prop} [Decidable p] (h : ¬¬p) : p := Decidable.not_not.1 h
theorem Decidable.not_or_of_imp {a b : Prop} [Decidable a] (h : a → b) : ¬a ∨ b := if k : a then .inr (h k) else .inl k
theorem Nat.le_of_not_lt {a b : Nat} (h : ¬(a < b)) : b ≤ a := Nat.not_lt.1 h
theorem Nat.lt_of_not_le {a b : Nat} (h : ¬(a ≤ b)) : b < a := Nat.not_le.1 h
theorem Nat.emod_pos_of_not_dvd {a b : Nat} (h : ¬(a ∣ b)) : 0 < b % a := Nat.pos_of_ne_zero (fun e => h (Nat.dvd_of_mod_eq_zero e))
theorem Int.emod_pos_of_not_dvd {a b : Int} (h : ¬(a ∣ b)) : a = 0 ∨ 0 < b % a :=
  (Classical.em (a = 0)).elim .inl (fun n => .inr (Int.lt_of_le_of_ne (Int.emod_nonneg b n) (fun e => h (Int.dvd_of_emod_eq_zero e.symm))))
theorem Int.toNat_eq_max (a : Int) : (toNat a : Int) = max a 0 := by
  cases a with
  | ofNat n => cases n <;> rfl
  | negSucc n => rfl
/-- The remainder by `m` nearest to zero. -/
def Int.bmod (x : Int) (m : Nat) : Int := if x % m < (m + 1) / 2 then x % m else x % m - m
theorem Int.dvd_bmod_sub (x : Int) (m : Nat) : (m : Int) ∣ Int.bmod x m - x := by
  have d : (m : Int) ∣ x % m - x := ⟨-(x / m), by rw [Int.emod_def, Int.sub_eq_add_neg, Int.sub_eq_add_neg, Int.add_right_comm, Int.add_right_neg, Int.zero_add, Int.mul_neg]⟩
  unfold Int.bmod
  split
  · exact d
  · rw [Int.sub_eq_add_neg, Int.sub_eq_add_neg, Int.add_right_comm]; exact Int.dvd_sub d (Int.dvd_refl _)
namespace Lean.Omega
namespace Int
theorem add_congr {a b c d : Int} (h₁ : a = b) (h₂ : c = d) : a + c = b + d := by rw [h₁, h₂]
theorem sub_congr {a b c d : Int} (h₁ : a = b) (h₂ : c = d) : a - c = b - d := by rw [h₁, h₂]
theorem mul_congr {a b c d : Int} (h₁ : a = b) (h₂ : c = d) : a * c = b * d := by rw [h₁, h₂]
theorem neg_congr {a b : Int} (h : a = b) : -a = -b := by rw [h]
theorem lt_of_not_le {x y : Int} (h : ¬(x ≤ y)) : y < x := Int.not_le.1 h
theorem le_of_not_lt {x y : Int} (h : ¬(x < y)) : y ≤ x := Int.not_lt.1 h
theorem lt_of_gt {x y : Int} (h : x > y) : y < x := h
theorem le_of_ge {x y : Int} (h : x ≥ y) : y ≤ x := h
theorem natCast_ofNat {x : Nat} : @Nat.cast Int instNatCastInt (no_index (OfNat.ofNat x)) = OfNat.ofNat x := rfl
theorem ofNat_congr {a b : Nat} (h : a = b) : (a : Int) = b := congrArg _ h
theorem ofNat_lt_of_lt {x y : Nat} (h : x < y) : (x : Int) < y := Int.ofNat_lt.2 h
theorem ofNat_le_of_le {x y : Nat} (h : x ≤ y) : (x : Int) ≤ y := Int.ofNat_le.2 h
theorem ofNat_pos_of_pos {a : Nat} (h : 0 < a) : 0 < (a : Int) := Int.ofNat_lt.2 h
theorem ofNat_mul_nonneg {a b : Nat} : 0 ≤ (a : Int) * b := Int.natCast_nonneg (a * b)
theorem emod_ofNat_nonneg {x : Nat} {y : Int} : 0 ≤ (x : Int) % y := Int.natCast_nonneg (x % Int.natAbs y)
theorem ofNat_pow (a b : Nat) : ((a ^ b : Nat) : Int) = (a : Int) ^ b := Int.natCast_pow a b
theorem pos_pow_of_pos (a : Int) (b : Nat) (h : 0 < a) : 0 < a ^ b := by
  obtain ⟨n, rfl⟩ := Int.eq_natCast_of_zero_le (Int.le_of_lt h)
  rw [← Int.natCast_pow]
  exact Int.ofNat_lt.2 (Nat.pow_pos (Int.ofNat_lt.1 h))
theorem ofNat_sub_sub {a b c : Nat} : ((a - b - c : Nat) : Int) = ((a - (b + c) : Nat) : Int) := congrArg _ (Nat.sub_sub a b c)
theorem ofNat_sub_dichotomy {a b : Nat} : b ≤ a ∧ ((a - b : Nat) : Int) = a - b ∨ a < b ∧ ((a - b : Nat) : Int) = 0 :=
  (Nat.lt_or_ge a b).symm.imp (fun h => ⟨h, Int.natCast_sub h⟩) (fun h => ⟨h, congrArg _ (Nat.sub_eq_zero_of_le (Nat.le_of_lt h))⟩)
theorem ofNat_min (a b : Nat) : ((min a b : Nat) : Int) = min (a : Int) b := by
  rw [Int.min_def]
  split
  · rw [Nat.min_eq_left (Int.ofNat_le.1 ‹_›)]
  · rw [Nat.min_eq_right (Nat.le_of_lt (Int.ofNat_lt.1 (Int.not_le.1 ‹_›)))]
theorem ofNat_max (a b : Nat) : ((max a b : Nat) : Int) = max (a : Int) b := by
  rw [Int.max_def]
  split
  · rw [Nat.max_eq_right (Int.ofNat_le.1 ‹_›)]
  · rw [Nat.max_eq_left (Nat.le_of_lt (Int.ofNat_lt.1 (Int.not_le.1 ‹_›)))]
theorem ofNat_natAbs (a : Int) : (a.natAbs : Int) = if 0 ≤ a then a else -a := by
  split
  · exact Int.natAbs_of_nonneg ‹_›
  · exact Int.ofNat_natAbs_of_nonpos (Int.le_of_lt (Int.not_le.1 ‹_›))
theorem neg_le_natAbs {a : Int} : -a ≤ a.natAbs := Int.natAbs_neg a ▸ Int.le_natAbs
theorem ofNat_fst_mk {β : Type v} {x : Nat} {y : β} : (Prod.mk x y).fst = (x : Int) := rfl
theorem ofNat_snd_mk {α : Type u} {x : α} {y : Nat} : (Prod.mk x y).snd = (y : Int) := rfl
end Int
namespace Nat
theorem lt_of_gt {x y : Nat} (h : x > y) : y < x := h
theorem le_of_ge {x y : Nat} (h : x ≥ y) : y ≤ x := h
end Nat
namespace Prod
theorem fst_mk {α : Type u} {x : α} {β : Type v} {y : β} : (Prod.mk x y).fst = x := rfl
theorem snd_mk {α : Type u} {x : α} {β : Type v} {y : β} : (Prod.mk x y).snd = y := rfl
end Prod
theorem and_not_not_of_not_or {p q : Prop} (h : ¬(p ∨ q)) : ¬p ∧ ¬q := not_or.1 h
theorem ite_disjunction {α : Type u} {P : Prop} [Decidable P] {a b : α} : (P ∧ (if P then a else b) = a) ∨ (¬P ∧ (if P then a else b) = b) :=
  if h : P then .inl ⟨h, if_pos h⟩ else .inr ⟨h, if_neg h⟩
namespace Decidable
theorem or_not_not_of_not_and {p q : Prop} [Decidable p] [Decidable q] (h : ¬(p ∧ q)) : ¬p ∨ ¬q := Classical.not_and_iff_not_or_not.1 h
theorem and_or_not_and_not_of_iff {p q : Prop} [Decidable q] (h : p ↔ q) : (p ∧ q) ∨ (¬p ∧ ¬q) :=
  if k : q then .inl ⟨h.2 k, k⟩ else .inr ⟨fun x => k (h.1 x), k⟩
theorem and_not_or_not_and_of_not_iff {a b : Prop} [Decidable a] [Decidable b] (h : ¬(a ↔ b)) : a ∧ ¬b ∨ ¬a ∧ b :=
  if k : a then .inl ⟨k, fun y => h (iff_of_true k y)⟩ else .inr ⟨k, Classical.byContradiction (fun n => h (iff_of_false k n))⟩
theorem and_not_of_not_imp {a b : Prop} [Decidable a] (h : ¬(a → b)) : a ∧ ¬b := Classical.not_imp.1 h
end Decidable

/-! ## Coefficients -/
abbrev Coeffs := List Int
namespace Coeffs
abbrev ofList (xs : List Int) : Coeffs := xs
abbrev isZero (xs : Coeffs) : Prop := ∀ x, x ∈ xs → x = 0
abbrev length (xs : Coeffs) : Nat := List.length xs
def get : Coeffs → Nat → Int
  | [], _ => 0
  | x :: _, 0 => x
  | _ :: xs, i + 1 => get xs i
def set : Coeffs → Nat → Int → Coeffs
  | [], 0, y => [y]
  | [], i + 1, y => 0 :: set [] i y
  | _ :: xs, 0, y => y :: xs
  | x :: xs, i + 1, y => x :: set xs i y
def leading : Coeffs → Int
  | [] => 0
  | x :: xs => if x = 0 then leading xs else x
def gcd : Coeffs → Nat
  | [] => 0
  | x :: xs => Nat.gcd (Int.natAbs x) (gcd xs)
def smul : Coeffs → Int → Coeffs
  | [], _ => []
  | x :: xs, a => a * x :: smul xs a
def sdiv : Coeffs → Int → Coeffs
  | [], _ => []
  | x :: xs, d => x / d :: sdiv xs d
def bmod : Coeffs → Nat → Coeffs
  | [], _ => []
  | x :: xs, m => Int.bmod x m :: bmod xs m
def combo (a : Int) : Coeffs → Int → Coeffs → Coeffs
  | [], b, ys => smul ys b
  | x :: xs, _, [] => smul (x :: xs) a
  | x :: xs, b, y :: ys => (a * x + b * y) :: combo a xs b ys
def dot : Coeffs → Coeffs → Int
  | [], _ => 0
  | _ :: _, [] => 0
  | x :: xs, y :: ys => x * y + dot xs ys
theorem dot_nil (xs : Coeffs) : dot xs [] = 0 := by cases xs <;> rfl
theorem dot_smul (xs : Coeffs) (a : Int) (v : Coeffs) : dot (smul xs a) v = a * dot xs v := by
  induction xs generalizing v with
  | nil => exact (Int.mul_zero a).symm
  | cons x xs ih => cases v with
    | nil => exact (Int.mul_zero a).symm
    | cons z v => simp only [smul, dot, ih, Int.mul_add, Int.mul_assoc]
theorem dot_combo (a : Int) (xs : Coeffs) (b : Int) (ys v : Coeffs) : dot (combo a xs b ys) v = a * dot xs v + b * dot ys v := by
  induction xs generalizing ys v with
  | nil => simp only [combo, dot_smul, dot, Int.mul_zero, Int.zero_add]
  | cons x xs ih => cases ys with
    | nil => simp only [combo, dot_smul, dot, Int.mul_zero, Int.add_zero]
    | cons y ys => cases v with
      | nil => simp only [combo, dot, Int.mul_zero, Int.add_zero]
      | cons z v => simp only [combo, dot, ih, Int.mul_add, Int.add_mul, Int.mul_assoc]; ac_rfl
theorem dot_of_isZero {xs : Coeffs} (h : isZero xs) (v : Coeffs) : dot xs v = 0 := by
  induction xs generalizing v with
  | nil => rfl
  | cons x xs ih => cases v with
    | nil => rfl
    | cons z v => rw [dot, h x List.mem_cons_self, ih (fun y m => h y (List.mem_cons_of_mem x m)), Int.zero_mul, Int.zero_add]
theorem dot_set (xs v : Coeffs) (i : Nat) (y : Int) : dot (set xs i y) v = dot xs v + (y - get xs i) * get v i := by
  induction i generalizing xs v with
  | zero => cases xs with
    | nil => cases v with
      | nil => simp only [set, dot, get, Int.mul_zero, Int.add_zero]
      | cons z v => simp only [set, dot, get, Int.sub_zero, Int.add_zero, Int.zero_add]
    | cons x xs => cases v with
      | nil => simp only [set, dot, get, Int.mul_zero, Int.add_zero]
      | cons z v => simp only [set, dot, get, Int.sub_mul]; rw [Int.add_right_comm, Int.add_comm (x * z), Int.sub_add_cancel]
  | succ i ih => cases xs with
    | nil => cases v with
      | nil => simp only [set, dot, get, Int.mul_zero, Int.add_zero]
      | cons z v => simp only [set, dot, get, ih, Int.zero_mul, Int.zero_add]
    | cons x xs => cases v with
      | nil => simp only [set, dot, get, Int.mul_zero, Int.add_zero]
      | cons z v => simp only [set, dot, get, ih, Int.add_assoc]
theorem get_of_length_le {xs : Coeffs} {i : Nat} (h : length xs ≤ i) : get xs i = 0 := by
  induction xs generalizing i with
  | nil => rfl
  | cons x xs ih => cases i with
    | zero => exact absurd h (Nat.not_succ_le_zero _)
    | succ i => exact ih (Nat.le_of_succ_le_succ h)
theorem bmod_length (xs : Coeffs) (m : Nat) : length (bmod xs m) = length xs := by
  induction xs with
  | nil => rfl
  | cons x xs ih => exact congrArg Nat.succ ih
theorem dvd_dot_bmod_sub (m : Nat) (xs v : Coeffs) : (m : Int) ∣ dot (bmod xs m) v - dot xs v := by
  induction xs generalizing v with
  | nil => exact Int.dvd_zero _
  | cons x xs ih => cases v with
    | nil => exact Int.dvd_zero _
    | cons z v =>
      have e : dot (bmod (x :: xs) m) (z :: v) - dot (x :: xs) (z :: v) = (Int.bmod x m - x) * z + (dot (bmod xs m) v - dot xs v) := by
        simp only [bmod, dot, Int.sub_eq_add_neg, Int.neg_add, Int.add_mul, Int.neg_mul]; ac_rfl
      rw [e]
      exact Int.dvd_add (Int.dvd_mul_of_dvd_left (Int.dvd_bmod_sub x m) z) (ih v)
theorem gcd_dvd {xs : Coeffs} {x : Int} (h : x ∈ xs) : (gcd xs : Int) ∣ x := by
  rw [Int.natCast_dvd]
  induction xs with
  | nil => exact absurd h List.not_mem_nil
  | cons y xs ih =>
    rcases List.mem_cons.1 h with rfl | h
    · exact Nat.gcd_dvd_left _ _
    · exact Nat.dvd_trans (Nat.gcd_dvd_right _ _) (ih h)
theorem mul_dot_sdiv {d : Int} (xs v : Coeffs) (h : ∀ x, x ∈ xs → d ∣ x) : d * dot (sdiv xs d) v = dot xs v := by
  induction xs generalizing v with
  | nil => exact Int.mul_zero d
  | cons x xs ih => cases v with
    | nil => exact Int.mul_zero d
    | cons z v => rw [sdiv, dot, dot, Int.mul_add, ih v (fun y m => h y (List.mem_cons_of_mem x m)), ← Int.mul_assoc, Int.mul_ediv_cancel' (h x List.mem_cons_self)]
end Coeffs

/-! ## Linear combinations -/
structure LinearCombo where
  const : Int
  coeffs : Coeffs
namespace LinearCombo
def eval (l : LinearCombo) (v : Coeffs) : Int := l.const + l.coeffs.dot v
def coordinate (i : Nat) : LinearCombo := ⟨0, Coeffs.set [] i 1⟩
instance instAdd : Add LinearCombo := ⟨fun l k => ⟨l.const + k.const, Coeffs.combo 1 l.coeffs 1 k.coeffs⟩⟩
instance instSub : Sub LinearCombo := ⟨fun l k => ⟨l.const - k.const, Coeffs.combo 1 l.coeffs (-1) k.coeffs⟩⟩
instance instNeg : Neg LinearCombo := ⟨fun l => ⟨-l.const, Coeffs.smul l.coeffs (-1)⟩⟩
def mul (l k : LinearCombo) : LinearCombo := ⟨l.const * k.const, Coeffs.combo k.const l.coeffs l.const k.coeffs⟩
theorem add_eval (l k : LinearCombo) (v : Coeffs) : (l + k).eval v = l.eval v + k.eval v := by
  show l.const + k.const + Coeffs.dot (Coeffs.combo 1 l.coeffs 1 k.coeffs) v = l.const + _ + (k.const + _)
  rw [Coeffs.dot_combo, Int.one_mul, Int.one_mul]; ac_rfl
theorem sub_eval (l k : LinearCombo) (v : Coeffs) : (l - k).eval v = l.eval v - k.eval v := by
  show l.const - k.const + Coeffs.dot (Coeffs.combo 1 l.coeffs (-1) k.coeffs) v = l.const + _ - (k.const + _)
  rw [Coeffs.dot_combo, Int.one_mul, ← Int.neg_eq_neg_one_mul, Int.sub_eq_add_neg, Int.sub_eq_add_neg, Int.neg_add]; ac_rfl
theorem neg_eval (l : LinearCombo) (v : Coeffs) : (-l).eval v = -l.eval v := by
  show -l.const + Coeffs.dot (Coeffs.smul l.coeffs (-1)) v = -(l.const + _)
  rw [Coeffs.dot_smul, ← Int.neg_eq_neg_one_mul, Int.neg_add]
theorem mul_eval (l k : LinearCombo) (v : Coeffs) (h : l.coeffs.isZero ∨ k.coeffs.isZero) : (mul l k).eval v = l.eval v * k.eval v := by
  show l.const * k.const + Coeffs.dot (Coeffs.combo k.const l.coeffs l.const k.coeffs) v = (l.const + _) * (k.const + _)
  rw [Coeffs.dot_combo]
  rcases h with h | h
  · rw [Coeffs.dot_of_isZero h, Int.mul_zero, Int.zero_add, Int.add_zero, Int.mul_add]
  · rw [Coeffs.dot_of_isZero h, Int.mul_zero, Int.add_zero, Int.add_zero, Int.add_mul, Int.mul_comm k.const]
theorem coordinate_eval (i : Nat) (v : Coeffs) : (coordinate i).eval v = v.get i := by
  show 0 + Coeffs.dot (Coeffs.set [] i 1) v = _
  rw [Int.zero_add, Coeffs.dot_set]
  show 0 + (1 - 0) * _ = _
  rw [Int.zero_add, Int.sub_zero, Int.one_mul]
variable {a0 a1 a2 a3 a4 a5 a6 a7 a8 a9 : Int} {t : List Int}
theorem coordinate_eval_0 : (coordinate 0).eval (.ofList (a0 :: t)) = a0 := coordinate_eval 0 _
theorem coordinate_eval_1 : (coordinate 1).eval (.ofList (a0 :: a1 :: t)) = a1 := coordinate_eval 1 _
theorem coordinate_eval_2 : (coordinate 2).eval (.ofList (a0 :: a1 :: a2 :: t)) = a2 := coordinate_eval 2 _
theorem coordinate_eval_3 : (coordinate 3).eval (.ofList (a0 :: a1 :: a2 :: a3 :: t)) = a3 := coordinate_eval 3 _
theorem coordinate_eval_4 : (coordinate 4).eval (.ofList (a0 :: a1 :: a2 :: a3 :: a4 :: t)) = a4 := coordinate_eval 4 _
theorem coordinate_eval_5 : (coordinate 5).eval (.ofList (a0 :: a1 :: a2 :: a3 :: a4 :: a5 :: t)) = a5 := coordinate_eval 5 _
theorem coordinate_eval_6 : (coordinate 6).eval (.ofList (a0 :: a1 :: a2 :: a3 :: a4 :: a5 :: a6 :: t)) = a6 := coordinate_eval 6 _
theorem coordinate_eval_7 : (coordinate 7).eval (.ofList (a0 :: a1 :: a2 :: a3 :: a4 :: a5 :: a6 :: a7 :: t)) = a7 := coordinate_eval 7 _
theorem coordinate_eval_8 : (coordinate 8).eval (.ofList (a0 :: a1 :: a2 :: a3 :: a4 :: a5 :: a6 :: a7 :: a8 :: t)) = a8 := coordinate_eval 8 _
theorem coordinate_eval_9 : (coordinate 9).eval (.ofList (a0 :: a1 :: a2 :: a3 :: a4 :: a5 :: a6 :: a7 :: a8 :: a9 :: t)) = a9 := coordinate_eval 9 _
end LinearCombo

/-! ## Constraints -/
structure Constraint where
  lowerBound : Option Int
  upperBound : Option Int
namespace Constraint
def below : Option Int → Int → Prop
  | none, _ => True
  | some l, t => l ≤ t
def above : Option Int → Int → Prop
  | none, _ => True
  | some u, t => t ≤ u
instance decBelow : (b : Option Int) → (t : Int) → Decidable (below b t)
  | none, _ => instDecidableTrue
  | some l, t => Int.decLe l t
instance decAbove : (b : Option Int) → (t : Int) → Decidable (above b t)
  | none, _ => instDecidableTrue
  | some u, t => Int.decLe t u
abbrev sat (c : Constraint) (t : Int) : Prop := below c.lowerBound t ∧ above c.upperBound t
abbrev sat' (c : Constraint) (x v : Coeffs) : Prop := c.sat (Coeffs.dot x v)
def isImpossible (c : Constraint) : Bool :=
  match c.lowerBound, c.upperBound with
  | some l, some u => decide (u < l)
  | _, _ => false
def map (c : Constraint) (f : Int → Int) : Constraint := ⟨c.lowerBound.map f, c.upperBound.map f⟩
def flip (c : Constraint) : Constraint := ⟨c.upperBound, c.lowerBound⟩
def exact (r : Int) : Constraint := ⟨some r, some r⟩
def scale (k : Int) (c : Constraint) : Constraint :=
  if k = 0 then (if c.isImpossible = true then c else ⟨some 0, some 0⟩) else if 0 < k then c.map (k * ·) else c.flip.map (k * ·)
def sum : Option Int → Option Int → Option Int
  | some a, some b => some (a + b)
  | _, _ => none
def combo (a : Int) (c : Constraint) (b : Int) (d : Constraint) : Constraint :=
  ⟨sum (scale a c).lowerBound (scale b d).lowerBound, sum (scale a c).upperBound (scale b d).upperBound⟩
def merge (f : Int → Int → Int) : Option Int → Option Int → Option Int
  | none, b => b
  | some a, none => some a
  | some a, some b => some (f a b)
def combine (c d : Constraint) : Constraint := ⟨merge max c.lowerBound d.lowerBound, merge min c.upperBound d.upperBound⟩
def div (c : Constraint) (k : Nat) : Constraint := ⟨c.lowerBound.map (fun l => -(-l / k)), c.upperBound.map (· / k)⟩
theorem below_map {b : Option Int} {t s : Int} {f : Int → Int} (h : ∀ l, l ≤ t → f l ≤ s) (k : below b t) : below (b.map f) s := by
  cases b with
  | none => exact k
  | some l => exact h l k
theorem above_map {b : Option Int} {t s : Int} {f : Int → Int} (h : ∀ u, t ≤ u → s ≤ f u) (k : above b t) : above (b.map f) s := by
  cases b with
  | none => exact k
  | some u => exact h u k
theorem above_map_below {b : Option Int} {t s : Int} {f : Int → Int} (h : ∀ l, l ≤ t → s ≤ f l) (k : below b t) : above (b.map f) s := by
  cases b with
  | none => exact k
  | some l => exact h l k
theorem below_map_above {b : Option Int} {t s : Int} {f : Int → Int} (h : ∀ u, t ≤ u → f u ≤ s) (k : above b t) : below (b.map f) s := by
  cases b with
  | none => exact k
  | some u => exact h u k
theorem not_sat_of_isImpossible {c : Constraint} (h : c.isImpossible = true) {t : Int} : ¬c.sat t := by
  obtain ⟨l, u⟩ := c
  cases l with
  | none => exact Bool.noConfusion h
  | some l => cases u with
    | none => exact Bool.noConfusion h
    | some u => exact fun k => Int.lt_irrefl t (Int.lt_of_le_of_lt k.2 (Int.lt_of_lt_of_le (of_decide_eq_true h) k.1))
theorem not_sat'_of_isImpossible {c : Constraint} (h : c.isImpossible = true) {x v : Coeffs} : ¬c.sat' x v := not_sat_of_isImpossible h
theorem scale_sat {c : Constraint} {t : Int} (k : Int) (h : c.sat t) : (scale k c).sat (k * t) := by
  unfold scale
  by_cases z : k = 0
  · rw [if_pos z, if_neg (fun e => not_sat_of_isImpossible e h), z, Int.zero_mul]; exact ⟨Int.le_refl 0, Int.le_refl 0⟩
  · rw [if_neg z]
    by_cases p : 0 < k
    · rw [if_pos p]
      exact ⟨below_map (fun l m => Int.mul_le_mul_of_nonneg_left m (Int.le_of_lt p)) h.1, above_map (fun u m => Int.mul_le_mul_of_nonneg_left m (Int.le_of_lt p)) h.2⟩
    · rw [if_neg p]
      have n := Int.not_lt.1 p
      exact ⟨below_map_above (fun u m => Int.mul_le_mul_of_nonpos_left n m) h.2, above_map_below (fun l m => Int.mul_le_mul_of_nonpos_left n m) h.1⟩
theorem combo_sat {c d : Constraint} {s t : Int} (a b : Int) (hc : c.sat s) (hd : d.sat t) : (combo a c b d).sat (a * s + b * t) := by
  have hc := scale_sat a hc
  have hd := scale_sat b hd
  unfold combo
  constructor
  · have hc := hc.1
    have hd := hd.1
    show below (sum (scale a c).lowerBound (scale b d).lowerBound) _
    cases e : (scale a c).lowerBound <;> cases f : (scale b d).lowerBound <;> rw [e] at hc <;> rw [f] at hd
    · exact .intro
    · exact .intro
    · exact .intro
    · exact Int.add_le_add hc hd
  · have hc := hc.2
    have hd := hd.2
    show above (sum (scale a c).upperBound (scale b d).upperBound) _
    cases e : (scale a c).upperBound <;> cases f : (scale b d).upperBound <;> rw [e] at hc <;> rw [f] at hd
    · exact .intro
    · exact .intro
    · exact .intro
    · exact Int.add_le_add hc hd
theorem combine_sat' {c d : Constraint} {x v : Coeffs} (hc : c.sat' x v) (hd : d.sat' x v) : (c.combine d).sat' x v := by
  obtain ⟨l, u⟩ := c; obtain ⟨m, w⟩ := d
  constructor
  · cases l with
    | none => exact hd.1
    | some l => cases m with
      | none => exact hc.1
      | some m => exact Int.max_le.2 ⟨hc.1, hd.1⟩
  · cases u with
    | none => exact hd.2
    | some u => cases w with
      | none => exact hc.2
      | some w => exact Int.le_min.2 ⟨hc.2, hd.2⟩
theorem div_sat {c : Constraint} {k : Nat} {t : Int} (hk : k ≠ 0) (h : c.sat (k * t)) : (c.div k).sat t := by
  have p : (0 : Int) < k := Int.ofNat_lt.2 (Nat.pos_of_ne_zero hk)
  refine ⟨below_map (fun l m => ?_) h.1, above_map (fun u m => Int.le_ediv_of_mul_le p m) h.2⟩
  have q : -t ≤ -l / k := Int.le_ediv_of_mul_le p (by rw [Int.mul_neg]; exact Int.neg_le_neg m)
  have r := Int.neg_le_neg q
  rw [Int.neg_neg] at r
  exact r
theorem addInequality_sat {c : Int} {x v : Coeffs} (h : c + Coeffs.dot x v ≥ 0) : sat' ⟨some (-c), none⟩ x v :=
  ⟨by have k := Int.add_le_add_left h (-c); rw [Int.neg_add_cancel_left, Int.add_zero] at k; exact k, .intro⟩
theorem addEquality_sat {c : Int} {x v : Coeffs} (h : c + Coeffs.dot x v = 0) : sat' ⟨some (-c), some (-c)⟩ x v :=
  have e : -c = Coeffs.dot x v := Int.neg_eq_of_add_eq_zero h
  ⟨Int.le_of_eq e, Int.le_of_eq e.symm⟩
end Constraint
def positivizeConstraint (s : Constraint) (x : Coeffs) : Constraint := if 0 ≤ x.leading then s else s.flip.map (fun t => -t)
def positivizeCoeffs (x : Coeffs) : Coeffs := if 0 ≤ x.leading then x else x.smul (-1)
def normalizeConstraint (s : Constraint) (x : Coeffs) : Constraint :=
  if x.gcd = 0 then (if s.sat 0 then ⟨none, none⟩ else ⟨some 1, some 0⟩) else if x.gcd = 1 then s else s.div x.gcd
def normalizeCoeffs (x : Coeffs) : Coeffs := if x.gcd = 0 then x else if x.gcd = 1 then x else x.sdiv x.gcd
def tidyConstraint (s : Constraint) (x : Coeffs) : Constraint := normalizeConstraint (positivizeConstraint s x) (positivizeCoeffs x)
def tidyCoeffs (x : Coeffs) : Coeffs := normalizeCoeffs (positivizeCoeffs x)
theorem positivize_sat {s : Constraint} {x v : Coeffs} (h : s.sat' x v) : (positivizeConstraint s x).sat' (positivizeCoeffs x) v := by
  unfold positivizeConstraint positivizeCoeffs
  by_cases p : 0 ≤ x.leading
  · rw [if_pos p, if_pos p]; exact h
  · rw [if_neg p, if_neg p]
    show Constraint.sat _ _
    rw [Coeffs.dot_smul, ← Int.neg_eq_neg_one_mul]
    exact ⟨Constraint.below_map_above (fun u m => Int.neg_le_neg m) h.2, Constraint.above_map_below (fun l m => Int.neg_le_neg m) h.1⟩
theorem normalize_sat {s : Constraint} {x v : Coeffs} (h : s.sat' x v) : (normalizeConstraint s x).sat' (normalizeCoeffs x) v := by
  unfold normalizeConstraint normalizeCoeffs
  by_cases z : x.gcd = 0
  · have zero : x.isZero := fun y m => by
      have d := Coeffs.gcd_dvd m
      rw [z] at d
      exact Int.zero_dvd.1 d
    rw [if_pos z, if_pos z]
    unfold Constraint.sat' at h
    rw [Coeffs.dot_of_isZero zero] at h
    rw [if_pos h]
    exact ⟨.intro, .intro⟩
  · rw [if_neg z, if_neg z]
    by_cases o : x.gcd = 1
    · rw [if_pos o, if_pos o]; exact h
    · rw [if_neg o, if_neg o]
      refine Constraint.div_sat z ?_
      rw [Coeffs.mul_dot_sdiv x v (fun y m => Coeffs.gcd_dvd m)]
      exact h
theorem tidy_sat {s : Constraint} {x v : Coeffs} (h : s.sat' x v) : (tidyConstraint s x).sat' (tidyCoeffs x) v := normalize_sat (positivize_sat h)
theorem combo_sat' (s t : Constraint) (a : Int) (x : Coeffs) (b : Int) (y v : Coeffs) (hx : s.sat' x v) (hy : t.sat' y v) :
    (Constraint.combo a s b t).sat' (Coeffs.combo a x b y) v := by
  show Constraint.sat _ _
  rw [Coeffs.dot_combo]
  exact Constraint.combo_sat a b hx hy
abbrev bmod_div_term (m : Nat) (a b : Coeffs) : Int := (Int.bmod (Coeffs.dot a b) m - Coeffs.dot (Coeffs.bmod a m) b) / m
def bmod_coeffs (m i : Nat) (x : Coeffs) : Coeffs := Coeffs.set (Coeffs.bmod x m) i m
theorem bmod_sat (m : Nat) (r : Int) (i : Nat) (x v : Coeffs) (h : x.length ≤ i) (p : Coeffs.get v i = bmod_div_term m x v) (w : (Constraint.exact r).sat' x v) :
    (Constraint.exact (Int.bmod r m)).sat' (bmod_coeffs m i x) v := by
  have e : Coeffs.dot x v = r := Int.le_antisymm w.2 w.1
  have d : (m : Int) ∣ Int.bmod (Coeffs.dot x v) m - Coeffs.dot (Coeffs.bmod x m) v := by
    have k := Int.dvd_sub (Int.dvd_bmod_sub (Coeffs.dot x v) m) (Coeffs.dvd_dot_bmod_sub m x v)
    rw [Int.sub_eq_add_neg (b := _ - _), Int.neg_sub, Int.sub_eq_add_neg, Int.add_assoc, Int.sub_eq_add_neg (b := Coeffs.dot (Coeffs.bmod x m) v), Int.neg_add_cancel_left] at k
    exact k
  have t : Coeffs.dot (bmod_coeffs m i x) v = Int.bmod r m := by
    unfold bmod_coeffs
    rw [Coeffs.dot_set, Coeffs.get_of_length_le (Nat.le_trans (Nat.le_of_eq (Coeffs.bmod_length x m)) h), p, Int.sub_zero, Int.mul_ediv_cancel' d, e, Int.add_comm, Int.sub_add_cancel]
  exact ⟨Int.le_of_eq t.symm, Int.le_of_eq t⟩
end Lean.Omega

prelude
import Fd.Int.Basic
import Fd.Prod
/-!
Semigroups, monoids, groups. The names are Mathlib's; its intermediate classes (`MulOneClass`, `DivInvMonoid`, …) are left out,
and a monoid's power `npow` has no default: an instance gives it, by `npowRec` if it has nothing better.
-/
set_option autoImplicit false
universe u v

/-! ## Classes -/
/-- A type with an associative product. -/
class Semigroup (G : Type u) extends Mul G where
  protected mul_assoc : ∀ a b c : G, a * b * c = a * (b * c)
/-- Powers by recursion on the exponent. -/
def npowRec {M : Type u} [One M] [Mul M] : Nat → M → M
  | 0, _ => 1
  | n + 1, a => npowRec n a * a
/-- A semigroup with a neutral element `1`. -/
class Monoid (M : Type u) extends Semigroup M, One M where
  protected one_mul : ∀ a : M, 1 * a = a
  protected mul_one : ∀ a : M, a * 1 = a
  npow : Nat → M → M
  npow_zero : ∀ a : M, npow 0 a = 1
  npow_succ : ∀ (n : Nat) (a : M), npow (n + 1) a = npow n a * a
/-- A monoid with a commutative product. -/
class CommMonoid (M : Type u) extends Monoid M where
  protected mul_comm : ∀ a b : M, a * b = b * a
/-- A monoid in which every element has an inverse. -/
class Group (G : Type u) extends Monoid G, Inv G where
  protected inv_mul_cancel : ∀ a : G, a⁻¹ * a = 1
/-- A group with a commutative product. -/
class CommGroup (G : Type u) extends Group G, CommMonoid G
instance (priority := low) Monoid.Pow {M : Type u} [Monoid M] : Pow M Nat := ⟨fun a n => Monoid.npow n a⟩

section Monoid
variable {M : Type u} [Monoid M]
/-- Multiplication is associative. -/
theorem mul_assoc {G : Type u} [Semigroup G] (a b c : G) : a * b * c = a * (b * c) := Semigroup.mul_assoc a b c
/-- One on the left of a product drops out. -/
@[simp] theorem one_mul (a : M) : 1 * a = a := Monoid.one_mul a
/-- One on the right of a product drops out. -/
@[simp] theorem mul_one (a : M) : a * 1 = a := Monoid.mul_one a
instance Semigroup.to_isAssociative {G : Type u} [Semigroup G] : Std.Associative (α := G) (· * ·) := ⟨mul_assoc⟩
instance Monoid.to_isLawfulIdentity : Std.LawfulIdentity (α := M) (· * ·) 1 := ⟨one_mul, mul_one⟩
/-- A left inverse and a right inverse of one element are equal. -/
theorem left_inv_eq_right_inv {a b c : M} (hba : b * a = 1) (hac : a * c = 1) : b = c := by rw [← one_mul c, ← hba, mul_assoc, hac, mul_one]
/-- Every element to the power zero is one. -/
@[simp] theorem pow_zero (a : M) : a ^ 0 = 1 := Monoid.npow_zero a
/-- One more in the exponent multiplies once more. -/
theorem pow_succ (a : M) (n : Nat) : a ^ (n + 1) = a ^ n * a := Monoid.npow_succ n a
/-- Every element to the power one is itself. -/
@[simp] theorem pow_one (a : M) : a ^ 1 = a := by rw [show (1 : Nat) = 0 + 1 from rfl, pow_succ, pow_zero, one_mul]
/-- An element to the power two is its product with itself. -/
theorem pow_two (a : M) : a ^ 2 = a * a := by rw [show (2 : Nat) = 1 + 1 from rfl, pow_succ, pow_one]
/-- One to any power is one. -/
@[simp] theorem one_pow (n : Nat) : (1 : M) ^ n = 1 := by
  induction n with
  | zero => exact pow_zero 1
  | succ n ih => rw [pow_succ, ih, one_mul]
/-- Exponents add. -/
theorem pow_add (a : M) (m n : Nat) : a ^ (m + n) = a ^ m * a ^ n := by
  induction n with
  | zero => rw [Nat.add_zero, pow_zero, mul_one]
  | succ n ih => rw [← Nat.add_assoc, pow_succ, pow_succ, ih, mul_assoc]
/-- One more in the exponent multiplies once more, on the left. -/
theorem pow_succ' (a : M) (n : Nat) : a ^ (n + 1) = a * a ^ n := by rw [Nat.add_comm, pow_add, pow_one]
/-- A power of an element commutes with the element. -/
theorem pow_mul_comm' (a : M) (n : Nat) : a ^ n * a = a * a ^ n := by rw [← pow_succ, pow_succ']
/-- Powers of one element commute. -/
theorem pow_mul_comm (a : M) (m n : Nat) : a ^ m * a ^ n = a ^ n * a ^ m := by rw [← pow_add, ← pow_add, Nat.add_comm]
/-- Exponents multiply. -/
theorem pow_mul (a : M) (m n : Nat) : a ^ (m * n) = (a ^ m) ^ n := by
  induction n with
  | zero => rw [Nat.mul_zero, pow_zero, pow_zero]
  | succ n ih => rw [Nat.mul_add_one, pow_add, ih, pow_succ]
/-- Two powers in a row can be exchanged. -/
theorem pow_right_comm (a : M) (m n : Nat) : (a ^ m) ^ n = (a ^ n) ^ m := by rw [← pow_mul, ← pow_mul, Nat.mul_comm]
/-- The two elements commute. -/
def Commute (a b : M) : Prop := a * b = b * a
namespace Commute
variable {a b c : M}
/-- The equation that commuting means. -/
protected theorem eq (h : Commute a b) : a * b = b * a := h
/-- Every element commutes with itself. -/
@[simp] protected theorem refl (a : M) : Commute a a := rfl
/-- Commuting is symmetric. -/
protected theorem symm (h : Commute a b) : Commute b a := Eq.symm h
/-- Every element commutes with one. -/
@[simp] theorem one_right (a : M) : Commute a 1 := (mul_one a).trans (one_mul a).symm
/-- One commutes with every element. -/
@[simp] theorem one_left (a : M) : Commute 1 a := (one_right a).symm
/-- What commutes with two elements commutes with their product. -/
theorem mul_right (hb : Commute a b) (hc : Commute a c) : Commute a (b * c) := by
  show a * (b * c) = b * c * a
  rw [← mul_assoc, hb.eq, mul_assoc, hc.eq, mul_assoc]
/-- The product of two elements commutes with what both commute with. -/
theorem mul_left (ha : Commute a c) (hb : Commute b c) : Commute (a * b) c := (mul_right ha.symm hb.symm).symm
/-- What commutes with an element commutes with its powers. -/
theorem pow_right (h : Commute a b) (n : Nat) : Commute a (b ^ n) := by
  induction n with
  | zero => rw [pow_zero]; exact one_right a
  | succ n ih => rw [pow_succ]; exact mul_right ih h
/-- Powers of commuting elements commute. -/
theorem pow_pow (h : Commute a b) (m n : Nat) : Commute (a ^ m) (b ^ n) := ((h.pow_right n).symm.pow_right m).symm
/-- A power of a product of commuting elements is the product of the powers. -/
protected theorem mul_pow (h : Commute a b) (n : Nat) : (a * b) ^ n = a ^ n * b ^ n := by
  induction n with
  | zero => rw [pow_zero, pow_zero, pow_zero, mul_one]
  | succ n ih => rw [pow_succ, ih, pow_succ, pow_succ, mul_assoc, ← mul_assoc (b ^ n), ← (h.pow_right n).eq, mul_assoc, mul_assoc]
end Commute
end Monoid

section CommMonoid
variable {M : Type u} [CommMonoid M]
/-- Multiplication is commutative. -/
theorem mul_comm (a b : M) : a * b = b * a := CommMonoid.mul_comm a b
instance CommMonoid.to_isCommutative : Std.Commutative (α := M) (· * ·) := ⟨mul_comm⟩
/-- The first two of three factors can be exchanged. -/
theorem mul_left_comm (a b c : M) : a * (b * c) = b * (a * c) := by rw [← mul_assoc, mul_comm a, mul_assoc]
/-- The last two of three factors can be exchanged. -/
theorem mul_right_comm (a b c : M) : a * b * c = a * c * b := by rw [mul_assoc, mul_comm b, mul_assoc]
/-- The inner two of four factors can be exchanged. -/
theorem mul_mul_mul_comm (a b c d : M) : a * b * (c * d) = a * c * (b * d) := by rw [mul_assoc, mul_left_comm b, mul_assoc]
/-- A power of a product is the product of the powers. -/
theorem mul_pow (a b : M) (n : Nat) : (a * b) ^ n = a ^ n * b ^ n := Commute.mul_pow (mul_comm a b) n
end CommMonoid

/-! ## Groups -/
section Group
variable {G : Type u} [Group G] {a b c : G}
/-- The inverse times the element is one. -/
@[simp] theorem inv_mul_cancel (a : G) : a⁻¹ * a = 1 := Group.inv_mul_cancel a
/-- The inverse before its element drops out on the left. -/
@[simp] theorem inv_mul_cancel_left (a b : G) : a⁻¹ * (a * b) = b := by rw [← mul_assoc, inv_mul_cancel, one_mul]
/-- A factor can be cancelled on the left. -/
theorem mul_left_cancel (h : a * b = a * c) : b = c := by rw [← inv_mul_cancel_left a b, h, inv_mul_cancel_left]
/-- The element times its inverse is one. -/
@[simp] theorem mul_inv_cancel (a : G) : a * a⁻¹ = 1 := mul_left_cancel (a := a⁻¹) (by rw [inv_mul_cancel_left, mul_one])
/-- The element before its inverse drops out on the left. -/
@[simp] theorem mul_inv_cancel_left (a b : G) : a * (a⁻¹ * b) = b := by rw [← mul_assoc, mul_inv_cancel, one_mul]
/-- The element before its inverse drops out on the right. -/
@[simp] theorem mul_inv_cancel_right (a b : G) : a * b * b⁻¹ = a := by rw [mul_assoc, mul_inv_cancel, mul_one]
/-- The inverse before its element drops out on the right. -/
@[simp] theorem inv_mul_cancel_right (a b : G) : a * b⁻¹ * b = a := by rw [mul_assoc, inv_mul_cancel, mul_one]
/-- A factor can be cancelled on the right. -/
theorem mul_right_cancel (h : a * b = c * b) : a = c := by rw [← mul_inv_cancel_right a b, h, mul_inv_cancel_right]
/-- Products with the same left factor are equal exactly when the right factors are. -/
@[simp] theorem mul_right_inj (a : G) {b c : G} : a * b = a * c ↔ b = c := ⟨mul_left_cancel, fun h => by rw [h]⟩
/-- Products with the same right factor are equal exactly when the left factors are. -/
@[simp] theorem mul_left_inj (a : G) {b c : G} : b * a = c * a ↔ b = c := ⟨mul_right_cancel, fun h => by rw [h]⟩
/-- Multiplying on the left is injective. -/
theorem mul_right_injective (a : G) : Function.Injective (fun x : G => a * x) := fun _ _ h => mul_left_cancel h
/-- Multiplying on the right is injective. -/
theorem mul_left_injective (a : G) : Function.Injective (fun x : G => x * a) := fun _ _ h => mul_right_cancel h
/-- Multiplying on the left is surjective. -/
theorem mul_left_surjective (a : G) : Function.Surjective (fun x : G => a * x) := fun b => ⟨a⁻¹ * b, mul_inv_cancel_left a b⟩
/-- A right factor leaves the product at the left one exactly when it is one. -/
@[simp] theorem mul_eq_left : a * b = a ↔ b = 1 := ⟨fun h => mul_left_cancel (h.trans (mul_one a).symm), fun h => by rw [h, mul_one]⟩
/-- A left factor leaves the product at the right one exactly when it is one. -/
@[simp] theorem mul_eq_right : a * b = b ↔ a = 1 := ⟨fun h => mul_right_cancel (h.trans (one_mul b).symm), fun h => by rw [h, one_mul]⟩
/-- What gives one on the right of `a` is the inverse of `a`. -/
theorem inv_eq_of_mul_eq_one_right (h : a * b = 1) : a⁻¹ = b := by rw [← inv_mul_cancel_left a b, h, mul_one]
/-- What gives one on the left of `b` is the inverse of `b`. -/
theorem inv_eq_of_mul_eq_one_left (h : a * b = 1) : b⁻¹ = a := by rw [← mul_inv_cancel_right a b, h, one_mul]
/-- What gives one on the left of `b` is the inverse of `b`. -/
theorem eq_inv_of_mul_eq_one_left (h : a * b = 1) : a = b⁻¹ := (inv_eq_of_mul_eq_one_left h).symm
/-- What gives one on the right of `a` is the inverse of `a`. -/
theorem eq_inv_of_mul_eq_one_right (h : a * b = 1) : b = a⁻¹ := (inv_eq_of_mul_eq_one_right h).symm
/-- The inverse of the inverse is the element. -/
@[simp] theorem inv_inv (a : G) : a⁻¹⁻¹ = a := inv_eq_of_mul_eq_one_right (inv_mul_cancel a)
/-- One is its own inverse. -/
@[simp] theorem inv_one : (1 : G)⁻¹ = 1 := inv_eq_of_mul_eq_one_right (mul_one 1)
/-- The inverse of a product is the product of the inverses in the opposite order. -/
@[simp] theorem mul_inv_rev (a b : G) : (a * b)⁻¹ = b⁻¹ * a⁻¹ := inv_eq_of_mul_eq_one_right (by rw [mul_assoc, mul_inv_cancel_left, mul_inv_cancel])
/-- Inverses are equal exactly when the elements are. -/
@[simp] theorem inv_inj : a⁻¹ = b⁻¹ ↔ a = b := ⟨fun h => by rw [← inv_inv a, h, inv_inv], congrArg _⟩
/-- Taking inverses is injective. -/
theorem inv_injective : Function.Injective (fun x : G => x⁻¹) := fun _ _ => inv_inj.1
/-- Only one has the inverse one. -/
@[simp] theorem inv_eq_one : a⁻¹ = 1 ↔ a = 1 := by rw [← inv_inj, inv_inv, inv_one]
/-- One inverse moves to the other side. -/
theorem inv_eq_iff_eq_inv : a⁻¹ = b ↔ a = b⁻¹ := by rw [← inv_inj, inv_inv]
/-- A product is one exactly when the left factor is the inverse of the right one. -/
theorem mul_eq_one_iff_eq_inv : a * b = 1 ↔ a = b⁻¹ := ⟨eq_inv_of_mul_eq_one_left, fun h => by rw [h, inv_mul_cancel]⟩
/-- A product is one exactly when the right factor is the inverse of the left one. -/
theorem mul_eq_one_iff_inv_eq : a * b = 1 ↔ a⁻¹ = b := ⟨inv_eq_of_mul_eq_one_right, fun h => by rw [← h, mul_inv_cancel]⟩
/-- If a product is one, so is the product the other way round. -/
theorem mul_eq_one_comm : a * b = 1 ↔ b * a = 1 :=
  have one_way {x y : G} (h : x * y = 1) : y * x = 1 := by rw [eq_inv_of_mul_eq_one_right h, inv_mul_cancel]
  ⟨one_way, one_way⟩
/-- An element times an inverse is one exactly when the elements are equal. -/
theorem mul_inv_eq_one : a * b⁻¹ = 1 ↔ a = b := by rw [mul_eq_one_iff_eq_inv, inv_inv]
/-- An inverse times an element is one exactly when the elements are equal. -/
theorem inv_mul_eq_one : a⁻¹ * b = 1 ↔ a = b := by rw [mul_eq_one_iff_inv_eq, inv_inv]
/-- A right factor moves to the other side as its inverse. -/
theorem eq_mul_inv_iff_mul_eq : a = b * c⁻¹ ↔ a * c = b := ⟨fun h => by rw [h, inv_mul_cancel_right], fun h => by rw [← h, mul_inv_cancel_right]⟩
/-- A left factor moves to the other side as its inverse. -/
theorem eq_inv_mul_iff_mul_eq : a = b⁻¹ * c ↔ b * a = c := ⟨fun h => by rw [h, mul_inv_cancel_left], fun h => by rw [← h, inv_mul_cancel_left]⟩
/-- An inverse on the left moves to the other side as its element. -/
theorem inv_mul_eq_iff_eq_mul : a⁻¹ * b = c ↔ b = a * c := ⟨fun h => by rw [← h, mul_inv_cancel_left], fun h => by rw [h, inv_mul_cancel_left]⟩
/-- An inverse on the right moves to the other side as its element. -/
theorem mul_inv_eq_iff_eq_mul : a * b⁻¹ = c ↔ a = c * b := ⟨fun h => by rw [← h, inv_mul_cancel_right], fun h => by rw [h, mul_inv_cancel_right]⟩
/-- The power of an inverse is the inverse of the power. -/
theorem inv_pow (a : G) (n : Nat) : a⁻¹ ^ n = (a ^ n)⁻¹ := by
  induction n with
  | zero => rw [pow_zero, pow_zero, inv_one]
  | succ n ih => rw [pow_succ', ih, pow_succ, mul_inv_rev]
/-- The power of a conjugate is the conjugate of the power. -/
theorem conj_pow (a b : G) (n : Nat) : (a * b * a⁻¹) ^ n = a * b ^ n * a⁻¹ := by
  induction n with
  | zero => rw [pow_zero, pow_zero, mul_one, mul_inv_cancel]
  | succ n ih => rw [pow_succ, ih, pow_succ, mul_assoc a b, ← mul_assoc (a * b ^ n * a⁻¹), inv_mul_cancel_right, mul_assoc a, mul_assoc a, mul_assoc (b ^ n)]
/-- Elements commute exactly when conjugating one by the other changes nothing. -/
theorem commute_iff_conj_eq : Commute a b ↔ a * b * a⁻¹ = b := mul_inv_eq_iff_eq_mul.symm
/-- A group in which every square is one is commutative. -/
theorem mul_comm_of_mul_self_eq_one (h : ∀ x : G, x * x = 1) (a b : G) : a * b = b * a := by
  have e (x : G) : x⁻¹ = x := inv_eq_of_mul_eq_one_right (h x)
  rw [← e (a * b), mul_inv_rev, e, e]
end Group
/-- In a commutative group the inverse of a product is the product of the inverses. -/
theorem mul_inv {G : Type u} [CommGroup G] (a b : G) : (a * b)⁻¹ = a⁻¹ * b⁻¹ := by rw [mul_inv_rev, mul_comm]

/-! ## Instances -/
instance Nat.instCommMonoid : CommMonoid Nat where
  mul_assoc := Nat.mul_assoc
  one := 1
  one_mul := Nat.one_mul
  mul_one := Nat.mul_one
  npow n a := a ^ n
  npow_zero _ := rfl
  npow_succ _ _ := rfl
  mul_comm := Nat.mul_comm
instance Int.instCommMonoid : CommMonoid Int where
  mul_assoc := Int.mul_assoc
  one := 1
  one_mul := Int.one_mul
  mul_one := Int.mul_one
  npow n a := a ^ n
  npow_zero _ := rfl
  npow_succ _ _ := rfl
  mul_comm := Int.mul_comm
/-- The functions from a type to itself, with composition as product. -/
def Function.End (α : Type u) : Type u := α → α
instance Function.End.instMonoid {α : Type u} : Monoid (Function.End α) where
  mul f g := Function.comp f g
  mul_assoc _ _ _ := rfl
  one := fun x => x
  one_mul _ := rfl
  mul_one _ := rfl
  npow := @npowRec _ ⟨fun x => x⟩ ⟨fun f g => Function.comp f g⟩
  npow_zero _ := rfl
  npow_succ _ _ := rfl
/-- The product of endomorphisms is composition. -/
theorem Function.End.mul_def {α : Type u} (f g : Function.End α) : f * g = Function.comp f g := rfl
/-- The neutral endomorphism is the identity. -/
theorem Function.End.one_def {α : Type u} : (1 : Function.End α) = fun x => x := rfl
namespace Prod
variable {M : Type u} {N : Type v}
instance instMul [Mul M] [Mul N] : Mul (M × N) := ⟨fun p q => (p.1 * q.1, p.2 * q.2)⟩
instance instOne [One M] [One N] : One (M × N) := ⟨(1, 1)⟩
instance instInv [Inv M] [Inv N] : Inv (M × N) := ⟨fun p => (p.1⁻¹, p.2⁻¹)⟩
/-- Pairs are multiplied part by part. -/
@[simp] theorem mk_mul_mk [Mul M] [Mul N] (a₁ a₂ : M) (b₁ b₂ : N) : (a₁, b₁) * (a₂, b₂) = (a₁ * a₂, b₁ * b₂) := rfl
/-- The first part of a product of pairs. -/
@[simp] theorem fst_mul [Mul M] [Mul N] (p q : M × N) : (p * q).1 = p.1 * q.1 := rfl
/-- The second part of a product of pairs. -/
@[simp] theorem snd_mul [Mul M] [Mul N] (p q : M × N) : (p * q).2 = p.2 * q.2 := rfl
/-- The first part of the neutral pair. -/
@[simp] theorem fst_one [One M] [One N] : (1 : M × N).1 = 1 := rfl
/-- The second part of the neutral pair. -/
@[simp] theorem snd_one [One M] [One N] : (1 : M × N).2 = 1 := rfl
/-- Pairs are inverted part by part. -/
@[simp] theorem inv_mk [Inv M] [Inv N] (a : M) (b : N) : (a, b)⁻¹ = (a⁻¹, b⁻¹) := rfl
instance instMonoid [Monoid M] [Monoid N] : Monoid (M × N) where
  mul_assoc a b c := Prod.ext (mul_assoc a.1 b.1 c.1) (mul_assoc a.2 b.2 c.2)
  one_mul a := Prod.ext (one_mul a.1) (one_mul a.2)
  mul_one a := Prod.ext (mul_one a.1) (mul_one a.2)
  npow n a := (a.1 ^ n, a.2 ^ n)
  npow_zero a := Prod.ext (pow_zero a.1) (pow_zero a.2)
  npow_succ n a := Prod.ext (pow_succ a.1 n) (pow_succ a.2 n)
instance instCommMonoid [CommMonoid M] [CommMonoid N] : CommMonoid (M × N) where
  mul_comm a b := Prod.ext (mul_comm a.1 b.1) (mul_comm a.2 b.2)
instance instGroup [Group M] [Group N] : Group (M × N) where
  inv_mul_cancel a := Prod.ext (inv_mul_cancel a.1) (inv_mul_cancel a.2)
end Prod

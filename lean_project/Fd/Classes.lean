prelude
import Fd.Internal
/-! Operators (`+`, `≤`, `∣`, `∈` …) as classes, truth values, and decidable propositions. -/
set_option autoImplicit false
set_option linter.defProp false
set_option bootstrap.inductiveCheckResultingUniverse false
universe u v w

/-! ## Operators -/
/-- `a + b`, the two of possibly different types. -/
class HAdd (α : Type u) (β : Type v) (γ : outParam (Type w)) where
  hAdd : α → β → γ
/-- `a - b`, the two of possibly different types. -/
class HSub (α : Type u) (β : Type v) (γ : outParam (Type w)) where
  hSub : α → β → γ
/-- `a * b`, the two of possibly different types. -/
class HMul (α : Type u) (β : Type v) (γ : outParam (Type w)) where
  hMul : α → β → γ
/-- `a / b`, the two of possibly different types. -/
class HDiv (α : Type u) (β : Type v) (γ : outParam (Type w)) where
  hDiv : α → β → γ
/-- `a % b`, the two of possibly different types. -/
class HMod (α : Type u) (β : Type v) (γ : outParam (Type w)) where
  hMod : α → β → γ
/-- `a ^ b`. -/
class HPow (α : Type u) (β : Type v) (γ : outParam (Type w)) where
  hPow : α → β → γ
/-- `a ++ b`. -/
class HAppend (α : Type u) (β : Type v) (γ : outParam (Type w)) where
  hAppend : α → β → γ
/-- `a + b` in one type. -/
class Add (α : Type u) where
  add : α → α → α
/-- `a - b` in one type. -/
class Sub (α : Type u) where
  sub : α → α → α
/-- `a * b` in one type. -/
class Mul (α : Type u) where
  mul : α → α → α
/-- `a / b` in one type. -/
class Div (α : Type u) where
  div : α → α → α
/-- `a % b` in one type. -/
class Mod (α : Type u) where
  mod : α → α → α
/-- `a ^ b`. -/
class Pow (α : Type u) (β : Type v) where
  pow : α → β → α
/-- `a ^ n` with a natural exponent. -/
class NatPow (α : Type u) where
  pow : α → Nat → α
/-- `a ++ b` in one type. -/
class Append (α : Type u) where
  append : α → α → α
/-- `-a`. -/
class Neg (α : Type u) where
  neg : α → α
/-- `a⁻¹`. -/
class Inv (α : Type u) where
  inv : α → α
/-- `1`. -/
class One (α : Type u) where
  one : α
/-- `a ∣ b`. -/
class Dvd (α : Type u) where
  dvd : α → α → Prop
/-- `a ≤ b`. -/
class LE (α : Type u) where
  le : α → α → Prop
/-- `a < b`. -/
class LT (α : Type u) where
  lt : α → α → Prop
/-- `a == b`, a truth value. -/
class BEq (α : Type u) where
  beq : α → α → Bool
/-- The larger of two elements, `max a b`. -/
class Max (α : Type u) where
  max : α → α → α
/-- The smaller of two elements, `min a b`. -/
class Min (α : Type u) where
  min : α → α → α
export Max (max)
export Min (min)
/-- `a ∈ s`. -/
class Membership (α : outParam (Type u)) (γ : Type v) where
  mem : γ → α → Prop
/-- `a ≥ b` means `b ≤ a`. -/
@[reducible] def GE.ge {α : Type u} [LE α] (a b : α) : Prop := LE.le b a
/-- `a > b` means `b < a`. -/
@[reducible] def GT.gt {α : Type u} [LT α] (a b : α) : Prop := LT.lt b a
@[reducible] instance instHAdd {α : Type u} [Add α] : HAdd α α α := ⟨Add.add⟩
@[reducible] instance instHSub {α : Type u} [Sub α] : HSub α α α := ⟨Sub.sub⟩
@[reducible] instance instHMul {α : Type u} [Mul α] : HMul α α α := ⟨Mul.mul⟩
@[reducible] instance instHDiv {α : Type u} [Div α] : HDiv α α α := ⟨Div.div⟩
@[reducible] instance instHMod {α : Type u} [Mod α] : HMod α α α := ⟨Mod.mod⟩
@[reducible] instance instHPow {α : Type u} {β : Type v} [Pow α β] : HPow α β α := ⟨Pow.pow⟩
@[reducible] instance instPowNat {α : Type u} [NatPow α] : Pow α Nat := ⟨NatPow.pow⟩
@[reducible] instance instHAppendOfAppend {α : Type u} [Append α] : HAppend α α α := ⟨Append.append⟩
@[default_instance high] instance instPowDefault {α : Type u} [NatPow α] : Pow α Nat := instPowNat
instance One.toOfNat1 {α : Type u} [One α] : OfNat α (nat_lit 1) := ⟨One.one⟩
attribute [match_pattern] Add.add HAdd.hAdd
attribute [default_instance] instHAdd instHSub instHMul instHDiv instHMod instHPow instHAppendOfAppend

/-! ## Coercions -/
/-- `α` is read as `β` where `β` is expected. -/
class Coe (α : semiOutParam (Sort u)) (β : Sort v) where
  coe : α → β
/-- What the elaborator asks for when an `a : α` stands where `β` is expected. -/
class CoeT (α : Sort u) (_ : α) (β : Sort v) where
  coe : β
/-- `α` is read as a type. -/
class CoeSort (α : Sort u) (β : outParam (Sort v)) where
  coe : α → β
/-- `α` is read as a function. -/
class CoeFun (α : Sort u) (γ : outParam (α → Sort v)) where
  coe : (f : α) → γ f
attribute [coe_decl] Coe.coe CoeT.coe CoeSort.coe CoeFun.coe
instance instCoeT {α : Sort u} {β : Sort v} [Coe α β] (a : α) : CoeT α a β := ⟨Coe.coe a⟩
@[reducible] instance boolToProp : Coe Bool Prop := ⟨fun b => b = true⟩
@[reducible] instance boolToSort : CoeSort Bool Prop := ⟨fun b => b = true⟩

/-! ## Truth values and decidable propositions -/
/-- Equality of two elements can be decided. -/
@[reducible] def DecidableEq (α : Sort u) := (a b : α) → Decidable (a = b)
/-- The property can be decided. -/
@[reducible] def DecidablePred {α : Sort u} (r : α → Prop) := (a : α) → Decidable (r a)
/-- The relation can be decided. -/
@[reducible] def DecidableRel {α : Sort u} {β : Sort v} (r : α → β → Prop) := (a : α) → (b : β) → Decidable (r a b)
def decEq {α : Sort u} [inst : DecidableEq α] (a b : α) : Decidable (a = b) := inst a b
/-- The truth value of a decidable proposition. -/
def Decidable.decide (p : Prop) [h : Decidable p] : Bool := h.casesOn (fun _ => false) (fun _ => true)
export Decidable (isTrue isFalse decide)
/-- `x && y`. -/
def Bool.and (x y : Bool) : Bool := match x with | .false => .false | .true => y
/-- `x || y`. -/
def Bool.or (x y : Bool) : Bool := match x with | .true => .true | .false => y
/-- `!x`. -/
def Bool.not (x : Bool) : Bool := match x with | .true => .false | .false => .true
export Bool (and or not)
/-- What holds is decided `true`. -/
theorem decide_eq_true {p : Prop} [inst : Decidable p] (h : p) : decide p = true := by
  cases inst with
  | isTrue _ => rfl
  | isFalse k => exact absurd h k
/-- What does not hold is decided `false`. -/
theorem decide_eq_false {p : Prop} [inst : Decidable p] (h : ¬p) : decide p = false := by
  cases inst with
  | isTrue k => exact absurd k h
  | isFalse _ => rfl
/-- What is decided `true` holds. -/
theorem of_decide_eq_true {p : Prop} [inst : Decidable p] (h : decide p = true) : p := by
  cases inst with
  | isTrue k => exact k
  | isFalse k => exact Bool.noConfusion h
/-- What is decided `false` does not hold. -/
theorem of_decide_eq_false {p : Prop} [inst : Decidable p] (h : decide p = false) : ¬p := by
  cases inst with
  | isTrue k => exact Bool.noConfusion h
  | isFalse k => exact k
/-- What is decided `true` equals `True`. -/
theorem eq_true_of_decide {p : Prop} [Decidable p] (h : decide p = true) : p = True := eq_true (of_decide_eq_true h)
/-- What is decided `false` equals `False`. -/
theorem eq_false_of_decide {p : Prop} [Decidable p] (h : decide p = false) : p = False := eq_false (of_decide_eq_false h)
/-- `if` takes its first branch when the condition equals `True`. -/
theorem ite_eq_left_of_eq_true {α : Sort u} {c : Prop} [d : Decidable c] (a b : α) (h : c = True) : (if c then a else b) = a := by
  cases d with
  | isTrue _ => rfl
  | isFalse k => exact absurd (of_eq_true h) k
/-- `if` takes its second branch when the condition equals `False`. -/
theorem ite_eq_right_of_eq_false {α : Sort u} {c : Prop} [d : Decidable c] (a b : α) (h : c = False) : (if c then a else b) = b := by
  cases d with
  | isTrue k => exact absurd k (of_eq_false h)
  | isFalse _ => rfl
/-- `if` takes its first branch when the condition holds. -/
theorem ite_eq_left {α : Sort u} {c : Prop} [d : Decidable c] (a b : α) (h : c) : (if c then a else b) = a := ite_eq_left_of_eq_true a b (eq_true h)
/-- `if` takes its second branch when the condition does not hold. -/
theorem ite_eq_right {α : Sort u} {c : Prop} [d : Decidable c] (a b : α) (h : ¬c) : (if c then a else b) = b := ite_eq_right_of_eq_false a b (eq_false h)
/-- Dependent `if` takes its first branch when the condition holds. -/
theorem dite_eq_left {α : Sort u} {c : Prop} [d : Decidable c] (t : c → α) (e : ¬c → α) (h : c) : dite c t e = t h := by
  cases d with
  | isTrue _ => rfl
  | isFalse k => exact absurd h k
/-- Dependent `if` takes its second branch when the condition does not hold. -/
theorem dite_eq_right {α : Sort u} {c : Prop} [d : Decidable c] (t : c → α) (e : ¬c → α) (h : ¬c) : dite c t e = e h := by
  cases d with
  | isTrue k => exact absurd k h
  | isFalse _ => rfl
/-- A truth value that is not `false` is `true`. -/
theorem eq_true_of_ne_false {b : Bool} (h : ¬(b = false)) : b = true := by
  cases b with
  | true => rfl
  | false => exact absurd rfl h
/-- A truth value that is not `true` is `false`. -/
theorem eq_false_of_ne_true {b : Bool} (h : ¬(b = true)) : b = false := by
  cases b with
  | false => rfl
  | true => exact absurd rfl h
/-- `true` is not `false`. -/
theorem ne_false_of_eq_true {b : Bool} (h : b = true) : ¬(b = false) := fun k => Bool.noConfusion (h.symm.trans k)
instance instDecidableTrue : Decidable True := isTrue .intro
instance instDecidableFalse : Decidable False := isFalse id
instance instDecidableNot {p : Prop} [h : Decidable p] : Decidable (¬p) :=
  match h with
  | isTrue h => isFalse (fun n => n h)
  | isFalse h => isTrue h
instance instDecidableAnd {p q : Prop} [dp : Decidable p] [dq : Decidable q] : Decidable (p ∧ q) :=
  match dp with
  | isFalse h => isFalse (fun x => h x.1)
  | isTrue h => match dq with
    | isTrue k => isTrue ⟨h, k⟩
    | isFalse k => isFalse (fun x => k x.2)
instance instDecidableOr {p q : Prop} [dp : Decidable p] [dq : Decidable q] : Decidable (p ∨ q) :=
  match dp with
  | isTrue h => isTrue (.inl h)
  | isFalse h => match dq with
    | isTrue k => isTrue (.inr k)
    | isFalse k => isFalse (fun x => x.elim h k)
instance instDecidableForall {p q : Prop} [dp : Decidable p] [dq : Decidable q] : Decidable (p → q) :=
  match dp with
  | isFalse h => isTrue (fun x => absurd x h)
  | isTrue h => match dq with
    | isTrue k => isTrue (fun _ => k)
    | isFalse k => isFalse (fun f => k (f h))
instance instDecidableIff {p q : Prop} [dp : Decidable p] [dq : Decidable q] : Decidable (p ↔ q) :=
  match dp, dq with
  | isTrue h, isTrue k => isTrue ⟨fun _ => k, fun _ => h⟩
  | isTrue h, isFalse k => isFalse (fun e => k (e.1 h))
  | isFalse h, isTrue k => isFalse (fun e => h (e.2 k))
  | isFalse h, isFalse k => isTrue ⟨fun x => absurd x h, fun x => absurd x k⟩
instance instDecidableEqBool : DecidableEq Bool := fun a b =>
  match a, b with
  | .true, .true => isTrue rfl
  | .false, .false => isTrue rfl
  | .true, .false => isFalse (fun h => Bool.noConfusion h)
  | .false, .true => isFalse (fun h => Bool.noConfusion h)
instance instBEqOfDecidableEq {α : Type u} [DecidableEq α] : BEq α := ⟨fun a b => decide (a = b)⟩
instance instDecidableEqNat : DecidableEq Nat := Nat.decEq
/-- `a != b`. -/
@[reducible] def bne {α : Type u} [BEq α] (a b : α) : Bool := not (BEq.beq a b)
/-- A type with at most one element. -/
class Subsingleton (α : Sort u) : Prop where
  intro ::
  allEq : (a b : α) → a = b
/-- Any two elements of a subsingleton are equal. -/
theorem Subsingleton.elim {α : Sort u} [h : Subsingleton α] (a b : α) : a = b := h.allEq a b
instance instSubsingletonDecidable (p : Prop) : Subsingleton (Decidable p) := ⟨fun a b => by
  cases a with
  | isTrue h => cases b with
    | isTrue _ => rfl
    | isFalse k => exact absurd h k
  | isFalse h => cases b with
    | isTrue k => exact absurd k h
    | isFalse _ => rfl⟩
instance instSubsingletonProp (p : Prop) : Subsingleton p := ⟨fun _ _ => rfl⟩
/-- `if` takes its first branch when the condition holds. -/
theorem if_pos {c : Prop} {h : Decidable c} (hc : c) {α : Sort u} {t e : α} : (if c then t else e) = t := by
  cases h with
  | isTrue _ => rfl
  | isFalse k => exact absurd hc k
/-- `if` takes its second branch when the condition does not hold. -/
theorem if_neg {c : Prop} {h : Decidable c} (hc : ¬c) {α : Sort u} {t e : α} : (if c then t else e) = e := by
  cases h with
  | isTrue k => exact absurd k hc
  | isFalse _ => rfl
/-- `if True` takes its first branch. -/
@[simp] theorem ite_true {α : Sort u} (a b : α) : (if True then a else b) = a := rfl
/-- `if False` takes its second branch. -/
@[simp] theorem ite_false {α : Sort u} (a b : α) : (if False then a else b) = b := rfl


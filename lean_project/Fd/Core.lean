prelude
import Fd.Syntax
/-!
Equality, the connectives, quotients and function extensionality: the words in which every other module speaks.
The three axioms that a proof may use are all here: `propext`, `Quot.sound`, `Classical.choice`.
-/
set_option autoImplicit false
set_option linter.defProp false
set_option bootstrap.inductiveCheckResultingUniverse false
universe u v w

open Lean.ParserDescr in
/-- The command `lemma`, as Mathlib has it. Its tree is that of a `theorem`. -/
@[command_parser] meta def Lean.Parser.Command.lemma : Lean.ParserDescr :=
  node `Lean.Parser.Command.declaration 1022 (binary `andthen (const `declModifiers)
    (node `Lean.Parser.Command.theorem 1022 (binary `andthen (symbol "lemma ")
      (binary `andthen (const `declId) (binary `andthen (const `declSig) (const `declVal))))))

/-! ## Types with few elements, combinators -/
/-- The type with one element. -/
abbrev Unit : Type := PUnit
/-- The element of `Unit`. -/
@[match_pattern] abbrev Unit.unit : Unit := PUnit.unit
/-- The empty type, in every universe. -/
inductive PEmpty : Sort u
/-- The type without elements. -/
inductive Empty : Type
@[reducible] def outParam (α : Sort u) : Sort u := α
@[reducible] def semiOutParam (α : Sort u) : Sort u := α
@[reducible] def optParam (α : Sort u) (default : α) : Sort u := α
/-- What Lean writes in place of a proof that is missing. On no list of allowed axioms. -/
axiom sorryAx (α : Sort u) (synthetic : Bool) : α
set_option checkBinderAnnotations false in
abbrev inferInstance {α : Sort u} [i : α] : α := i
set_option checkBinderAnnotations false in
abbrev «inferInstanceAs» (α : Sort u) [i : α] : α := i
/-- Composition: `(f ∘ g) x = f (g x)`. -/
def Function.comp {α : Sort u} {β : Sort v} {δ : Sort w} (f : β → δ) (g : α → β) : α → δ := fun x => f (g x)
/-- The constant function. -/
def Function.const {α : Sort u} (β : Sort v) (a : α) : β → α := fun _ => a
def letFun {α : Sort u} {β : α → Sort v} (v : α) (f : (x : α) → β x) : β v := f v
abbrev namedPattern {α : Sort u} (x a : α) (_ : x = a) : α := a
/-- Anything follows from `False`. -/
def False.elim {C : Sort u} (h : False) : C := h.rec
/-- Anything follows from a proposition and its negation. -/
def absurd {a : Prop} {b : Sort v} (h₁ : a) (h₂ : ¬a) : b := (h₂ h₁).rec

/-! ## Equality -/
/-- Equality is reflexive. -/
@[match_pattern] def rfl {α : Sort u} {a : α} : a = a := Eq.refl a
/-- The identity function returns its argument. -/
@[simp] theorem id_eq {α : Sort u} (a : α) : id a = a := rfl
/-- Replace equals by equals in a proposition. -/
theorem Eq.subst {α : Sort u} {motive : α → Prop} {a b : α} (h₁ : a = b) (h₂ : motive a) : motive b := h₁.rec h₂
/-- Equality is transitive. -/
theorem Eq.trans {α : Sort u} {a b c : α} (h₁ : a = b) (h₂ : b = c) : a = c := h₂.rec h₁
/-- A function gives equal values at equal arguments. -/
theorem congrArg {α : Sort u} {β : Sort v} {a₁ a₂ : α} (f : α → β) (h : a₁ = a₂) : f a₁ = f a₂ := h.rec rfl
/-- Equal functions give equal values at equal arguments. -/
theorem congr {α : Sort u} {β : Sort v} {f₁ f₂ : α → β} {a₁ a₂ : α} (h₁ : f₁ = f₂) (h₂ : a₁ = a₂) : f₁ a₁ = f₂ a₂ := h₁.rec (h₂.rec rfl)
/-- Equal functions give equal values. -/
theorem congrFun {α : Sort u} {β : α → Sort v} {f g : (x : α) → β x} (h : f = g) (a : α) : f a = g a := h.rec rfl
/-- Move an element forward along an equality of types. -/
def Eq.mp {α β : Sort u} (h : α = β) (a : α) : β := h.rec a
/-- Move an element backward along an equality of types. -/
def Eq.mpr {α β : Sort u} (h : α = β) (b : β) : α := h.symm.rec b
/-- Not equal. -/
@[reducible] def Ne {α : Sort u} (a b : α) : Prop := ¬(a = b)
/-- Inequality is symmetric. -/
theorem Ne.symm {α : Sort u} {a b : α} (h : a ≠ b) : b ≠ a := fun k => h k.symm
/-- Nothing differs from itself. -/
theorem Ne.irrefl {α : Sort u} {a : α} (h : a ≠ a) : False := h rfl
/-- What equals something different from `c` differs from `c`. -/
theorem ne_of_eq_of_ne {α : Sort u} {a b c : α} (h₁ : a = b) (h₂ : b ≠ c) : a ≠ c := fun e => h₂ (h₁.symm.trans e)
/-- What differs from something that equals `c` differs from `c`. -/
theorem ne_of_ne_of_eq {α : Sort u} {a b c : α} (h₁ : a ≠ b) (h₂ : b = c) : a ≠ c := fun e => h₁ (e.trans h₂.symm)
/-- Heterogeneous equality is reflexive. -/
theorem HEq.rfl {α : Sort u} {a : α} : a ≍ a := HEq.refl a
/-- Heterogeneous equality is symmetric. -/
theorem HEq.symm {α β : Sort u} {a : α} {b : β} (h : a ≍ b) : b ≍ a := h.rec (HEq.refl a)
/-- Heterogeneous equality is transitive. -/
theorem HEq.trans {α β φ : Sort u} {a : α} {b : β} {c : φ} (h₁ : a ≍ b) (h₂ : b ≍ c) : a ≍ c := h₂.rec h₁

/-! ## Connectives -/
/-- At least one of the propositions holds. -/
inductive Or (a b : Prop) : Prop where
  | inl (h : a) : Or a b
  | inr (h : b) : Or a b
/-- Each proposition implies the other. -/
structure Iff (a b : Prop) : Prop where
  intro ::
  mp : a → b
  mpr : b → a
/-- Some element has the property. -/
inductive Exists {α : Sort u} (p : α → Prop) : Prop where
  | intro (w : α) (h : p w) : Exists p
/-- `True` holds. -/
theorem trivial : True := .intro
/-- `False` does not hold. -/
theorem not_false : ¬False := id
/-- A proposition is equivalent to itself. -/
@[refl] theorem Iff.refl (a : Prop) : a ↔ a := ⟨fun h => h, fun h => h⟩
/-- A proposition is equivalent to itself. -/
theorem Iff.rfl {a : Prop} : a ↔ a := Iff.refl a
/-- Equivalence is symmetric. -/
theorem Iff.symm {a b : Prop} (h : a ↔ b) : b ↔ a := ⟨h.mpr, h.mp⟩
/-- Equivalence is transitive. -/
theorem Iff.trans {a b c : Prop} (h₁ : a ↔ b) (h₂ : b ↔ c) : a ↔ c := ⟨fun x => h₂.mp (h₁.mp x), fun x => h₁.mpr (h₂.mpr x)⟩
/-- A conjunction may be read in either order. -/
theorem And.symm {a b : Prop} (h : a ∧ b) : b ∧ a := ⟨h.2, h.1⟩
/-- A disjunction may be read in either order. -/
theorem Or.symm {a b : Prop} (h : a ∨ b) : b ∨ a := h.rec (fun x => .inr x) (fun x => .inl x)
/-- Proof by cases on a disjunction. -/
theorem Or.elim {a b c : Prop} (h : a ∨ b) (left : a → c) (right : b → c) : c := h.rec left right
/-- Use the witness of an existence statement. -/
theorem Exists.elim {α : Sort u} {p : α → Prop} {b : Prop} (h₁ : ∃ x, p x) (h₂ : ∀ a, p a → b) : b := h₁.rec h₂
attribute [symm] Eq.symm Ne.symm Iff.symm HEq.symm And.symm Or.symm

/-- Inequality may be read in either order. -/
theorem ne_comm {α : Sort u} {a b : α} : a ≠ b ↔ b ≠ a := ⟨Ne.symm, Ne.symm⟩
/-- Equality may be read in either order. -/
theorem eq_comm {α : Sort u} {a b : α} : a = b ↔ b = a := ⟨Eq.symm, Eq.symm⟩

/-! ## The axioms -/
/-- Equivalent propositions are equal. -/
axiom propext {a b : Prop} : (a ↔ b) → a = b
/-- Related elements have equal classes. -/
axiom Quot.sound : ∀ {α : Sort u} {r : α → α → Prop} {a b : α}, r a b → Quot.mk r a = Quot.mk r b
/-- The type has an element. -/
class inductive Nonempty (α : Sort u) : Prop where
  | intro (val : α) : Nonempty α
/-- The type has a chosen element. -/
class Inhabited (α : Sort u) where
  default : α
/-- An element of any type that has one. -/
axiom Classical.choice {α : Sort u} : Nonempty α → α
/-- Functions with equal values are equal. -/
theorem funext {α : Sort u} {β : α → Sort v} {f g : (x : α) → β x} (h : ∀ x, f x = g x) : f = g :=
  let R := fun (f g : (x : α) → β x) => ∀ x, f x = g x
  let ap := fun (q : Quot R) (x : α) => Quot.lift (fun f : (x : α) → β x => f x) (fun _ _ h => h x) q
  show (fun x => ap (Quot.mk R f) x) = (fun x => ap (Quot.mk R g) x) from congrArg ap (Quot.sound h)
attribute [ext] funext propext
/-- Equal propositions are equivalent. -/
theorem iff_of_eq {a b : Prop} (h : a = b) : a ↔ b := h.rec Iff.rfl
/-- Equal propositions are equivalent. -/
theorem Eq.to_iff {a b : Prop} (h : a = b) : a ↔ b := iff_of_eq h
/-- A proposition that equals `True` holds. -/
theorem of_eq_true {p : Prop} (h : p = True) : p := h.symm.rec True.intro
/-- A proposition that equals `False` does not hold. -/
theorem of_eq_false {p : Prop} (h : p = False) : ¬p := fun x => h.rec x
/-- A proposition that holds equals `True`. -/
theorem eq_true {p : Prop} (h : p) : p = True := propext ⟨fun _ => .intro, fun _ => h⟩
/-- A proposition that does not hold equals `False`. -/
theorem eq_false {p : Prop} (h : ¬p) : p = False := propext ⟨h, False.elim⟩

prelude
import Fd.Logic
/-! Classical reasoning: everything here rests on the axiom `Classical.choice`. -/
set_option autoImplicit false
set_option linter.defProp false
universe u v
namespace Classical
/-- Excluded middle, by Diaconescu: choose from two predicates that agree exactly when `p` holds. -/
theorem em (p : Prop) : p ∨ ¬p :=
  let U (x : Prop) : Prop := x = True ∨ p
  let V (x : Prop) : Prop := x = False ∨ p
  have exU : Nonempty (Subtype U) := ⟨⟨True, .inl rfl⟩⟩
  have exV : Nonempty (Subtype V) := ⟨⟨False, .inl rfl⟩⟩
  let u : Prop := (choice exU).1
  let v : Prop := (choice exV).1
  have hu : U u := (choice exU).2
  have hv : V v := (choice exV).2
  have apart : u ≠ v ∨ p := hu.elim (fun hu => hv.elim (fun hv => .inl (fun e => of_eq_false (hu.symm.trans (e.trans hv)) .intro)) .inr) .inr
  have same : p → u = v := fun hp =>
    have e : U = V := funext (fun _ => propext ⟨fun _ => .inr hp, fun _ => .inr hp⟩)
    have f : ∀ (W : Prop → Prop) (_ : U = W) (k : Nonempty (Subtype W)), (choice exU).1 = (choice k).1 := fun _ h => h.rec (fun _ => rfl)
    f V e exV
  apart.elim (fun h => .inr (mt same h)) .inl
/-- Every proposition can be decided, though not computed. Used by `by_cases` and `open Classical`. -/
noncomputable scoped instance (priority := low) propDecidable (a : Prop) : Decidable a :=
  choice ((em a).elim (fun h => ⟨isTrue h⟩) (fun h => ⟨isFalse h⟩))
/-- What cannot be refuted holds. -/
theorem byContradiction {p : Prop} (h : ¬p → False) : p := (em p).elim id (fun n => (h n).elim)
/-- A proposition follows if it follows from `p` and from `¬p`. -/
theorem byCases {p q : Prop} (hpq : p → q) (hnpq : ¬p → q) : q := (em p).elim hpq hnpq
/-- Two negations cancel. -/
@[simp] theorem not_not {a : Prop} : ¬¬a ↔ a := ⟨byContradiction, not_not_intro⟩
/-- Not all have the property exactly when one lacks it. -/
@[simp] theorem not_forall {α : Sort u} {p : α → Prop} : (¬∀ x, p x) ↔ ∃ x, ¬p x :=
  ⟨fun h => byContradiction (fun n => h (fun x => byContradiction (fun k => n ⟨x, k⟩))), not_forall_of_exists_not⟩
/-- If none lacks the property, all have it. -/
theorem not_exists_not {α : Sort u} {p : α → Prop} : (¬∃ x, ¬p x) ↔ ∀ x, p x := ⟨fun h x => byContradiction (fun n => h ⟨x, n⟩), fun h ⟨x, n⟩ => n (h x)⟩
/-- If not all lack the property, some element has it. -/
theorem exists_of_not_forall_not {α : Sort u} {p : α → Prop} (h : ¬∀ x, ¬p x) : ∃ x, p x := byContradiction (fun n => h (fun x k => n ⟨x, k⟩))
/-- An implication is a disjunction. -/
theorem imp_iff_not_or {a b : Prop} : (a → b) ↔ ¬a ∨ b := ⟨fun h => (em a).elim (fun x => .inr (h x)) .inl, fun h x => h.elim (fun n => absurd x n) id⟩
/-- A disjunction is an implication from the negated left part. -/
theorem or_iff_not_imp_left {a b : Prop} : a ∨ b ↔ (¬a → b) := ⟨Or.resolve_left, fun h => (em a).elim .inl (fun n => .inr (h n))⟩
/-- A disjunction is an implication from the negated right part. -/
theorem or_iff_not_imp_right {a b : Prop} : a ∨ b ↔ (¬b → a) := ⟨Or.resolve_right, fun h => (em b).elim .inr (fun n => .inl (h n))⟩
/-- Not both means one of them fails (De Morgan). -/
theorem not_and_iff_not_or_not {a b : Prop} : ¬(a ∧ b) ↔ ¬a ∨ ¬b := ⟨fun h => (em a).elim (fun x => .inr (fun y => h ⟨x, y⟩)) .inl, not_and_of_not_or_not⟩
/-- A failing implication has a true premise and a false conclusion. -/
theorem not_imp {a b : Prop} : ¬(a → b) ↔ a ∧ ¬b := ⟨fun h => ⟨byContradiction (fun n => h (fun x => absurd x n)), fun y => h (fun _ => y)⟩, fun h k => h.2 (k h.1)⟩
/-- Contraposition in both directions. -/
theorem not_imp_not {a b : Prop} : (¬a → ¬b) ↔ (b → a) := ⟨fun h y => byContradiction (fun n => h n y), mt⟩
/-- Peirce's law. -/
theorem peirce {a b : Prop} (h : (a → b) → a) : a := byContradiction (fun n => n (h (fun x => absurd x n)))
/-- Someone is such that if he has the property, everyone has (the drinker). -/
theorem exists_imp_forall {α : Sort u} [Nonempty α] {p : α → Prop} : ∃ x, p x → ∀ y, p y :=
  (em (∃ x, ¬p x)).elim (fun ⟨x, n⟩ => ⟨x, fun h => absurd h n⟩) (fun h => Exists.of_forall (fun _ _ => not_exists_not.1 h))
/-- A witness of an existence statement, chosen. -/
noncomputable def choose {α : Sort u} {p : α → Prop} (h : ∃ x, p x) : α := (choice (h.elim (fun x k => ⟨(⟨x, k⟩ : Subtype p)⟩) : Nonempty (Subtype p))).1
/-- The chosen witness has the property. -/
theorem choose_spec {α : Sort u} {p : α → Prop} (h : ∃ x, p x) : p (choose h) := (choice (h.elim (fun x k => ⟨(⟨x, k⟩ : Subtype p)⟩) : Nonempty (Subtype p))).2
/-- If each `x` has a partner, a function gives the partners (axiom of choice). -/
theorem skolem {α : Sort u} {β : Sort v} {r : α → β → Prop} : (∀ x, ∃ y, r x y) ↔ ∃ f : α → β, ∀ x, r x (f x) :=
  ⟨fun h => ⟨fun x => choose (h x), fun x => choose_spec (h x)⟩, fun ⟨f, h⟩ x => ⟨f x, h x⟩⟩
end Classical
/-- Two negations cancel. -/
theorem not_not {a : Prop} : ¬¬a ↔ a := Classical.not_not
/-- If the negation implies the proposition, it holds. -/
theorem by_contra {p : Prop} (h : ¬p → False) : p := Classical.byContradiction h
/-- A proposition that can be decided holds or fails. -/
theorem Decidable.em (p : Prop) [inst : Decidable p] : p ∨ ¬p := inst.casesOn .inr .inl
/-- A decidable proposition that cannot be refuted holds. -/
theorem Decidable.byContradiction {p : Prop} [inst : Decidable p] (h : ¬p → False) : p := (Decidable.em p).elim id (fun n => (h n).elim)
/-- Two negations of a decidable proposition cancel. -/
theorem Decidable.not_not {p : Prop} [Decidable p] : ¬¬p ↔ p := ⟨Decidable.byContradiction, not_not_intro⟩
/-- A decidable proposition: cases on whether it holds. -/
def Decidable.byCases {p : Prop} {q : Sort u} [inst : Decidable p] (h₁ : p → q) (h₂ : ¬p → q) : q := inst.casesOn h₂ h₁

prelude
import Fd.Unexpand
/-! Propositional logic and quantifiers without the axiom of choice (with it: Fd/Classical.lean). -/
set_option autoImplicit false
set_option linter.defProp false
universe u v

/-! ## Relations that `calc` can chain -/
/-- Two relations whose composition is a third: what `calc` chains. -/
class Trans.{a, b, c, p, q, r} {α : Sort p} {β : Sort q} {γ : Sort r} (r : α → β → Sort a) (s : β → γ → Sort b) (t : outParam (α → γ → Sort c)) where
  trans {a : α} {b : β} {c : γ} : r a b → s b c → t a c
instance instTransEq {α : Sort u} {γ : Sort v} (r : α → γ → Prop) : Trans Eq r r := ⟨fun h k => h.symm.rec k⟩
instance instTransEq_1 {α : Sort u} {β : Sort v} (r : α → β → Prop) : Trans r Eq r := ⟨fun h k => k.rec h⟩
instance instTransIff : Trans Iff Iff Iff := ⟨Iff.trans⟩

/-! ## What `simp` knows about the connectives -/
/-- `a = a` holds. -/
@[simp] theorem eq_self {α : Sort u} (a : α) : (a = a) = True := eq_true rfl
/-- `a ≠ b` means `¬(a = b)`. -/
@[simp] theorem ne_eq {α : Sort u} (a b : α) : (a ≠ b) = ¬(a = b) := rfl
/-- `True` on the left of `∧` drops out. -/
@[simp] theorem true_and (p : Prop) : (True ∧ p) = p := propext ⟨fun h => h.2, fun h => ⟨.intro, h⟩⟩
/-- `True` on the right of `∧` drops out. -/
@[simp] theorem and_true (p : Prop) : (p ∧ True) = p := propext ⟨fun h => h.1, fun h => ⟨h, .intro⟩⟩
/-- `False` on the left of `∧` makes it false. -/
@[simp] theorem false_and (p : Prop) : (False ∧ p) = False := propext ⟨fun h => h.1, fun h => h.rec⟩
/-- `False` on the right of `∧` makes it false. -/
@[simp] theorem and_false (p : Prop) : (p ∧ False) = False := propext ⟨fun h => h.2, fun h => h.rec⟩
/-- A proposition and itself is itself. -/
@[simp] theorem and_self (p : Prop) : (p ∧ p) = p := propext ⟨fun h => h.1, fun h => ⟨h, h⟩⟩
/-- `True` on the left of `∨` makes it true. -/
@[simp] theorem true_or (p : Prop) : (True ∨ p) = True := eq_true (.inl .intro)
/-- `True` on the right of `∨` makes it true. -/
@[simp] theorem or_true (p : Prop) : (p ∨ True) = True := eq_true (.inr .intro)
/-- `False` on the left of `∨` drops out. -/
@[simp] theorem false_or (p : Prop) : (False ∨ p) = p := propext ⟨fun h => h.elim False.elim id, .inr⟩
/-- `False` on the right of `∨` drops out. -/
@[simp] theorem or_false (p : Prop) : (p ∨ False) = p := propext ⟨fun h => h.elim id False.elim, .inl⟩
/-- A proposition or itself is itself. -/
@[simp] theorem or_self (p : Prop) : (p ∨ p) = p := propext ⟨fun h => h.elim id id, .inl⟩
/-- `¬True` is false. -/
@[simp] theorem not_true_eq_false : (¬True) = False := eq_false (fun h => h .intro)
/-- `¬False` is true. -/
@[simp] theorem not_false_eq_true : (¬False) = True := eq_true id
/-- `p ↔ p` holds. -/
@[simp] theorem iff_self (p : Prop) : (p ↔ p) = True := eq_true Iff.rfl
/-- `True ↔ p` is `p`. -/
@[simp] theorem true_iff (p : Prop) : (True ↔ p) = p := propext ⟨fun h => h.1 .intro, fun h => ⟨fun _ => h, fun _ => .intro⟩⟩
/-- `p ↔ True` is `p`. -/
@[simp] theorem iff_true (p : Prop) : (p ↔ True) = p := propext ⟨fun h => h.2 .intro, fun h => ⟨fun _ => .intro, fun _ => h⟩⟩
/-- `False ↔ p` is `¬p`. -/
@[simp] theorem false_iff (p : Prop) : (False ↔ p) = ¬p := propext ⟨fun h => h.2, fun h => ⟨fun f => f.rec, h⟩⟩
/-- `p ↔ False` is `¬p`. -/
@[simp] theorem iff_false (p : Prop) : (p ↔ False) = ¬p := propext ⟨fun h => h.1, fun h => ⟨h, fun f => f.rec⟩⟩
/-- Everything implies `True`. -/
@[simp] theorem implies_true (α : Sort u) : (α → True) = True := eq_true (fun _ => .intro)
/-- `True → p` is `p`. -/
@[simp] theorem true_implies (p : Prop) : (True → p) = p := propext ⟨fun h => h .intro, fun h _ => h⟩
/-- `False` implies everything. -/
@[simp] theorem false_implies (p : Prop) : (False → p) = True := eq_true (fun f => f.rec)
/-- A hypothesis about an element that is not used can be dropped. -/
@[simp] theorem forall_const {α : Sort u} (b : Prop) [i : Nonempty α] : (α → b) ↔ b := ⟨fun h => i.rec h, fun h _ => h⟩
/-- Implying `False` is not holding. -/
@[simp] theorem imp_false {a : Prop} : (a → False) ↔ ¬a := Iff.rfl
/-- A proposition implies itself. -/
@[simp] theorem imp_self {a : Prop} : (a → a) ↔ True := ⟨fun _ => .intro, fun _ h => h⟩
/-- Not both a proposition and its negation. -/
@[simp] theorem and_not_self {a : Prop} : ¬(a ∧ ¬a) := fun h => h.2 h.1
/-- Not both the negation and the proposition. -/
@[simp] theorem not_and_self {a : Prop} : ¬(¬a ∧ a) := fun h => h.1 h.2

/-! ## Conjunction -/
/-- `∧` is commutative. -/
theorem and_comm {a b : Prop} : a ∧ b ↔ b ∧ a := ⟨And.symm, And.symm⟩
/-- `∧` is associative. -/
theorem and_assoc {a b c : Prop} : (a ∧ b) ∧ c ↔ a ∧ (b ∧ c) := ⟨fun ⟨⟨x, y⟩, z⟩ => ⟨x, y, z⟩, fun ⟨x, y, z⟩ => ⟨⟨x, y⟩, z⟩⟩
/-- The first two parts of a conjunction can be exchanged. -/
theorem and_left_comm {a b c : Prop} : a ∧ (b ∧ c) ↔ b ∧ (a ∧ c) := ⟨fun ⟨x, y, z⟩ => ⟨y, x, z⟩, fun ⟨y, x, z⟩ => ⟨x, y, z⟩⟩
/-- The last two parts of a conjunction can be exchanged. -/
theorem and_right_comm {a b c : Prop} : (a ∧ b) ∧ c ↔ (a ∧ c) ∧ b := ⟨fun ⟨⟨x, y⟩, z⟩ => ⟨⟨x, z⟩, y⟩, fun ⟨⟨x, z⟩, y⟩ => ⟨⟨x, y⟩, z⟩⟩
/-- Weaken both parts of a conjunction. -/
theorem And.imp {a b c d : Prop} (f : a → c) (g : b → d) (h : a ∧ b) : c ∧ d := ⟨f h.1, g h.2⟩
/-- Weaken the left part of a conjunction. -/
theorem And.imp_left {a b c : Prop} (h : a → b) : a ∧ c → b ∧ c := And.imp h id
/-- Weaken the right part of a conjunction. -/
theorem And.imp_right {a b c : Prop} (h : a → b) : c ∧ a → c ∧ b := And.imp id h
/-- Equivalent parts give equivalent conjunctions. -/
theorem and_congr {a b c d : Prop} (h₁ : a ↔ c) (h₂ : b ↔ d) : a ∧ b ↔ c ∧ d := ⟨And.imp h₁.1 h₂.1, And.imp h₁.2 h₂.2⟩
/-- Replace the left part of a conjunction by an equivalent one. -/
theorem and_congr_left {a b c : Prop} (h : c → (a ↔ b)) : a ∧ c ↔ b ∧ c := ⟨fun ⟨x, z⟩ => ⟨(h z).1 x, z⟩, fun ⟨y, z⟩ => ⟨(h z).2 y, z⟩⟩
/-- Replace the right part of a conjunction by an equivalent one. -/
theorem and_congr_right {a b c : Prop} (h : a → (b ↔ c)) : a ∧ b ↔ a ∧ c := ⟨fun ⟨x, y⟩ => ⟨x, (h x).1 y⟩, fun ⟨x, z⟩ => ⟨x, (h x).2 z⟩⟩
/-- From a conjunction: one hypothesis or two. -/
@[simp] theorem and_imp {a b c : Prop} : (a ∧ b → c) ↔ (a → b → c) := ⟨fun h x y => h ⟨x, y⟩, fun h ⟨x, y⟩ => h x y⟩
/-- Proving a conjunction from a hypothesis is proving both parts from it. -/
theorem imp_and {a b c : Prop} : (a → b ∧ c) ↔ (a → b) ∧ (a → c) := ⟨fun h => ⟨fun x => (h x).1, fun x => (h x).2⟩, fun h x => ⟨h.1 x, h.2 x⟩⟩
/-- `a ∧ b` is `a` exactly when `a` implies `b`. -/
theorem and_iff_left_of_imp {a b : Prop} (h : a → b) : a ∧ b ↔ a := ⟨And.left, fun x => ⟨x, h x⟩⟩
/-- `a ∧ b` is `b` when `b` implies `a`. -/
theorem and_iff_right_of_imp {a b : Prop} (h : b → a) : a ∧ b ↔ b := ⟨And.right, fun y => ⟨h y, y⟩⟩
/-- A part that holds can be dropped from a conjunction. -/
theorem and_iff_left {a b : Prop} (hb : b) : a ∧ b ↔ a := ⟨And.left, fun x => ⟨x, hb⟩⟩
/-- A part that holds can be dropped from a conjunction. -/
theorem and_iff_right {a b : Prop} (ha : a) : a ∧ b ↔ b := ⟨And.right, fun y => ⟨ha, y⟩⟩

/-! ## Disjunction -/
/-- `∨` is commutative. -/
theorem or_comm {a b : Prop} : a ∨ b ↔ b ∨ a := ⟨Or.symm, Or.symm⟩
/-- `∨` is associative. -/
theorem or_assoc {a b c : Prop} : (a ∨ b) ∨ c ↔ a ∨ (b ∨ c) :=
  ⟨fun h => h.elim (fun h => h.elim .inl (fun y => .inr (.inl y))) (fun z => .inr (.inr z)),
   fun h => h.elim (fun x => .inl (.inl x)) (fun h => h.elim (fun y => .inl (.inr y)) .inr)⟩
/-- The first two parts of a disjunction can be exchanged. -/
theorem or_left_comm {a b c : Prop} : a ∨ (b ∨ c) ↔ b ∨ (a ∨ c) := by rw [← or_assoc, ← or_assoc, or_comm (a := a)]
/-- The last two parts of a disjunction can be exchanged. -/
theorem or_right_comm {a b c : Prop} : (a ∨ b) ∨ c ↔ (a ∨ c) ∨ b := by rw [or_assoc, or_assoc, or_comm (a := b)]
/-- Weaken both parts of a disjunction. -/
theorem Or.imp {a b c d : Prop} (f : a → c) (g : b → d) (h : a ∨ b) : c ∨ d := h.elim (fun x => .inl (f x)) (fun y => .inr (g y))
/-- Weaken the left part of a disjunction. -/
theorem Or.imp_left {a b c : Prop} (f : a → b) : a ∨ c → b ∨ c := Or.imp f id
/-- Weaken the right part of a disjunction. -/
theorem Or.imp_right {a b c : Prop} (f : b → c) : a ∨ b → a ∨ c := Or.imp id f
/-- If the left part of a disjunction fails, the right part holds. -/
theorem Or.resolve_left {a b : Prop} (h : a ∨ b) (na : ¬a) : b := h.elim (fun x => absurd x na) id
/-- If the right part of a disjunction fails, the left part holds. -/
theorem Or.resolve_right {a b : Prop} (h : a ∨ b) (nb : ¬b) : a := h.elim id (fun y => absurd y nb)
/-- Equivalent parts give equivalent disjunctions. -/
theorem or_congr {a b c d : Prop} (h₁ : a ↔ c) (h₂ : b ↔ d) : a ∨ b ↔ c ∨ d := ⟨Or.imp h₁.1 h₂.1, Or.imp h₁.2 h₂.2⟩
/-- To use a disjunction is to use both parts. -/
theorem or_imp {a b c : Prop} : (a ∨ b → c) ↔ (a → c) ∧ (b → c) := ⟨fun h => ⟨fun x => h (.inl x), fun y => h (.inr y)⟩, fun h k => k.elim h.1 h.2⟩
/-- `a ∨ b` is `a` when `b` implies `a`. -/
theorem or_iff_left_of_imp {a b : Prop} (h : b → a) : a ∨ b ↔ a := ⟨fun k => k.elim id h, .inl⟩
/-- `a ∨ b` is `b` when `a` implies `b`. -/
theorem or_iff_right_of_imp {a b : Prop} (h : a → b) : a ∨ b ↔ b := ⟨fun k => k.elim h id, .inr⟩
/-- A part that fails can be dropped from a disjunction. -/
theorem or_iff_left {a b : Prop} (nb : ¬b) : a ∨ b ↔ a := ⟨fun h => h.resolve_right nb, .inl⟩
/-- A part that fails can be dropped from a disjunction. -/
theorem or_iff_right {a b : Prop} (na : ¬a) : a ∨ b ↔ b := ⟨fun h => h.resolve_left na, .inr⟩

/-! ## Distribution -/
/-- `∧` distributes over `∨` from the left. -/
theorem and_or_left {a b c : Prop} : a ∧ (b ∨ c) ↔ (a ∧ b) ∨ (a ∧ c) :=
  ⟨fun ⟨x, h⟩ => h.elim (fun y => .inl ⟨x, y⟩) (fun z => .inr ⟨x, z⟩), fun h => h.elim (fun ⟨x, y⟩ => ⟨x, .inl y⟩) (fun ⟨x, z⟩ => ⟨x, .inr z⟩)⟩
/-- `∧` distributes over `∨` from the right. -/
theorem or_and_right {a b c : Prop} : (a ∨ b) ∧ c ↔ (a ∧ c) ∨ (b ∧ c) := by rw [and_comm, and_or_left, and_comm (a := c), and_comm (a := c)]
/-- `∨` distributes over `∧` from the left. -/
theorem or_and_left {a b c : Prop} : a ∨ (b ∧ c) ↔ (a ∨ b) ∧ (a ∨ c) :=
  ⟨fun h => h.elim (fun x => ⟨.inl x, .inl x⟩) (fun ⟨y, z⟩ => ⟨.inr y, .inr z⟩),
   fun ⟨h, k⟩ => h.elim .inl (fun y => k.elim .inl (fun z => .inr ⟨y, z⟩))⟩
/-- `∨` distributes over `∧` from the right. -/
theorem and_or_right {a b c : Prop} : (a ∧ b) ∨ c ↔ (a ∨ c) ∧ (b ∨ c) := by rw [or_comm, or_and_left, or_comm (a := c), or_comm (a := c)]

/-! ## Negation and implication -/
/-- Implication is transitive. -/
theorem imp.trans {a b c : Prop} (h₁ : a → b) (h₂ : b → c) : a → c := fun x => h₂ (h₁ x)
/-- Contraposition (modus tollens). -/
theorem mt {a b : Prop} (h₁ : a → b) (h₂ : ¬b) : ¬a := fun x => h₂ (h₁ x)
/-- What holds is not refuted. -/
theorem not_not_intro {p : Prop} (h : p) : ¬¬p := fun k => k h
/-- Contraposition under a negation. -/
theorem Not.imp {a b : Prop} (h₁ : ¬b) (h₂ : a → b) : ¬a := mt h₂ h₁
/-- Anything follows from a refuted proposition. -/
def Not.elim {a : Prop} {b : Sort u} (h₁ : ¬a) (h₂ : a) : b := absurd h₂ h₁
/-- Three negations are one. -/
theorem not_not_not {a : Prop} : ¬¬¬a ↔ ¬a := ⟨fun h x => h (not_not_intro x), not_not_intro⟩
/-- Neither of two means not one and not the other (De Morgan). -/
@[simp] theorem not_or {p q : Prop} : ¬(p ∨ q) ↔ ¬p ∧ ¬q := ⟨fun h => ⟨fun x => h (.inl x), fun y => h (.inr y)⟩, fun h k => k.elim h.1 h.2⟩
/-- Not both means that the one excludes the other. -/
@[simp] theorem not_and {a b : Prop} : ¬(a ∧ b) ↔ (a → ¬b) := and_imp
/-- The one excludes the other, read from the right. -/
theorem not_and' {a b : Prop} : ¬(a ∧ b) ↔ (b → ¬a) := ⟨fun h y x => h ⟨x, y⟩, fun h k => h k.2 k.1⟩
/-- One refuted part refutes a conjunction. -/
theorem not_and_of_not_left {a : Prop} (b : Prop) (h : ¬a) : ¬(a ∧ b) := fun k => h k.1
/-- One refuted part refutes a conjunction. -/
theorem not_and_of_not_right (a : Prop) {b : Prop} (h : ¬b) : ¬(a ∧ b) := fun k => h k.2
/-- One refuted part gives not both. -/
theorem not_and_of_not_or_not {a b : Prop} (h : ¬a ∨ ¬b) : ¬(a ∧ b) := fun k => h.elim (fun n => n k.1) (fun n => n k.2)
/-- The order of two hypotheses does not matter. -/
theorem imp_swap {a b c : Prop} : (a → b → c) ↔ (b → a → c) := ⟨fun h y x => h x y, fun h x y => h y x⟩
/-- Equivalent sides give equivalent implications. -/
theorem imp_congr {a b c d : Prop} (h₁ : a ↔ c) (h₂ : b ↔ d) : (a → b) ↔ (c → d) := ⟨fun f x => h₂.1 (f (h₁.2 x)), fun f x => h₂.2 (f (h₁.1 x))⟩
/-- A negated hypothesis and a negated goal can be exchanged. -/
theorem imp_not_comm {a b : Prop} : (a → ¬b) ↔ (b → ¬a) := imp_swap
/-- Equivalent propositions have equivalent negations. -/
theorem not_congr {a b : Prop} (h : a ↔ b) : ¬a ↔ ¬b := ⟨mt h.2, mt h.1⟩

/-! ## Equivalence -/
/-- `↔` is commutative. -/
theorem iff_comm {a b : Prop} : (a ↔ b) ↔ (b ↔ a) := ⟨Iff.symm, Iff.symm⟩
/-- Two propositions that hold are equivalent. -/
theorem iff_of_true {a b : Prop} (ha : a) (hb : b) : a ↔ b := ⟨fun _ => hb, fun _ => ha⟩
/-- Two propositions that fail are equivalent. -/
theorem iff_of_false {a b : Prop} (ha : ¬a) (hb : ¬b) : a ↔ b := ⟨fun x => absurd x ha, fun y => absurd y hb⟩
/-- An equivalence is two implications. -/
theorem iff_def {a b : Prop} : (a ↔ b) ↔ (a → b) ∧ (b → a) := ⟨fun h => ⟨h.1, h.2⟩, fun h => ⟨h.1, h.2⟩⟩
/-- Equivalent sides give equivalent equivalences. -/
theorem iff_congr {a b c d : Prop} (h₁ : a ↔ c) (h₂ : b ↔ d) : (a ↔ b) ↔ (c ↔ d) := ⟨fun h => h₁.symm.trans (h.trans h₂), fun h => h₁.trans (h.trans h₂.symm)⟩
/-- A proposition is never equivalent to its negation. -/
theorem iff_not_self {a : Prop} : ¬(a ↔ ¬a) := fun h => have n : ¬a := fun x => h.1 x x; n (h.2 n)
/-- Refute one side of an equivalence through the other. -/
theorem Iff.not {a b : Prop} (h : a ↔ b) : ¬a ↔ ¬b := not_congr h
/-- Join equivalences by `∧`. -/
theorem Iff.and {a b c d : Prop} (h₁ : a ↔ b) (h₂ : c ↔ d) : a ∧ c ↔ b ∧ d := and_congr h₁ h₂
/-- Join equivalences by `∨`. -/
theorem Iff.or {a b c d : Prop} (h₁ : a ↔ b) (h₂ : c ↔ d) : a ∨ c ↔ b ∨ d := or_congr h₁ h₂

/-! ## Quantifiers -/
section
variable {α : Sort u} {β : Sort v} {p q : α → Prop} {b : Prop}
/-- No element has the property exactly when each lacks it. -/
@[simp] theorem not_exists : (¬∃ x, p x) ↔ ∀ x, ¬p x := ⟨fun h x k => h ⟨x, k⟩, fun h ⟨x, k⟩ => h x k⟩
/-- One element without the property refutes that all have it. -/
theorem not_forall_of_exists_not (h : ∃ x, ¬p x) : ¬∀ x, p x := fun k => h.elim (fun x n => n (k x))
/-- To use an existence statement is to use every witness. -/
theorem exists_imp : ((∃ x, p x) → b) ↔ ∀ x, p x → b := ⟨fun h x k => h ⟨x, k⟩, fun h ⟨x, k⟩ => h x k⟩
/-- Weaken the property under `∃`. -/
theorem Exists.imp (h : ∀ a, p a → q a) : (∃ a, p a) → ∃ a, q a := fun ⟨a, k⟩ => ⟨a, h a k⟩
/-- Equivalent properties have witnesses together. -/
theorem exists_congr (h : ∀ a, p a ↔ q a) : (∃ a, p a) ↔ ∃ a, q a := ⟨Exists.imp (fun a => (h a).1), Exists.imp (fun a => (h a).2)⟩
/-- Weaken the property under `∀`. -/
theorem forall_imp (h : ∀ a, p a → q a) : (∀ a, p a) → ∀ a, q a := fun k a => h a (k a)
/-- `∀` distributes over `∧`. -/
theorem forall_and : (∀ x, p x ∧ q x) ↔ (∀ x, p x) ∧ (∀ x, q x) := ⟨fun h => ⟨fun x => (h x).1, fun x => (h x).2⟩, fun h x => ⟨h.1 x, h.2 x⟩⟩
/-- `∃` distributes over `∨`. -/
theorem exists_or : (∃ x, p x ∨ q x) ↔ (∃ x, p x) ∨ (∃ x, q x) :=
  ⟨fun ⟨x, h⟩ => h.elim (fun k => .inl ⟨x, k⟩) (fun k => .inr ⟨x, k⟩), fun h => h.elim (fun ⟨x, k⟩ => ⟨x, .inl k⟩) (fun ⟨x, k⟩ => ⟨x, .inr k⟩)⟩
/-- A part without the variable moves out of `∃` to the left. -/
@[simp] theorem exists_and_left : (∃ x, b ∧ p x) ↔ b ∧ ∃ x, p x := ⟨fun ⟨x, h, k⟩ => ⟨h, x, k⟩, fun ⟨h, x, k⟩ => ⟨x, h, k⟩⟩
/-- A part without the variable moves out of `∃` to the right. -/
@[simp] theorem exists_and_right : (∃ x, p x ∧ b) ↔ (∃ x, p x) ∧ b := ⟨fun ⟨x, k, h⟩ => ⟨⟨x, k⟩, h⟩, fun ⟨⟨x, k⟩, h⟩ => ⟨x, k, h⟩⟩
/-- A premise without the variable moves out of `∀`. -/
theorem forall_imp_iff : (∀ x, b → p x) ↔ (b → ∀ x, p x) := ⟨fun h k x => h x k, fun h x k => h k x⟩
/-- A witness of a conjunction is a witness of each part. -/
theorem exists_and_imp (h : ∃ x, p x ∧ q x) : (∃ x, p x) ∧ ∃ x, q x := h.elim (fun x k => ⟨⟨x, k.1⟩, ⟨x, k.2⟩⟩)
/-- Something equals `a`. -/
@[simp] theorem exists_eq {a : α} : ∃ x, x = a := ⟨a, rfl⟩
/-- Something equals `a`, read from the other side. -/
@[simp] theorem exists_eq' {a : α} : ∃ x, a = x := ⟨a, rfl⟩
/-- A witness that must be `a` is `a`. -/
@[simp] theorem exists_eq_left {a : α} : (∃ x, x = a ∧ p x) ↔ p a := ⟨fun ⟨_, e, h⟩ => Eq.subst e h, fun h => ⟨a, rfl, h⟩⟩
/-- A witness that must be `a` is `a`. -/
@[simp] theorem exists_eq_right {a : α} : (∃ x, p x ∧ x = a) ↔ p a := ⟨fun ⟨_, h, e⟩ => Eq.subst e h, fun h => ⟨a, h, rfl⟩⟩
/-- What holds of every element that equals `a` holds of `a`. -/
@[simp] theorem forall_eq {a : α} : (∀ x, x = a → p x) ↔ p a := ⟨fun h => h a rfl, fun h _ e => e.symm ▸ h⟩
/-- What holds of every element that `a` equals holds of `a`. -/
@[simp] theorem forall_eq' {a : α} : (∀ x, a = x → p x) ↔ p a := ⟨fun h => h a rfl, fun h _ e => e ▸ h⟩
/-- Two universal quantifiers can be exchanged. -/
theorem forall_comm {r : α → β → Prop} : (∀ x y, r x y) ↔ ∀ y x, r x y := ⟨fun h y x => h x y, fun h x y => h y x⟩
/-- Two existential quantifiers can be exchanged. -/
theorem exists_comm {r : α → β → Prop} : (∃ x y, r x y) ↔ ∃ y x, r x y := ⟨fun ⟨x, y, h⟩ => ⟨y, x, h⟩, fun ⟨y, x, h⟩ => ⟨x, y, h⟩⟩
/-- If one partner serves all, each has a partner. -/
theorem forall_exists_of_exists_forall {r : α → β → Prop} (h : ∃ y, ∀ x, r x y) : ∀ x, ∃ y, r x y := fun x => h.elim (fun y k => ⟨y, k x⟩)
/-- What all elements have, some element has, if there is one. -/
theorem Exists.of_forall [i : Nonempty α] (h : ∀ x, p x) : ∃ x, p x := i.rec (fun x => ⟨x, h x⟩)
end

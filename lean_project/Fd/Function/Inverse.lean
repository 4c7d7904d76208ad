prelude
import Fd.Function
import Fd.Classical
/-! Functions and their inverses on one side and on both, and Cantor's theorem. -/
set_option autoImplicit false
set_option linter.defProp false
universe u v w
namespace Function
variable {α : Sort u} {β : Sort v} {γ : Sort w}
/-- Some function undoes `f`. -/
def HasLeftInverse (f : α → β) : Prop := ∃ g : β → α, LeftInverse g f
/-- Some function is undone by `f`. -/
def HasRightInverse (f : α → β) : Prop := ∃ g : β → α, RightInverse g f
/-- The identity is bijective. -/
theorem bijective_id : Bijective (id : α → α) := ⟨injective_id, surjective_id⟩
/-- A bijective function is injective. -/
protected theorem Bijective.injective {f : α → β} (h : Bijective f) : Injective f := h.1
/-- A bijective function is surjective. -/
protected theorem Bijective.surjective {f : α → β} (h : Bijective f) : Surjective f := h.2
/-- An involution is bijective. -/
protected theorem Involutive.bijective {f : α → α} (h : Involutive f) : Bijective f := ⟨h.injective, h.surjective⟩
/-- A left inverse undoes the function: their composition is the identity. -/
theorem LeftInverse.comp_eq_id {g : β → α} {f : α → β} (h : LeftInverse g f) : g ∘ f = id := funext h
/-- Being undone is being a left inverse the other way round. -/
theorem LeftInverse.rightInverse {g : β → α} {f : α → β} (h : LeftInverse g f) : RightInverse f g := h
/-- A left inverse is surjective. -/
theorem LeftInverse.surjective {g : β → α} {f : α → β} (h : LeftInverse g f) : Surjective g := fun a => ⟨f a, h a⟩
/-- A right inverse is injective. -/
theorem RightInverse.injective {g : β → α} {f : α → β} (h : RightInverse g f) : Injective g := LeftInverse.injective h
/-- Left inverses of two functions compose, in the opposite order. -/
theorem LeftInverse.comp {f : α → β} {g : β → α} {h : β → γ} {i : γ → β} (hf : LeftInverse g f) (hh : LeftInverse i h) : LeftInverse (g ∘ i) (h ∘ f) :=
  fun a => (congrArg g (hh (f a))).trans (hf a)
/-- A left and a right inverse of one function are equal. -/
theorem LeftInverse.eq_rightInverse {f : α → β} {g₁ g₂ : β → α} (h₁ : LeftInverse g₁ f) (h₂ : RightInverse g₂ f) : g₁ = g₂ :=
  funext (fun b => (congrArg g₁ (h₂ b)).symm.trans (h₁ (g₂ b)))
/-- A right inverse of a surjective function, chosen. -/
noncomputable def surjInv {f : α → β} (h : Surjective f) (b : β) : α := Classical.choose (h b)
/-- The chosen preimage is one. -/
theorem surjInv_eq {f : α → β} (h : Surjective f) (b : β) : f (surjInv h b) = b := Classical.choose_spec (h b)
/-- The chosen right inverse is undone by the function. -/
theorem rightInverse_surjInv {f : α → β} (h : Surjective f) : RightInverse (surjInv h) f := surjInv_eq h
/-- A surjective function has a right inverse. -/
theorem Surjective.hasRightInverse {f : α → β} (h : Surjective f) : HasRightInverse f := ⟨surjInv h, rightInverse_surjInv h⟩
/-- A function is surjective exactly when it has a right inverse. -/
theorem surjective_iff_hasRightInverse {f : α → β} : Surjective f ↔ HasRightInverse f := ⟨Surjective.hasRightInverse, fun ⟨_, h⟩ => h.surjective⟩
/-- An injective function on a type with an element has a left inverse. -/
theorem Injective.hasLeftInverse [i : Nonempty α] {f : α → β} (h : Injective f) : HasLeftInverse f := by
  have pick (b : β) : ∃ a, ∀ a', f a' = b → a' = a := (Classical.em (∃ a, f a = b)).elim
    (fun ⟨a, e⟩ => ⟨a, fun _ k => h (k.trans e.symm)⟩) (fun n => i.rec (fun a => ⟨a, fun a' k => absurd ⟨a', k⟩ n⟩))
  exact ⟨fun b => Classical.choose (pick b), fun a => (Classical.choose_spec (pick (f a)) a rfl).symm⟩
/-- On a type with an element, a function is injective exactly when it has a left inverse. -/
theorem injective_iff_hasLeftInverse [Nonempty α] {f : α → β} : Injective f ↔ HasLeftInverse f := ⟨Injective.hasLeftInverse, fun ⟨_, h⟩ => h.injective⟩
/-- A function is bijective exactly when some function is its inverse on both sides. -/
theorem bijective_iff_has_inverse {f : α → β} : Bijective f ↔ ∃ g, LeftInverse g f ∧ RightInverse g f :=
  ⟨fun h => ⟨surjInv h.2, fun a => h.1 (surjInv_eq h.2 (f a)), surjInv_eq h.2⟩, fun ⟨_, l, r⟩ => ⟨l.injective, r.surjective⟩⟩
/-- What holds of all values of a surjective function holds of everything. -/
protected theorem Surjective.forall {f : α → β} (h : Surjective f) {p : β → Prop} : (∀ y, p y) ↔ ∀ x, p (f x) :=
  ⟨fun k x => k (f x), fun k y => (h y).elim (fun x e => e ▸ k x)⟩
/-- Something has a property exactly when some value of a surjective function has it. -/
protected theorem Surjective.exists {f : α → β} (h : Surjective f) {p : β → Prop} : (∃ y, p y) ↔ ∃ x, p (f x) :=
  ⟨fun ⟨y, k⟩ => (h y).elim (fun x e => ⟨x, e.symm ▸ k⟩), fun ⟨x, k⟩ => ⟨f x, k⟩⟩
/-- Functions that agree after a surjective function are equal. -/
theorem Surjective.injective_comp_right {f : α → β} (h : Surjective f) : Injective (fun g : β → γ => g ∘ f) :=
  fun _ _ e => funext (fun b => (h b).elim (fun a k => k ▸ congrFun e a))
/-- Functions that agree before an injective function are equal. -/
theorem Injective.comp_left {g : β → γ} (h : Injective g) : Injective (fun f : α → β => g ∘ f) := fun _ _ e => funext (fun a => h (congrFun e a))
/-- Cantor: no function from a type to its predicates is surjective. -/
theorem cantor_surjective (f : α → (α → Prop)) : ¬Surjective f := fun h =>
  (h (fun a => ¬f a a)).elim (fun a e => iff_not_self ⟨(congrFun e a).mp, (congrFun e a).mpr⟩)
/-- Cantor: no function from the predicates of a type to the type is injective. -/
theorem cantor_injective (f : (α → Prop) → α) : ¬Injective f := fun h => by
  refine cantor_surjective (fun a => fun b => ∀ p, f p = a → p b) (fun p => ⟨f p, funext (fun b => propext ⟨fun k => k p rfl, fun k q e => ?_⟩)⟩)
  rw [h e]; exact k
end Function

prelude
import Fd.Logic
/-! Injective and surjective functions, and composition. -/
set_option autoImplicit false
universe u v w z
namespace Function
variable {α : Sort u} {β : Sort v} {γ : Sort w} {δ : Sort z}
/-- Different arguments give different values. -/
def Injective (f : α → β) : Prop := ∀ ⦃a₁ a₂⦄, f a₁ = f a₂ → a₁ = a₂
/-- Every element is a value. -/
def Surjective (f : α → β) : Prop := ∀ b, ∃ a, f a = b
/-- Injective and surjective. -/
def Bijective (f : α → β) : Prop := Injective f ∧ Surjective f
/-- `g` undoes `f`. -/
def LeftInverse (g : β → α) (f : α → β) : Prop := ∀ x, g (f x) = x
/-- `f` undoes `g`. -/
def RightInverse (g : β → α) (f : α → β) : Prop := LeftInverse f g
/-- Doing the function twice changes nothing. -/
def Involutive {α : Sort u} (f : α → α) : Prop := ∀ x, f (f x) = x
/-- The value of a composition. -/
@[simp] theorem comp_apply {f : β → γ} {g : α → β} {x : α} : (f ∘ g) x = f (g x) := rfl
/-- Composition is associative. -/
theorem comp_assoc (f : γ → δ) (g : β → γ) (h : α → β) : (f ∘ g) ∘ h = f ∘ (g ∘ h) := rfl
/-- Composing with the identity on the left changes nothing. -/
@[simp] theorem id_comp (f : α → β) : id ∘ f = f := rfl
/-- Composing with the identity on the right changes nothing. -/
@[simp] theorem comp_id (f : α → β) : f ∘ id = f := rfl
/-- The value of a constant function. -/
@[simp] theorem const_apply {y : β} {x : α} : const α y x = y := rfl
/-- The identity is injective. -/
theorem injective_id : Injective (id : α → α) := fun _ _ h => h
/-- The identity is surjective. -/
theorem surjective_id : Surjective (id : α → α) := fun b => ⟨b, rfl⟩
/-- A composition of injective functions is injective. -/
theorem Injective.comp {g : β → γ} {f : α → β} (hg : Injective g) (hf : Injective f) : Injective (g ∘ f) := fun _ _ h => hf (hg h)
/-- A composition of surjective functions is surjective. -/
theorem Surjective.comp {g : β → γ} {f : α → β} (hg : Surjective g) (hf : Surjective f) : Surjective (g ∘ f) := fun c =>
  let ⟨b, hb⟩ := hg c
  let ⟨a, ha⟩ := hf b
  ⟨a, show g (f a) = c from (congrArg g ha).trans hb⟩
/-- If a composition is injective, so is what comes first. -/
theorem Injective.of_comp {g : β → γ} {f : α → β} (h : Injective (g ∘ f)) : Injective f := fun _ _ e => h (congrArg g e)
/-- If a composition is surjective, so is what comes last. -/
theorem Surjective.of_comp {g : β → γ} {f : α → β} (h : Surjective (g ∘ f)) : Surjective g := fun c => (h c).elim (fun a e => ⟨f a, e⟩)
/-- Injective functions have equal values at equal arguments only. -/
theorem Injective.eq_iff {f : α → β} (h : Injective f) {a b : α} : f a = f b ↔ a = b := ⟨fun e => h e, congrArg f⟩
/-- Injective functions keep different elements different. -/
theorem Injective.ne {f : α → β} (h : Injective f) {a b : α} (n : a ≠ b) : f a ≠ f b := fun e => n (h e)
/-- A function with a left inverse is injective. -/
theorem LeftInverse.injective {g : β → α} {f : α → β} (h : LeftInverse g f) : Injective f := fun a b e => (h a).symm.trans ((congrArg g e).trans (h b))
/-- A function with a right inverse is surjective. -/
theorem RightInverse.surjective {g : β → α} {f : α → β} (h : RightInverse g f) : Surjective f := fun b => ⟨g b, h b⟩
/-- An involution is injective. -/
theorem Involutive.injective {f : α → α} (h : Involutive f) : Injective f := fun a b e => (h a).symm.trans ((congrArg f e).trans (h b))
/-- An involution is surjective. -/
theorem Involutive.surjective {f : α → α} (h : Involutive f) : Surjective f := fun b => ⟨f b, h b⟩
/-- A composition of bijective functions is bijective. -/
theorem Bijective.comp {g : β → γ} {f : α → β} (hg : Bijective g) (hf : Bijective f) : Bijective (g ∘ f) := ⟨hg.1.comp hf.1, hg.2.comp hf.2⟩
end Function

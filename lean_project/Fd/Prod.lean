prelude
import Fd.Function
/-! Pairs and subtypes. -/
set_option autoImplicit false
universe u v w z
namespace Prod
variable {α : Type u} {β : Type v} {γ : Type w} {δ : Type z}
/-- Pairs are equal when both parts are. -/
@[ext] protected theorem ext : {p q : α × β} → (fst : p.fst = q.fst) → (snd : p.snd = q.snd) → p = q
  | (_, _), (_, _), rfl, rfl => rfl
/-- A pair is made of its parts. -/
@[simp] theorem mk.eta {p : α × β} : (p.1, p.2) = p := rfl
/-- Pairs of given parts are equal exactly when the parts are. -/
theorem mk_inj {a₁ a₂ : α} {b₁ b₂ : β} : (a₁, b₁) = (a₂, b₂) ↔ a₁ = a₂ ∧ b₁ = b₂ := Prod.ext_iff
/-- What holds of all pairs holds of all choices of parts. -/
theorem «forall» {p : α × β → Prop} : (∀ x, p x) ↔ ∀ a b, p (a, b) := ⟨fun h a b => h (a, b), fun h x => h x.1 x.2⟩
/-- Some pair has the property exactly when some parts have. -/
theorem «exists» {p : α × β → Prop} : (∃ x, p x) ↔ ∃ a b, p (a, b) := ⟨fun ⟨x, h⟩ => ⟨x.1, x.2, h⟩, fun ⟨a, b, h⟩ => ⟨(a, b), h⟩⟩
/-- Exchange the two parts. -/
def swap (p : α × β) : β × α := (p.2, p.1)
/-- Apply a function to each part. -/
def map (f : α → γ) (g : β → δ) (p : α × β) : γ × δ := (f p.1, g p.2)
/-- Exchanging the parts twice changes nothing. -/
@[simp] theorem swap_swap (x : α × β) : swap (swap x) = x := rfl
/-- The parts, exchanged. -/
@[simp] theorem swap_prod_mk {a : α} {b : β} : swap (a, b) = (b, a) := rfl
/-- Exchanging the parts is injective. -/
theorem swap_injective : Function.Injective (swap : α × β → β × α) := Function.LeftInverse.injective (g := swap) swap_swap
/-- Exchanging the parts is surjective. -/
theorem swap_surjective : Function.Surjective (swap : α × β → β × α) := fun b => ⟨swap b, rfl⟩
/-- Mapping a pair of given parts. -/
@[simp] theorem map_apply (f : α → γ) (g : β → δ) (x : α) (y : β) : map f g (x, y) = (f x, g y) := rfl
/-- The first part of a mapped pair. -/
@[simp] theorem map_fst (f : α → γ) (g : β → δ) (p : α × β) : (map f g p).1 = f p.1 := rfl
/-- The second part of a mapped pair. -/
@[simp] theorem map_snd (f : α → γ) (g : β → δ) (p : α × β) : (map f g p).2 = g p.2 := rfl
end Prod
namespace Subtype
/-- Elements of a subtype are equal when their values are. -/
@[ext] protected theorem ext {α : Sort u} {p : α → Prop} : {a1 a2 : Subtype p} → a1.val = a2.val → a1 = a2
  | ⟨_, _⟩, ⟨_, _⟩, rfl => rfl
/-- The value determines the element of a subtype. -/
theorem val_injective {α : Sort u} {p : α → Prop} : Function.Injective (Subtype.val : Subtype p → α) := fun _ _ => Subtype.ext
/-- The element made from a value and its proof. -/
theorem coe_eta {α : Sort u} {p : α → Prop} (a : Subtype p) (h : p a.val) : (⟨a.val, h⟩ : Subtype p) = a := rfl
end Subtype

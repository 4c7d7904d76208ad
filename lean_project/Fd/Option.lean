prelude
import Fd.Function
/-! `Option`: a value or none. -/
set_option autoImplicit false
universe u v w
namespace Option
variable {α : Type u} {β : Type v} {γ : Type w}
/-- Apply a function to the value, if there is one. -/
def map (f : α → β) : Option α → Option β
  | none => none
  | some a => some (f a)
/-- The value, or a default. -/
def getD : Option α → α → α
  | none, d => d
  | some a, _ => a
/-- Go on with the value, if there is one. -/
def bind : Option α → (α → Option β) → Option β
  | none, _ => none
  | some a, f => f a
/-- Is there a value? -/
def isSome : Option α → Bool
  | none => false
  | some _ => true
/-- Is there no value? -/
def isNone : Option α → Bool
  | none => true
  | some _ => false
/-- Equal values come from equal options. -/
@[simp] theorem some_inj {a b : α} : some a = some b ↔ a = b := ⟨fun h => by injection h, congrArg some⟩
/-- `some` is injective. -/
@[simp] theorem some_injective (α : Type u) : Function.Injective (some : α → Option α) := fun _ _ => some_inj.1
/-- `some a` is never `none`. -/
@[simp] theorem some_ne_none (a : α) : ¬(some a = none) := fun h => nomatch h
/-- `none` is never `some a`. -/
@[simp] theorem none_ne_some (a : α) : ¬(none = some a) := fun h => nomatch h
/-- What is not `none` has a value. -/
theorem ne_none_iff_exists {o : Option α} : o ≠ none ↔ ∃ a, o = some a := by
  cases o with
  | none => exact ⟨fun h => absurd rfl h, fun ⟨a, h⟩ => absurd h (none_ne_some a)⟩
  | some a => exact ⟨fun _ => ⟨a, rfl⟩, fun _ => some_ne_none a⟩
/-- `map` of `none`. -/
@[simp] theorem map_none (f : α → β) : none.map f = none := rfl
/-- `map` of `some`. -/
@[simp] theorem map_some (f : α → β) (a : α) : (some a).map f = some (f a) := rfl
/-- Mapping twice is mapping the composition. -/
theorem map_map (h : β → γ) (g : α → β) (x : Option α) : (x.map g).map h = x.map (h ∘ g) := by cases x <;> rfl
/-- Mapping the identity changes nothing. -/
@[simp] theorem map_id (x : Option α) : x.map id = x := by cases x <;> rfl
/-- The default where there is no value. -/
@[simp] theorem getD_none (a : α) : none.getD a = a := rfl
/-- The value where there is one. -/
@[simp] theorem getD_some (a b : α) : (some a).getD b = a := rfl
/-- `bind` of `none`. -/
@[simp] theorem bind_none (f : α → Option β) : none.bind f = none := rfl
/-- `bind` of `some`. -/
@[simp] theorem bind_some (f : α → Option β) (a : α) : (some a).bind f = f a := rfl
/-- `bind` is associative. -/
theorem bind_assoc (x : Option α) (f : α → Option β) (g : β → Option γ) : (x.bind f).bind g = x.bind (fun a => (f a).bind g) := by cases x <;> rfl
/-- Going on with `some` changes nothing. -/
@[simp] theorem bind_fun_some (x : Option α) : x.bind some = x := by cases x <;> rfl
/-- There is a value in `some a`. -/
@[simp] theorem isSome_some (a : α) : (some a).isSome = true := rfl
/-- There is no value in `none`. -/
@[simp] theorem isSome_none : (none : Option α).isSome = false := rfl
/-- Mapping neither makes nor loses a value. -/
@[simp] theorem isSome_map (f : α → β) (x : Option α) : (x.map f).isSome = x.isSome := by cases x <;> rfl
/-- Having no value is not having one. -/
theorem not_isSome (x : Option α) : (!x.isSome) = x.isNone := by cases x <;> rfl
/-- There is a value exactly when the option is `some` of it. -/
theorem isSome_iff_exists {x : Option α} : x.isSome = true ↔ ∃ a, x = some a := by
  cases x with
  | none => exact ⟨nofun, fun ⟨_, h⟩ => absurd h (none_ne_some _)⟩
  | some a => exact ⟨fun _ => ⟨a, rfl⟩, fun _ => rfl⟩
/-- Having no value is being `none`. -/
theorem isNone_iff_eq_none {x : Option α} : x.isNone = true ↔ x = none := by
  cases x with
  | none => exact ⟨fun _ => rfl, fun _ => rfl⟩
  | some a => exact ⟨nofun, nofun⟩
/-- Mapping gives `none` only of `none`. -/
@[simp] theorem map_eq_none_iff {x : Option α} {f : α → β} : x.map f = none ↔ x = none := by
  cases x with
  | none => exact ⟨fun _ => rfl, fun _ => rfl⟩
  | some a => exact ⟨nofun, nofun⟩
/-- Mapping gives `some b` exactly when a value is mapped to `b`. -/
theorem map_eq_some_iff {x : Option α} {f : α → β} {b : β} : x.map f = some b ↔ ∃ a, x = some a ∧ f a = b := by
  cases x with
  | none => exact ⟨nofun, fun ⟨_, h, _⟩ => absurd h (none_ne_some _)⟩
  | some a => exact ⟨fun h => ⟨a, rfl, some_inj.1 h⟩, fun ⟨c, h, e⟩ => by rw [some_inj.1 h]; exact congrArg some e⟩
/-- Going on gives `some b` exactly when there is a value from which it does. -/
theorem bind_eq_some_iff {x : Option α} {f : α → Option β} {b : β} : x.bind f = some b ↔ ∃ a, x = some a ∧ f a = some b := by
  cases x with
  | none => exact ⟨nofun, fun ⟨_, h, _⟩ => absurd h (none_ne_some _)⟩
  | some a => exact ⟨fun h => ⟨a, rfl, h⟩, fun ⟨c, h, e⟩ => by rw [some_inj.1 h]; exact e⟩
/-- Mapping is going on with `some` of the value. -/
theorem map_eq_bind {f : α → β} {x : Option α} : x.map f = x.bind (some ∘ f) := by cases x <;> rfl
/-- Mapping an injective function is injective. -/
theorem map_injective {f : α → β} (h : Function.Injective f) : Function.Injective (Option.map f) := fun x y e => by
  cases x with
  | none => exact (map_eq_none_iff.1 e.symm).symm
  | some a => obtain ⟨b, rfl, k⟩ := map_eq_some_iff.1 e.symm; rw [h k]
/-- Options are equal when they have the same values. -/
theorem ext {x y : Option α} (h : ∀ a, x = some a ↔ y = some a) : x = y := by
  cases x with
  | none => cases y with
    | none => rfl
    | some b => exact absurd ((h b).2 rfl) (none_ne_some b)
  | some a => exact ((h a).1 rfl).symm
end Option

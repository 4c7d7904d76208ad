prelude
import Fd.List.Basic
import Fd.Bool
/-! Lists: membership and `filter`. -/
set_option autoImplicit false
universe u v
namespace List
variable {α : Type u} {β : Type v}
/-- `a` is an element of the list. -/
inductive Mem (a : α) : List α → Prop where
  | head (as : List α) : Mem a (a :: as)
  | tail (b : α) {as : List α} : Mem a as → Mem a (b :: as)
instance instMembership : Membership α (List α) := ⟨fun l a => Mem a l⟩
/-- Keep the elements with which `p` is true. -/
def filter (p : α → Bool) : List α → List α
  | [] => []
  | a :: as => match p a with
    | true => a :: filter p as
    | false => filter p as

/-! ## Membership -/
/-- The empty list has no elements. -/
@[simp] theorem not_mem_nil {a : α} : ¬(a ∈ ([] : List α)) := nofun
/-- The elements of `b :: l` are `b` and the elements of `l`. -/
@[simp] theorem mem_cons {a b : α} {l : List α} : a ∈ b :: l ↔ a = b ∨ a ∈ l := by
  constructor
  · intro h
    cases h with
    | head => exact .inl rfl
    | tail _ h => exact .inr h
  · rintro (rfl | h)
    · exact Mem.head _
    · exact Mem.tail _ h
/-- The first element is an element. -/
theorem mem_cons_self {a : α} {l : List α} : a ∈ a :: l := Mem.head l
/-- Elements of the rest are elements of the list. -/
theorem mem_cons_of_mem (y : α) {a : α} {l : List α} (h : a ∈ l) : a ∈ y :: l := Mem.tail y h
/-- The only element of `[b]` is `b`. -/
theorem mem_singleton {a b : α} : a ∈ [b] ↔ a = b := ⟨fun h => (mem_cons.1 h).elim id (fun k => absurd k not_mem_nil), fun h => h ▸ mem_cons_self⟩
/-- A list with an element is not empty. -/
theorem ne_nil_of_mem {a : α} {l : List α} (h : a ∈ l) : l ≠ [] := fun e => not_mem_nil (e ▸ h)
/-- A list without elements is empty. -/
theorem eq_nil_iff_forall_not_mem {l : List α} : l = [] ↔ ∀ a, ¬(a ∈ l) := by
  cases l with
  | nil => exact ⟨fun _ _ => not_mem_nil, fun _ => rfl⟩
  | cons b l => exact ⟨nofun, fun h => absurd mem_cons_self (h b)⟩
/-- The elements of `s ++ t` are those of `s` and those of `t`. -/
@[simp] theorem mem_append {a : α} {s t : List α} : a ∈ s ++ t ↔ a ∈ s ∨ a ∈ t := by
  induction s with
  | nil => exact ⟨.inr, fun h => h.elim (fun k => absurd k not_mem_nil) id⟩
  | cons b s ih => rw [cons_append, mem_cons, mem_cons, ih, or_assoc]
/-- Elements of the first list are elements of `++`. -/
theorem mem_append_left {a : α} {as : List α} (bs : List α) (h : a ∈ as) : a ∈ as ++ bs := mem_append.2 (.inl h)
/-- Elements of the second list are elements of `++`. -/
theorem mem_append_right {b : α} {bs : List α} (as : List α) (h : b ∈ bs) : b ∈ as ++ bs := mem_append.2 (.inr h)
/-- An element splits the list in two around it. -/
theorem append_of_mem {a : α} {l : List α} (h : a ∈ l) : ∃ s t, l = s ++ a :: t := by
  induction h with
  | head as => exact ⟨[], as, rfl⟩
  | tail b _ ih => obtain ⟨s, t, e⟩ := ih; exact ⟨b :: s, t, congrArg (cons b) e⟩
/-- The elements of the reverse are the elements of the list. -/
@[simp] theorem mem_reverse {x : α} {as : List α} : x ∈ as.reverse ↔ x ∈ as := by
  induction as with
  | nil => exact Iff.rfl
  | cons a as ih => rw [reverse_cons, mem_append, mem_singleton, mem_cons, ih, or_comm]
/-- The elements of a mapped list are the values of the elements. -/
@[simp] theorem mem_map {f : α → β} {l : List α} {b : β} : b ∈ l.map f ↔ ∃ a, a ∈ l ∧ f a = b := by
  induction l with
  | nil => exact ⟨nofun, fun ⟨_, h, _⟩ => absurd h not_mem_nil⟩
  | cons c l ih =>
    rw [map_cons, mem_cons, ih]
    constructor
    · rintro (rfl | ⟨a, h, e⟩)
      · exact ⟨c, mem_cons_self, rfl⟩
      · exact ⟨a, mem_cons_of_mem c h, e⟩
    · rintro ⟨a, h, e⟩
      rcases mem_cons.1 h with rfl | h
      · exact .inl e.symm
      · exact .inr ⟨a, h, e⟩
/-- The value of an element is an element of the mapped list. -/
theorem mem_map_of_mem {a : α} {l : List α} {f : α → β} (h : a ∈ l) : f a ∈ l.map f := mem_map.2 ⟨a, h, rfl⟩
/-- What holds of all elements of `a :: l` holds of `a` and of all elements of `l`. -/
theorem forall_mem_cons {p : α → Prop} {a : α} {l : List α} : (∀ x, x ∈ a :: l → p x) ↔ p a ∧ ∀ x, x ∈ l → p x :=
  ⟨fun h => ⟨h a mem_cons_self, fun x k => h x (mem_cons_of_mem a k)⟩, fun ⟨h, k⟩ x m => (mem_cons.1 m).elim (fun e => e ▸ h) (k x)⟩
/-- What holds of all elements of `++` holds of all elements of both lists. -/
theorem forall_mem_append {p : α → Prop} {l₁ l₂ : List α} : (∀ x, x ∈ l₁ ++ l₂ → p x) ↔ (∀ x, x ∈ l₁ → p x) ∧ ∀ x, x ∈ l₂ → p x :=
  ⟨fun h => ⟨fun x k => h x (mem_append_left l₂ k), fun x k => h x (mem_append_right l₁ k)⟩, fun ⟨h, k⟩ x m => (mem_append.1 m).elim (h x) (k x)⟩
/-- All copies are the same element. -/
theorem eq_of_mem_replicate {a b : α} {n : Nat} (h : b ∈ replicate n a) : b = a := by
  induction n with
  | zero => exact absurd h not_mem_nil
  | succ n ih => exact (mem_cons.1 h).elim id ih

/-! ## Filter -/
/-- Filtering the empty list. -/
@[simp] theorem filter_nil {p : α → Bool} : filter p [] = [] := rfl
/-- An element with which `p` is true is kept. -/
@[simp] theorem filter_cons_of_pos {p : α → Bool} {a : α} {l : List α} (pa : p a = true) : filter p (a :: l) = a :: filter p l := by rw [filter, pa]
/-- An element with which `p` is false is dropped. -/
@[simp] theorem filter_cons_of_neg {p : α → Bool} {a : α} {l : List α} (pa : ¬(p a = true)) : filter p (a :: l) = filter p l := by rw [filter, Bool.eq_false_of_not_eq_true pa]
/-- Filtering each part filters the whole. -/
@[simp] theorem filter_append {p : α → Bool} (l₁ l₂ : List α) : filter p (l₁ ++ l₂) = filter p l₁ ++ filter p l₂ := by
  induction l₁ with
  | nil => rfl
  | cons a l ih =>
    by_cases h : p a = true
    · rw [cons_append, filter_cons_of_pos h, filter_cons_of_pos h, ih, cons_append]
    · rw [cons_append, filter_cons_of_neg h, filter_cons_of_neg h, ih]
/-- The elements of a filtered list are the elements with which `p` is true. -/
@[simp] theorem mem_filter {p : α → Bool} {a : α} {as : List α} : a ∈ filter p as ↔ a ∈ as ∧ p a = true := by
  induction as with
  | nil => exact ⟨fun h => absurd h not_mem_nil, fun h => absurd h.1 not_mem_nil⟩
  | cons b as ih =>
    by_cases h : p b = true
    · rw [filter_cons_of_pos h, mem_cons, mem_cons, ih]
      exact ⟨fun k => k.elim (fun e => ⟨.inl e, e ▸ h⟩) (fun k => ⟨.inr k.1, k.2⟩), fun ⟨k, t⟩ => k.elim .inl (fun m => .inr ⟨m, t⟩)⟩
    · rw [filter_cons_of_neg h, mem_cons, ih]
      exact ⟨fun k => ⟨.inr k.1, k.2⟩, fun ⟨k, t⟩ => k.elim (fun e => absurd (e ▸ t) h) (fun m => ⟨m, t⟩)⟩
/-- Filtering twice by the same test is filtering once. -/
theorem filter_filter_self {p : α → Bool} (l : List α) : filter p (filter p l) = filter p l := by
  induction l with
  | nil => rfl
  | cons a l ih =>
    by_cases h : p a = true
    · rw [filter_cons_of_pos h, filter_cons_of_pos h, ih]
    · rw [filter_cons_of_neg h, ih]
/-- Filtering by what is always true keeps all. -/
theorem filter_true (l : List α) : filter (fun _ => true) l = l := by
  induction l with
  | nil => rfl
  | cons a l ih => exact congrArg (cons a) ih
/-- Filtering by what is always false keeps nothing. -/
theorem filter_false (l : List α) : filter (fun _ => false) l = [] := by
  induction l with
  | nil => rfl
  | cons a l ih => exact ih
end List

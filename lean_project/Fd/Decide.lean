prelude
import Fd.List.Mem
import Fd.Nat.Order
/-! What `decide` can compute beyond the connectives: equality of data, membership, and `∀`, `∃` over finitely many. -/
set_option autoImplicit false
set_option linter.defProp false
universe u v
variable {α : Type u} {β : Type v}
/-- Decide a proposition through an equivalent one. -/
@[reducible] def decidable_of_iff {b : Prop} (a : Prop) (h : a ↔ b) [inst : Decidable a] : Decidable b :=
  match inst with
  | isTrue k => isTrue (h.1 k)
  | isFalse n => isFalse (fun k => n (h.2 k))
instance instDecidableEqOption [DecidableEq α] : DecidableEq (Option α) := fun x y =>
  match x, y with
  | none, none => isTrue rfl
  | none, some b => isFalse (Option.none_ne_some b)
  | some a, none => isFalse (Option.some_ne_none a)
  | some _, some _ => decidable_of_iff _ Option.some_inj.symm
instance instDecidableEqProd [DecidableEq α] [DecidableEq β] : DecidableEq (α × β) := fun x y =>
  match x, y with
  | (a, b), (c, d) => decidable_of_iff (a = c ∧ b = d) ⟨fun h => by rw [h.1, h.2], fun h => by injection h with h₁ h₂; exact ⟨h₁, h₂⟩⟩
def List.hasDecEq [DecidableEq α] : (l k : List α) → Decidable (l = k)
  | [], [] => isTrue rfl
  | [], _ :: _ => isFalse nofun
  | _ :: _, [] => isFalse nofun
  | _ :: l, _ :: k =>
    have := List.hasDecEq l k
    decidable_of_iff _ List.cons_eq_cons.symm
instance instDecidableEqList [DecidableEq α] : DecidableEq (List α) := List.hasDecEq
noncomputable instance instDecidableEqChar : DecidableEq Char := fun x y =>
  decidable_of_iff (x.toNat = y.toNat) ⟨fun h => by cases x; cases y; exact congrArg Char.ofNat h, congrArg Char.toNat⟩
noncomputable instance instDecidableEqString : DecidableEq String := fun x y =>
  decidable_of_iff (x.toList = y.toList) ⟨fun h => by cases x; cases y; exact congrArg String.ofList h, congrArg String.toList⟩
/-- A property of both truth values is decided one by one. -/
instance Bool.decidableForall (p : Bool → Prop) [DecidablePred p] : Decidable (∀ b, p b) := decidable_of_iff (p false ∧ p true) Bool.forall_bool.symm
/-- Whether some truth value has a property is decided one by one. -/
instance Bool.decidableExists (p : Bool → Prop) [DecidablePred p] : Decidable (∃ b, p b) :=
  decidable_of_iff (p false ∨ p true) ⟨fun h => h.elim (fun k => ⟨false, k⟩) (fun k => ⟨true, k⟩), fun ⟨b, k⟩ => by cases b; exact .inl k; exact .inr k⟩
namespace List
/-- Membership is decided element by element. -/
instance instDecidableMem [DecidableEq α] (a : α) : (l : List α) → Decidable (a ∈ l)
  | [] => isFalse not_mem_nil
  | _ :: l =>
    have := instDecidableMem a l
    decidable_of_iff _ mem_cons.symm
/-- A property of all elements of a list is decided one by one. -/
instance decidableBAll (p : α → Prop) [DecidablePred p] : (l : List α) → Decidable (∀ x, x ∈ l → p x)
  | [] => isTrue (fun _ h => absurd h not_mem_nil)
  | a :: l =>
    have := decidableBAll p l
    decidable_of_iff _ (forall_mem_cons (p := p) (a := a) (l := l)).symm
/-- Whether some element of a list has a property is decided one by one. -/
instance decidableBEx (p : α → Prop) [DecidablePred p] : (l : List α) → Decidable (∃ x, x ∈ l ∧ p x)
  | [] => isFalse (fun ⟨_, h, _⟩ => not_mem_nil h)
  | a :: l =>
    have := decidableBEx p l
    decidable_of_iff (p a ∨ ∃ x, x ∈ l ∧ p x)
      ⟨fun h => h.elim (fun k => ⟨a, mem_cons_self, k⟩) (fun ⟨x, m, k⟩ => ⟨x, mem_cons_of_mem a m, k⟩),
       fun ⟨x, m, k⟩ => (mem_cons.1 m).elim (fun e => .inl (e ▸ k)) (fun m => .inr ⟨x, m, k⟩)⟩
end List
namespace Nat
/-- A property of all smaller numbers is decided one by one. -/
instance decidableBallLT (p : Nat → Prop) [DecidablePred p] : (n : Nat) → Decidable (∀ k, k < n → p k)
  | 0 => isTrue (fun k h => absurd h (not_lt_zero k))
  | n + 1 =>
    have := decidableBallLT p n
    decidable_of_iff ((∀ k, k < n → p k) ∧ p n)
      ⟨fun ⟨h, t⟩ k l => (Nat.eq_or_lt_of_le (le_of_lt_succ l)).elim (fun e => e ▸ t) (h k),
       fun h => ⟨fun k l => h k (Nat.lt_trans l (lt_add_one n)), h n (lt_add_one n)⟩⟩
/-- A property of all numbers up to a bound is decided one by one. -/
instance decidableBallLE (p : Nat → Prop) [DecidablePred p] (n : Nat) : Decidable (∀ k, k ≤ n → p k) :=
  decidable_of_iff (∀ k, k < n + 1 → p k) ⟨fun h k l => h k (lt_succ_of_le l), fun h k l => h k (le_of_lt_succ l)⟩
/-- Whether some smaller number has a property is decided one by one. -/
instance decidableExistsLT (p : Nat → Prop) [DecidablePred p] : (n : Nat) → Decidable (∃ k, k < n ∧ p k)
  | 0 => isFalse (fun ⟨k, h, _⟩ => not_lt_zero k h)
  | n + 1 =>
    have := decidableExistsLT p n
    decidable_of_iff ((∃ k, k < n ∧ p k) ∨ p n)
      ⟨fun h => h.elim (fun ⟨k, l, t⟩ => ⟨k, Nat.lt_trans l (lt_add_one n), t⟩) (fun t => ⟨n, lt_add_one n, t⟩),
       fun ⟨k, l, t⟩ => (Nat.eq_or_lt_of_le (le_of_lt_succ l)).elim (fun e => .inr (e ▸ t)) (fun l => .inl ⟨k, l, t⟩)⟩
end Nat

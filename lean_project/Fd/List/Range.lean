prelude
import Fd.List.Mem
import Fd.Omega
/-! Lists: `range`, `take`, `drop`, and more on `filter`. -/
set_option autoImplicit false
universe u v
namespace List
variable {α : Type u} {β : Type v}
/-- The numbers below `n`, in order. -/
def range : Nat → List Nat
  | 0 => []
  | n + 1 => range n ++ [n]
/-- The first `n` elements. -/
def take : Nat → List α → List α
  | 0, _ => []
  | _ + 1, [] => []
  | n + 1, a :: l => a :: take n l
/-- All but the first `n` elements. -/
def drop : Nat → List α → List α
  | 0, l => l
  | _ + 1, [] => []
  | n + 1, _ :: l => drop n l

/-! ## Range -/
/-- There are no numbers below zero. -/
@[simp] theorem range_zero : range 0 = [] := rfl
/-- The numbers below `n + 1` are those below `n`, and `n`. -/
theorem range_succ {n : Nat} : range (n + 1) = range n ++ [n] := rfl
/-- There are `n` numbers below `n`. -/
@[simp] theorem length_range {n : Nat} : (range n).length = n := by
  induction n with
  | zero => rfl
  | succ n ih => rw [range_succ, length_append, ih]; rfl
/-- The elements of `range n` are the numbers below `n`. -/
@[simp] theorem mem_range {m n : Nat} : m ∈ range n ↔ m < n := by
  induction n with
  | zero => exact ⟨fun h => absurd h not_mem_nil, fun h => absurd h (Nat.not_lt_zero m)⟩
  | succ n ih => rw [range_succ, mem_append, ih, mem_singleton]; omega
/-- No number is below itself. -/
theorem not_mem_range_self {n : Nat} : ¬(n ∈ range n) := fun h => Nat.lt_irrefl n (mem_range.1 h)
/-- The numbers below `n + 1` contain `n`. -/
theorem self_mem_range_succ {n : Nat} : n ∈ range (n + 1) := mem_range.2 (Nat.lt_add_one n)
/-- The numbers below `n + 1` are zero and the successors of those below `n`. -/
theorem range_succ_eq_map {n : Nat} : range (n + 1) = 0 :: map Nat.succ (range n) := by
  induction n with
  | zero => rfl
  | succ n ih => exact (congrArg (· ++ [n + 1]) ih).trans (congrArg (cons 0) (map_append (l₁ := range n) (l₂ := [n])).symm)
/-- Only zero has no number below it. -/
@[simp] theorem range_eq_nil {n : Nat} : range n = [] ↔ n = 0 := by rw [← length_eq_zero_iff, length_range]

/-! ## Take and drop -/
/-- The first zero elements. -/
@[simp] theorem take_zero {l : List α} : take 0 l = [] := rfl
/-- Dropping nothing. -/
@[simp] theorem drop_zero {l : List α} : drop 0 l = l := rfl
/-- The first elements of an empty list. -/
@[simp] theorem take_nil {n : Nat} : take n ([] : List α) = [] := by cases n <;> rfl
/-- Dropping from an empty list. -/
@[simp] theorem drop_nil {n : Nat} : drop n ([] : List α) = [] := by cases n <;> rfl
/-- The first `n + 1` elements of `a :: l`. -/
@[simp] theorem take_succ_cons {n : Nat} {a : α} {l : List α} : take (n + 1) (a :: l) = a :: take n l := rfl
/-- Dropping `n + 1` elements of `a :: l`. -/
@[simp] theorem drop_succ_cons {n : Nat} {a : α} {l : List α} : drop (n + 1) (a :: l) = drop n l := rfl
/-- The first `n` elements and the rest are the whole list. -/
@[simp] theorem take_append_drop (n : Nat) (l : List α) : take n l ++ drop n l = l := by
  induction n generalizing l with
  | zero => rfl
  | succ n ih => cases l with
    | nil => rfl
    | cons a l => exact congrArg (cons a) (ih l)
/-- The length of a beginning. -/
@[simp] theorem length_take {n : Nat} {l : List α} : (take n l).length = min n l.length := by
  induction n generalizing l with
  | zero => exact (Nat.zero_min _).symm
  | succ n ih => cases l with
    | nil => rw [take_nil, length_nil, Nat.min_zero]
    | cons a l => rw [take_succ_cons, length_cons, ih, length_cons]; omega
/-- The length of an end. -/
@[simp] theorem length_drop {n : Nat} {l : List α} : (drop n l).length = l.length - n := by
  induction n generalizing l with
  | zero => rfl
  | succ n ih => cases l with
    | nil => rw [drop_nil, length_nil, Nat.zero_sub]
    | cons a l => rw [drop_succ_cons, ih, length_cons, Nat.add_sub_add_right]
/-- Taking at least as many elements as there are takes all. -/
theorem take_of_length_le {n : Nat} {l : List α} (h : l.length ≤ n) : take n l = l := by
  induction n generalizing l with
  | zero => rw [eq_nil_of_length_eq_zero (Nat.eq_zero_of_le_zero h)]; rfl
  | succ n ih => cases l with
    | nil => rfl
    | cons a l => exact congrArg (cons a) (ih (Nat.le_of_succ_le_succ h))
/-- The elements of a beginning are elements of the list. -/
theorem mem_of_mem_take {a : α} {n : Nat} {l : List α} (h : a ∈ take n l) : a ∈ l := take_append_drop n l ▸ mem_append_left (drop n l) h
/-- The elements of an end are elements of the list. -/
theorem mem_of_mem_drop {a : α} {n : Nat} {l : List α} (h : a ∈ drop n l) : a ∈ l := take_append_drop n l ▸ mem_append_right (take n l) h
/-- Mapping a beginning is taking a beginning of the mapped list. -/
theorem map_take {f : α → β} {n : Nat} {l : List α} : (take n l).map f = take n (l.map f) := by
  induction n generalizing l with
  | zero => rfl
  | succ n ih => cases l with
    | nil => rfl
    | cons a l => exact congrArg (cons (f a)) ih

/-! ## Filter -/
/-- Filtering makes a list no longer. -/
theorem length_filter_le (p : α → Bool) (l : List α) : (filter p l).length ≤ l.length := by
  induction l with
  | nil => exact Nat.le_refl 0
  | cons a l ih =>
    by_cases h : p a = true
    · rw [filter_cons_of_pos h]; exact Nat.succ_le_succ ih
    · rw [filter_cons_of_neg h]; exact Nat.le_succ_of_le ih
/-- Filtering twice is filtering by both tests. -/
theorem filter_filter {p q : α → Bool} (l : List α) : filter p (filter q l) = filter (fun a => p a && q a) l := by
  induction l with
  | nil => rfl
  | cons a l ih =>
    by_cases h : q a = true
    · rw [filter_cons_of_pos h]
      by_cases k : p a = true
      · rw [filter_cons_of_pos k, filter_cons_of_pos (by rw [k, h]; rfl), ih]
      · rw [filter_cons_of_neg k, filter_cons_of_neg (by rw [h, Bool.and_true]; exact k), ih]
    · rw [filter_cons_of_neg h, filter_cons_of_neg (by rw [Bool.and_eq_true]; exact fun e => h e.2), ih]
/-- A list is unchanged by filtering exactly when all its elements pass the test. -/
theorem filter_eq_self {p : α → Bool} {l : List α} : filter p l = l ↔ ∀ a, a ∈ l → p a = true := by
  constructor
  · intro h a m
    rw [← h] at m
    exact (mem_filter.1 m).2
  · intro h
    induction l with
    | nil => rfl
    | cons a l ih => rw [filter_cons_of_pos (h a mem_cons_self), ih (fun b m => h b (mem_cons_of_mem a m))]
/-- Filtering keeps nothing exactly when no element passes the test. -/
theorem filter_eq_nil_iff {p : α → Bool} {l : List α} : filter p l = [] ↔ ∀ a, a ∈ l → ¬(p a = true) := by
  rw [eq_nil_iff_forall_not_mem]
  exact ⟨fun h a m k => h a (mem_filter.2 ⟨m, k⟩), fun h a m => h a (mem_filter.1 m).1 (mem_filter.1 m).2⟩
end List

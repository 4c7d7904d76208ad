prelude
import Fd.Nat.Basic
import Fd.Option
/-! Lists: append, length, map, reverse, folds, replicate. -/
set_option autoImplicit false
universe u v w
namespace List
variable {α : Type u} {β : Type v} {γ : Type w}
/-- One list after the other, `as ++ bs`. -/
def append : List α → List α → List α
  | [], bs => bs
  | a :: as, bs => a :: append as bs
@[reducible] instance instAppend : Append (List α) := ⟨append⟩
/-- The number of elements. -/
def length : List α → Nat
  | [] => 0
  | _ :: as => length as + 1
/-- Apply a function to each element. -/
def map (f : α → β) : List α → List β
  | [] => []
  | a :: as => f a :: map f as
/-- The elements in the opposite order. -/
def reverse : List α → List α
  | [] => []
  | a :: as => reverse as ++ [a]
/-- Fold from the right: `f a (f b (… init))`. -/
def foldr (f : α → β → β) (init : β) : List α → β
  | [] => init
  | a :: as => f a (foldr f init as)
/-- Fold from the left: `f (f init a) b …`. -/
def foldl (f : β → α → β) (init : β) : List α → β
  | [] => init
  | a :: as => foldl f (f init a) as
/-- A list with `n` copies of one element. -/
def replicate : Nat → α → List α
  | 0, _ => []
  | n + 1, a => a :: replicate n a
/-- The first element, if there is one. -/
def head? : List α → Option α
  | [] => none
  | a :: _ => some a
/-- All elements but the first. -/
def tail : List α → List α
  | [] => []
  | _ :: as => as
/-- The lists of a list, one after the other. -/
def flatten : List (List α) → List α
  | [] => []
  | l :: ls => l ++ flatten ls
/-- The sum of a list of numbers. -/
def sum : List Nat → Nat
  | [] => 0
  | n :: ns => n + sum ns

/-! ## Constructors -/
/-- A list with a first element is not empty. -/
@[simp] theorem cons_ne_nil (a : α) (l : List α) : ¬(a :: l = []) := nofun
/-- The empty list has no first element. -/
@[simp] theorem nil_ne_cons (a : α) (l : List α) : ¬([] = a :: l) := nofun
/-- Lists are equal exactly when first elements and rests are. -/
theorem cons_eq_cons {a b : α} {l k : List α} : a :: l = b :: k ↔ a = b ∧ l = k := ⟨fun h => by injection h with h₁ h₂; exact ⟨h₁, h₂⟩, fun ⟨h, k⟩ => by rw [h, k]⟩
/-- Equal lists have equal first elements. -/
theorem head_eq_of_cons_eq {a b : α} {l k : List α} (h : a :: l = b :: k) : a = b := (cons_eq_cons.1 h).1
/-- Equal lists have equal rests. -/
theorem tail_eq_of_cons_eq {a b : α} {l k : List α} (h : a :: l = b :: k) : l = k := (cons_eq_cons.1 h).2
/-- A list that is not empty has a first element and a rest. -/
theorem exists_cons_of_ne_nil {l : List α} (h : l ≠ []) : ∃ a k, l = a :: k := by
  cases l with
  | nil => exact absurd rfl h
  | cons a k => exact ⟨a, k, rfl⟩
/-- The first element of `a :: l`. -/
@[simp] theorem head?_cons (a : α) (l : List α) : (a :: l).head? = some a := rfl
/-- The rest of `a :: l`. -/
@[simp] theorem tail_cons (a : α) (l : List α) : (a :: l).tail = l := rfl

/-! ## Append -/
/-- The empty list before a list drops out. -/
@[simp] theorem nil_append (as : List α) : [] ++ as = as := rfl
/-- The first element stays in front. -/
@[simp] theorem cons_append (a : α) (as bs : List α) : (a :: as) ++ bs = a :: (as ++ bs) := rfl
/-- The empty list after a list drops out. -/
@[simp] theorem append_nil (as : List α) : as ++ [] = as := by
  induction as with
  | nil => rfl
  | cons a as ih => exact congrArg (cons a) ih
/-- `++` is associative. -/
@[simp] theorem append_assoc (as bs cs : List α) : as ++ bs ++ cs = as ++ (bs ++ cs) := by
  induction as with
  | nil => rfl
  | cons a as ih => exact congrArg (cons a) ih
/-- Moving an element from the end of the first list to the front of the second. -/
theorem append_cons (as : List α) (b : α) (bs : List α) : as ++ b :: bs = as ++ [b] ++ bs := by rw [append_assoc]; rfl
/-- `++` is empty exactly when both lists are. -/
@[simp] theorem append_eq_nil_iff {as bs : List α} : as ++ bs = [] ↔ as = [] ∧ bs = [] := by
  cases as with
  | nil => exact ⟨fun h => ⟨rfl, h⟩, fun h => h.2⟩
  | cons a as => exact ⟨nofun, nofun⟩
/-- A common beginning can be cancelled. -/
theorem append_cancel_left {as bs cs : List α} (h : as ++ bs = as ++ cs) : bs = cs := by
  induction as with
  | nil => exact h
  | cons a as ih => exact ih (tail_eq_of_cons_eq h)
/-- Lists with a common beginning are equal exactly when the rests are. -/
theorem append_right_inj {bs cs : List α} (as : List α) : as ++ bs = as ++ cs ↔ bs = cs := ⟨append_cancel_left, congrArg _⟩

/-! ## Length -/
/-- The empty list has length zero. -/
@[simp] theorem length_nil : length ([] : List α) = 0 := rfl
/-- One more element, one more in length. -/
@[simp] theorem length_cons (a : α) (as : List α) : length (a :: as) = length as + 1 := rfl
/-- A list with one element has length one. -/
theorem length_singleton (a : α) : length [a] = 1 := rfl
/-- Lengths add under `++`. -/
@[simp] theorem length_append (as bs : List α) : (as ++ bs).length = as.length + bs.length := by
  induction as with
  | nil => exact (Nat.zero_add _).symm
  | cons a as ih => rw [cons_append, length_cons, length_cons, ih, Nat.add_one_add]
/-- The order of two lists does not matter for the length. -/
theorem length_append_comm (as bs : List α) : (as ++ bs).length = (bs ++ as).length := by rw [length_append, length_append, Nat.add_comm]
/-- Only the empty list has length zero. -/
theorem eq_nil_of_length_eq_zero {l : List α} (h : l.length = 0) : l = [] := by
  cases l with
  | nil => rfl
  | cons a l => exact absurd h (Nat.succ_ne_zero _)
/-- Length zero means empty. -/
@[simp] theorem length_eq_zero_iff {l : List α} : l.length = 0 ↔ l = [] := ⟨eq_nil_of_length_eq_zero, fun h => h ▸ rfl⟩
/-- Lists with different lengths differ. -/
theorem ne_of_length_ne {l k : List α} (h : l.length ≠ k.length) : l ≠ k := fun e => h (congrArg length e)

/-! ## Map -/
/-- Mapping over the empty list. -/
@[simp] theorem map_nil {f : α → β} : map f [] = [] := rfl
/-- Mapping over a list with a first element. -/
@[simp] theorem map_cons {f : α → β} {a : α} {l : List α} : map f (a :: l) = f a :: map f l := rfl
/-- Mapping keeps the length. -/
@[simp] theorem length_map {as : List α} (f : α → β) : (as.map f).length = as.length := by
  induction as with
  | nil => rfl
  | cons a as ih => exact congrArg Nat.succ ih
/-- Mapping each part maps the whole. -/
@[simp] theorem map_append {f : α → β} {l₁ l₂ : List α} : map f (l₁ ++ l₂) = map f l₁ ++ map f l₂ := by
  induction l₁ with
  | nil => rfl
  | cons a l ih => exact congrArg (cons (f a)) ih
/-- Mapping twice is mapping the composition. -/
@[simp] theorem map_map {g : β → γ} {f : α → β} {l : List α} : map g (map f l) = map (g ∘ f) l := by
  induction l with
  | nil => rfl
  | cons a l ih => exact congrArg (cons (g (f a))) ih
/-- Mapping the identity changes nothing. -/
@[simp] theorem map_id (l : List α) : map id l = l := by
  induction l with
  | nil => rfl
  | cons a l ih => exact congrArg (cons a) ih
/-- A mapped list is empty exactly when the list is. -/
@[simp] theorem map_eq_nil_iff {f : α → β} {l : List α} : map f l = [] ↔ l = [] := by
  cases l with
  | nil => exact ⟨fun _ => rfl, fun _ => rfl⟩
  | cons a l => exact ⟨nofun, nofun⟩
/-- Mapping an injective function is injective. -/
theorem map_injective {f : α → β} (h : Function.Injective f) : Function.Injective (map f) := fun l => by
  induction l with
  | nil =>
    intro k e
    cases k with
    | nil => rfl
    | cons b k => exact absurd e (nil_ne_cons _ _)
  | cons a l ih =>
    intro k e
    cases k with
    | nil => exact absurd e (cons_ne_nil _ _)
    | cons b k => exact cons_eq_cons.2 ⟨h (head_eq_of_cons_eq e), ih (tail_eq_of_cons_eq e)⟩

/-! ## Reverse -/
/-- The reverse of the empty list. -/
@[simp] theorem reverse_nil : reverse ([] : List α) = [] := rfl
/-- The first element goes to the end. -/
@[simp] theorem reverse_cons {a : α} {as : List α} : reverse (a :: as) = reverse as ++ [a] := rfl
/-- A list with one element is its own reverse. -/
theorem reverse_singleton {a : α} : reverse [a] = [a] := rfl
/-- Reversing exchanges the parts of `++`. -/
@[simp] theorem reverse_append {as bs : List α} : (as ++ bs).reverse = bs.reverse ++ as.reverse := by
  induction as with
  | nil => exact (append_nil _).symm
  | cons a as ih => rw [cons_append, reverse_cons, reverse_cons, ih, append_assoc]
/-- Reversing twice changes nothing. -/
@[simp] theorem reverse_reverse (as : List α) : as.reverse.reverse = as := by
  induction as with
  | nil => rfl
  | cons a as ih => rw [reverse_cons, reverse_append, ih]; rfl
/-- Reversing keeps the length. -/
@[simp] theorem length_reverse {as : List α} : as.reverse.length = as.length := by
  induction as with
  | nil => rfl
  | cons a as ih => rw [reverse_cons, length_append, ih]; rfl
/-- Mapping and reversing can be exchanged. -/
@[simp] theorem map_reverse {f : α → β} {l : List α} : l.reverse.map f = (l.map f).reverse := by
  induction l with
  | nil => rfl
  | cons a l ih => rw [reverse_cons, map_append, ih]; rfl
/-- Lists are equal exactly when their reverses are. -/
@[simp] theorem reverse_inj {xs ys : List α} : xs.reverse = ys.reverse ↔ xs = ys := ⟨fun h => by rw [← reverse_reverse xs, h, reverse_reverse], congrArg reverse⟩
/-- The reverse is empty exactly when the list is. -/
@[simp] theorem reverse_eq_nil_iff {xs : List α} : xs.reverse = [] ↔ xs = [] := reverse_inj (ys := [])
/-- Reversing is injective. -/
theorem reverse_injective : Function.Injective (reverse : List α → List α) := fun _ _ => reverse_inj.1

/-! ## Folds, replicate, flatten, sum -/
/-- Folding the empty list from the right. -/
@[simp] theorem foldr_nil {f : α → β → β} {b : β} : foldr f b [] = b := rfl
/-- Folding `a :: l` from the right. -/
@[simp] theorem foldr_cons {f : α → β → β} {b : β} {a : α} {l : List α} : foldr f b (a :: l) = f a (foldr f b l) := rfl
/-- Folding `++` from the right: first the second list. -/
@[simp] theorem foldr_append {f : α → β → β} {b : β} {l l' : List α} : foldr f b (l ++ l') = foldr f (foldr f b l') l := by
  induction l with
  | nil => rfl
  | cons a l ih => exact congrArg (f a) ih
/-- Folding with `cons` rebuilds the list. -/
theorem foldr_cons_nil {l : List α} : foldr cons [] l = l := by
  induction l with
  | nil => rfl
  | cons a l ih => exact congrArg (cons a) ih
/-- Folding a mapped list. -/
theorem foldr_map {f : α → β} {g : β → γ → γ} {l : List α} {init : γ} : foldr g init (map f l) = foldr (fun x y => g (f x) y) init l := by
  induction l with
  | nil => rfl
  | cons a l ih => exact congrArg (g (f a)) ih
/-- Folding the empty list from the left. -/
@[simp] theorem foldl_nil {f : β → α → β} {b : β} : foldl f b [] = b := rfl
/-- Folding `a :: l` from the left. -/
@[simp] theorem foldl_cons {f : β → α → β} {b : β} {a : α} {l : List α} : foldl f b (a :: l) = foldl f (f b a) l := rfl
/-- Folding `++` from the left: first the first list. -/
@[simp] theorem foldl_append {f : β → α → β} {b : β} {l l' : List α} : foldl f b (l ++ l') = foldl f (foldl f b l) l' := by
  induction l generalizing b with
  | nil => rfl
  | cons a l ih => exact ih
/-- Folding the reverse from the left is folding from the right. -/
theorem foldl_reverse {l : List α} {f : β → α → β} {b : β} : foldl f b l.reverse = foldr (fun x y => f y x) b l := by
  induction l with
  | nil => rfl
  | cons a l ih => rw [reverse_cons, foldl_append, ih]; rfl
/-- `n` copies have length `n`. -/
@[simp] theorem length_replicate {n : Nat} {a : α} : (replicate n a).length = n := by
  induction n with
  | zero => rfl
  | succ n ih => exact congrArg Nat.succ ih
/-- Copies add up. -/
theorem replicate_append_replicate {n m : Nat} {a : α} : replicate n a ++ replicate m a = replicate (n + m) a := by
  induction n with
  | zero => rw [Nat.zero_add]; rfl
  | succ n ih => rw [Nat.add_one_add]; exact congrArg (cons a) ih
/-- Mapping copies gives copies of the value. -/
@[simp] theorem map_replicate {f : α → β} {n : Nat} {a : α} : (replicate n a).map f = replicate n (f a) := by
  induction n with
  | zero => rfl
  | succ n ih => exact congrArg (cons (f a)) ih
/-- Flattening `++` is `++` of the flattened. -/
@[simp] theorem flatten_append {L₁ L₂ : List (List α)} : flatten (L₁ ++ L₂) = flatten L₁ ++ flatten L₂ := by
  induction L₁ with
  | nil => rfl
  | cons l L ih => rw [cons_append, flatten, flatten, ih, append_assoc]
/-- The sum of the empty list. -/
@[simp] theorem sum_nil : sum [] = 0 := rfl
/-- The sum of `n :: l`. -/
@[simp] theorem sum_cons {n : Nat} {l : List Nat} : sum (n :: l) = n + sum l := rfl
/-- Sums add under `++`. -/
@[simp] theorem sum_append {l₁ l₂ : List Nat} : sum (l₁ ++ l₂) = sum l₁ + sum l₂ := by
  induction l₁ with
  | nil => exact (Nat.zero_add _).symm
  | cons n l ih => rw [cons_append, sum_cons, sum_cons, ih, Nat.add_assoc]
/-- Reversing keeps the sum. -/
theorem sum_reverse (l : List Nat) : sum l.reverse = sum l := by
  induction l with
  | nil => rfl
  | cons n l ih => rw [reverse_cons, sum_append, ih, sum_cons, sum_cons, sum_nil, Nat.add_zero, Nat.add_comm]
end List

prelude
import Fd.List.Mem
import Fd.Nat.Sub
/-!
Associative, commutative, idempotent operations and their neutral elements as classes, and what `ac_rfl` asks for: it writes
both sides as trees of numbered variables, brings the trees into a normal form (`Lean.Data.AC.norm`, which the kernel computes)
and concludes by `Lean.Data.AC.Context.eq_of_norm`.
-/
set_option autoImplicit false
set_option linter.defProp false
universe u
/-- A proposition as a type of data. -/
structure PLift (α : Sort u) : Type u where
  up ::
  down : α
namespace Std
/-- `op` is associative. -/
class Associative {α : Sort u} (op : α → α → α) : Prop where
  assoc : (a b c : α) → op (op a b) c = op a (op b c)
/-- `op` is commutative. -/
class Commutative {α : Sort u} (op : α → α → α) : Prop where
  comm : (a b : α) → op a b = op b a
/-- `op x x` is `x`. -/
class IdempotentOp {α : Sort u} (op : α → α → α) : Prop where
  idempotent : (x : α) → op x x = x
/-- `o` is neutral for `op` on both sides. -/
class LawfulIdentity {α : Sort u} (op : α → α → α) (o : outParam α) : Prop where
  left_id : (a : α) → op o a = a
  right_id : (a : α) → op a o = a
end Std
open Std
namespace Lean.Data.AC
inductive Expr where
  | var (x : Nat)
  | op (lhs rhs : Expr)
structure Variable {α : Sort u} (op : α → α → α) : Type u where
  value : α
  neutral : Option (PLift (LawfulIdentity op value))
structure Context (α : Sort u) where
  op : α → α → α
  assoc : Associative op
  comm : Option (PLift (Commutative op))
  idem : Option (PLift (IdempotentOp op))
  vars : List (Variable op)
  arbitrary : α
variable {α : Sort u}
def Context.find {op : α → α → α} (d : α) : List (Variable op) → Nat → Variable op
  | [], _ => ⟨d, none⟩
  | v :: _, 0 => v
  | _ :: vs, n + 1 => Context.find d vs n
def Context.var (c : Context α) (i : Nat) : Variable c.op := Context.find c.arbitrary c.vars i
def eval (c : Context α) : Expr → α
  | .var i => (c.var i).value
  | .op l r => c.op (eval c l) (eval c r)
def Expr.toList : Expr → List Nat
  | .var i => [i]
  | .op l r => l.toList ++ r.toList
def evalList (c : Context α) : List Nat → α
  | [] => c.arbitrary
  | [i] => (c.var i).value
  | i :: j :: is => c.op (c.var i).value (evalList c (j :: is))
def insert (i : Nat) : List Nat → List Nat
  | [] => [i]
  | j :: js => match Nat.ble i j with
    | true => i :: j :: js
    | false => j :: insert i js
def sort : List Nat → List Nat
  | [] => []
  | i :: is => insert i (sort is)
def mergeIdem : List Nat → List Nat
  | [] => []
  | [i] => [i]
  | i :: j :: is => match Nat.beq i j with
    | true => mergeIdem (j :: is)
    | false => i :: mergeIdem (j :: is)
def strip (c : Context α) : List Nat → List Nat
  | [] => []
  | i :: is => match (c.var i).neutral with
    | some _ => strip c is
    | none => i :: strip c is
def removeNeutrals (c : Context α) (is : List Nat) : List Nat :=
  match is, strip c is with
  | i :: _, [] => [i]
  | _, js => js
def sortIf (c : Context α) (is : List Nat) : List Nat :=
  match c.comm with
  | some _ => sort is
  | none => is
def mergeIf (c : Context α) (is : List Nat) : List Nat :=
  match c.idem with
  | some _ => mergeIdem is
  | none => is
def norm (c : Context α) (e : Expr) : List Nat := mergeIf c (sortIf c (removeNeutrals c e.toList))
def same : List Nat → List Nat → Bool
  | [], [] => true
  | i :: is, j :: js => match Nat.beq i j with
    | true => same is js
    | false => false
  | _, _ => false
theorem eq_of_same (is js : List Nat) (h : same is js = true) : is = js := by
  induction is generalizing js with
  | nil => cases js with
    | nil => rfl
    | cons => exact Bool.noConfusion h
  | cons i is ih => cases js with
    | nil => exact Bool.noConfusion h
    | cons j js =>
      unfold same at h
      cases e : Nat.beq i j with
      | false => rw [e] at h; exact Bool.noConfusion h
      | true => rw [e] at h; rw [Nat.eq_of_beq_eq_true i j e, ih js h]
namespace Context
variable (c : Context α)
theorem evalList_cons (i : Nat) {is : List Nat} (h : is ≠ []) : evalList c (i :: is) = c.op (c.var i).value (evalList c is) := by
  cases is with
  | nil => exact absurd rfl h
  | cons j js => rfl
theorem evalList_append {is js : List Nat} (hi : is ≠ []) (hj : js ≠ []) : evalList c (is ++ js) = c.op (evalList c is) (evalList c js) := by
  induction is with
  | nil => exact absurd rfl hi
  | cons i is ih => cases is with
    | nil => exact evalList_cons c i hj
    | cons k is =>
      have n : k :: is ≠ [] := List.cons_ne_nil k is
      rw [List.cons_append, evalList_cons c i (is := k :: is ++ js) (List.cons_ne_nil k (is ++ js)), ih n, evalList_cons c i n, c.assoc.assoc]
theorem toList_ne_nil (e : Expr) : e.toList ≠ [] := by
  induction e with
  | var i => exact List.cons_ne_nil i []
  | op l r hl _ => exact fun h => hl (List.append_eq_nil_iff.1 h).1
theorem evalList_toList (e : Expr) : evalList c e.toList = eval c e := by
  induction e with
  | var i => rfl
  | op l r hl hr => rw [Expr.toList, evalList_append c (toList_ne_nil l) (toList_ne_nil r), hl, hr]; rfl
theorem insert_ne_nil (i : Nat) (is : List Nat) : insert i is ≠ [] := by
  cases is with
  | nil => exact List.cons_ne_nil i []
  | cons j js => unfold insert; cases Nat.ble i j <;> exact List.cons_ne_nil _ _
theorem evalList_insert (h : Commutative c.op) (i : Nat) (is : List Nat) : evalList c (insert i is) = evalList c (i :: is) := by
  induction is with
  | nil => rfl
  | cons j js ih =>
    unfold insert
    cases Nat.ble i j with
    | true => rfl
    | false =>
      show evalList c (j :: insert i js) = _
      rw [evalList_cons c j (insert_ne_nil i js), ih]
      cases js with
      | nil => exact h.comm _ _
      | cons k js =>
        have n : k :: js ≠ [] := List.cons_ne_nil k js
        rw [evalList_cons c i n, evalList_cons c i (List.cons_ne_nil j _), evalList_cons c j n, ← c.assoc.assoc, h.comm (c.var j).value, c.assoc.assoc]
theorem evalList_sort (h : Commutative c.op) (is : List Nat) : evalList c (sort is) = evalList c is := by
  induction is with
  | nil => rfl
  | cons i is ih =>
    rw [sort, evalList_insert c h]
    cases is with
    | nil => rfl
    | cons j js => rw [evalList_cons c i (is := sort (j :: js)) (insert_ne_nil j (sort js)), evalList_cons c i (List.cons_ne_nil j js)]; exact congrArg _ ih
theorem mergeIdem_ne_nil (i : Nat) (is : List Nat) : mergeIdem (i :: is) ≠ [] := by
  induction is generalizing i with
  | nil => exact List.cons_ne_nil i []
  | cons j js ih =>
    unfold mergeIdem
    cases Nat.beq i j with
    | true => exact ih j
    | false => exact List.cons_ne_nil _ _
theorem evalList_mergeIdem (h : IdempotentOp c.op) (i : Nat) (is : List Nat) : evalList c (mergeIdem (i :: is)) = evalList c (i :: is) := by
  induction is generalizing i with
  | nil => rfl
  | cons j js ih =>
    unfold mergeIdem
    cases e : Nat.beq i j with
    | false =>
      show evalList c (i :: mergeIdem (j :: js)) = _
      rw [evalList_cons c i (mergeIdem_ne_nil j js), ih j]; rfl
    | true =>
      refine (ih j).trans ?_
      rw [Nat.eq_of_beq_eq_true i j e, evalList_cons c j (List.cons_ne_nil j js)]
      cases js with
      | nil => exact (h.idempotent _).symm
      | cons k js => rw [evalList_cons c j (List.cons_ne_nil k js), ← c.assoc.assoc, h.idempotent]
theorem evalList_strip (is : List Nat) :
    (strip c is ≠ [] → evalList c (strip c is) = evalList c is) ∧ (strip c is = [] → is ≠ [] → LawfulIdentity c.op (evalList c is)) := by
  induction is with
  | nil => exact ⟨fun h => absurd rfl h, fun _ h => absurd rfl h⟩
  | cons i is ih =>
    unfold strip
    cases e : (c.var i).neutral with
    | some n =>
      have n := n.down
      cases is with
      | nil => exact ⟨fun h => absurd rfl h, fun _ _ => n⟩
      | cons j js =>
        have same : evalList c (i :: j :: js) = evalList c (j :: js) := n.left_id _
        rw [same]
        exact ⟨ih.1, fun h _ => ih.2 h (List.cons_ne_nil j js)⟩
    | none =>
      refine ⟨fun _ => ?_, fun h => absurd h (List.cons_ne_nil _ _)⟩
      show evalList c (i :: strip c is) = _
      cases is with
      | nil => rfl
      | cons j js =>
        rw [evalList_cons c i (List.cons_ne_nil j js)]
        by_cases k : strip c (j :: js) = []
        · rw [k, (ih.2 k (List.cons_ne_nil j js)).right_id]; rfl
        · rw [evalList_cons c i k, ih.1 k]
theorem evalList_removeNeutrals (is : List Nat) : evalList c (removeNeutrals c is) = evalList c is := by
  cases is with
  | nil => rfl
  | cons i is =>
    unfold removeNeutrals
    have s := evalList_strip c (i :: is)
    cases e : strip c (i :: is) with
    | cons j js => rw [e] at s; exact s.1 (List.cons_ne_nil j js)
    | nil =>
      show (c.var i).value = _
      cases is with
      | nil => rfl
      | cons j js =>
        have t := evalList_strip c (j :: js)
        unfold strip at e
        cases k : (c.var i).neutral with
        | none => rw [k] at e; exact absurd e (List.cons_ne_nil _ _)
        | some n => rw [k] at e; exact ((t.2 e (List.cons_ne_nil j js)).right_id _).symm
theorem eval_norm (e : Expr) : evalList c (norm c e) = eval c e := by
  have s : evalList c (sortIf c (removeNeutrals c e.toList)) = eval c e := by
    unfold sortIf
    cases c.comm with
    | none => exact (evalList_removeNeutrals c _).trans (evalList_toList c e)
    | some h => exact (evalList_sort c h.down _).trans ((evalList_removeNeutrals c _).trans (evalList_toList c e))
  refine Eq.trans ?_ s
  unfold norm mergeIf
  cases c.idem with
  | none => rfl
  | some h => cases sortIf c (removeNeutrals c e.toList) with
    | nil => rfl
    | cons i is => exact evalList_mergeIdem c h.down i is
theorem eq_of_norm (c : Context α) (a b : Expr) (h : same (norm c a) (norm c b) = true) : eval c a = eval c b := by
  rw [← eval_norm c a, ← eval_norm c b, eq_of_same _ _ h]
end Context
end Lean.Data.AC

instance Nat.instAssociativeAdd : Associative (α := Nat) (· + ·) := ⟨Nat.add_assoc⟩
instance Nat.instCommutativeAdd : Commutative (α := Nat) (· + ·) := ⟨Nat.add_comm⟩
instance Nat.instLawfulIdentityAdd : LawfulIdentity (α := Nat) (· + ·) 0 := ⟨Nat.zero_add, Nat.add_zero⟩
instance Nat.instAssociativeMul : Associative (α := Nat) (· * ·) := ⟨Nat.mul_assoc⟩
instance Nat.instCommutativeMul : Commutative (α := Nat) (· * ·) := ⟨Nat.mul_comm⟩
instance Nat.instLawfulIdentityMul : LawfulIdentity (α := Nat) (· * ·) 1 := ⟨Nat.one_mul, Nat.mul_one⟩
instance Nat.instAssociativeMax : Associative (α := Nat) max := ⟨Nat.max_assoc⟩
instance Nat.instCommutativeMax : Commutative (α := Nat) max := ⟨Nat.max_comm⟩
instance Nat.instIdempotentOpMax : IdempotentOp (α := Nat) max := ⟨Nat.max_self⟩
instance Nat.instAssociativeMin : Associative (α := Nat) min := ⟨Nat.min_assoc⟩
instance Nat.instCommutativeMin : Commutative (α := Nat) min := ⟨Nat.min_comm⟩
instance Nat.instIdempotentOpMin : IdempotentOp (α := Nat) min := ⟨Nat.min_self⟩
instance instAssociativeAnd : Associative And := ⟨fun _ _ _ => propext and_assoc⟩
instance instCommutativeAnd : Commutative And := ⟨fun _ _ => propext and_comm⟩
instance instIdempotentOpAnd : IdempotentOp And := ⟨and_self⟩
instance instLawfulIdentityAnd : LawfulIdentity And True := ⟨true_and, and_true⟩
instance instAssociativeOr : Associative Or := ⟨fun _ _ _ => propext or_assoc⟩
instance instCommutativeOr : Commutative Or := ⟨fun _ _ => propext or_comm⟩
instance instIdempotentOpOr : IdempotentOp Or := ⟨or_self⟩
instance instLawfulIdentityOr : LawfulIdentity Or False := ⟨false_or, or_false⟩
instance Bool.instAssociativeAnd : Associative and := ⟨Bool.and_assoc⟩
instance Bool.instCommutativeAnd : Commutative and := ⟨Bool.and_comm⟩
instance Bool.instIdempotentOpAnd : IdempotentOp and := ⟨Bool.and_self⟩
instance Bool.instAssociativeOr : Associative or := ⟨Bool.or_assoc⟩
instance Bool.instCommutativeOr : Commutative or := ⟨Bool.or_comm⟩
instance Bool.instIdempotentOpOr : IdempotentOp or := ⟨Bool.or_self⟩
instance List.instAssociativeAppend {α : Type u} : Associative (α := List α) (· ++ ·) := ⟨List.append_assoc⟩
instance List.instLawfulIdentityAppend {α : Type u} : LawfulIdentity (α := List α) (· ++ ·) [] := ⟨List.nil_append, List.append_nil⟩

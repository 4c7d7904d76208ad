prelude
import Fd.Logic
/-! Truth values: `&&`, `||`, `!`. -/
set_option autoImplicit false
namespace Bool
/-- A statement about truth values holds if it holds of both. -/
theorem forall_bool {p : Bool → Prop} : (∀ b, p b) ↔ p false ∧ p true := ⟨fun h => ⟨h false, h true⟩, fun h b => by cases b; exact h.1; exact h.2⟩
/-- Negating twice changes nothing. -/
@[simp] theorem not_not (b : Bool) : (!!b) = b := by cases b <;> rfl
/-- `!true` is `false`. -/
@[simp] theorem not_true : (!true) = false := rfl
/-- `!false` is `true`. -/
@[simp] theorem not_false : (!false) = true := rfl
/-- `true && b` is `b`. -/
@[simp] theorem true_and (b : Bool) : (true && b) = b := rfl
/-- `b && true` is `b`. -/
@[simp] theorem and_true (b : Bool) : (b && true) = b := by cases b <;> rfl
/-- `false && b` is `false`. -/
@[simp] theorem false_and (b : Bool) : (false && b) = false := rfl
/-- `b && false` is `false`. -/
@[simp] theorem and_false (b : Bool) : (b && false) = false := by cases b <;> rfl
/-- `true || b` is `true`. -/
@[simp] theorem true_or (b : Bool) : (true || b) = true := rfl
/-- `b || true` is `true`. -/
@[simp] theorem or_true (b : Bool) : (b || true) = true := by cases b <;> rfl
/-- `false || b` is `b`. -/
@[simp] theorem false_or (b : Bool) : (false || b) = b := rfl
/-- `b || false` is `b`. -/
@[simp] theorem or_false (b : Bool) : (b || false) = b := by cases b <;> rfl
/-- `b && b` is `b`. -/
@[simp] theorem and_self (b : Bool) : (b && b) = b := by cases b <;> rfl
/-- `b || b` is `b`. -/
@[simp] theorem or_self (b : Bool) : (b || b) = b := by cases b <;> rfl
/-- `&&` is commutative. -/
theorem and_comm (x y : Bool) : (x && y) = (y && x) := by cases x <;> cases y <;> rfl
/-- `||` is commutative. -/
theorem or_comm (x y : Bool) : (x || y) = (y || x) := by cases x <;> cases y <;> rfl
/-- `&&` is associative. -/
theorem and_assoc (x y z : Bool) : (x && y && z) = (x && (y && z)) := by cases x <;> rfl
/-- `||` is associative. -/
theorem or_assoc (x y z : Bool) : (x || y || z) = (x || (y || z)) := by cases x <;> rfl
/-- `!` turns `&&` into `||` (De Morgan). -/
@[simp] theorem not_and (x y : Bool) : (!(x && y)) = (!x || !y) := by cases x <;> rfl
/-- `!` turns `||` into `&&` (De Morgan). -/
@[simp] theorem not_or (x y : Bool) : (!(x || y)) = (!x && !y) := by cases x <;> rfl
/-- `&&` distributes over `||`. -/
theorem and_or_distrib_left (x y z : Bool) : (x && (y || z)) = ((x && y) || (x && z)) := by cases x <;> rfl
/-- `||` distributes over `&&`. -/
theorem or_and_distrib_left (x y z : Bool) : (x || (y && z)) = ((x || y) && (x || z)) := by cases x <;> rfl
/-- `&&` is `true` exactly when both are. -/
@[simp] theorem and_eq_true (x y : Bool) : ((x && y) = true) = (x = true ∧ y = true) := by cases x <;> cases y <;> simp
/-- `||` is `true` exactly when one is. -/
@[simp] theorem or_eq_true (x y : Bool) : ((x || y) = true) = (x = true ∨ y = true) := by cases x <;> cases y <;> simp
/-- Not `true` is `false`. -/
theorem eq_false_of_not_eq_true {b : Bool} (h : ¬b = true) : b = false := eq_false_of_ne_true h
/-- Not `false` is `true`. -/
theorem eq_true_of_not_eq_false {b : Bool} (h : ¬b = false) : b = true := eq_true_of_ne_false h
/-- Not being `true` is being `false`. -/
@[simp] theorem not_eq_true (b : Bool) : (¬(b = true)) = (b = false) := propext ⟨eq_false_of_not_eq_true, fun h k => nomatch h.symm.trans k⟩
/-- Not being `false` is being `true`. -/
@[simp] theorem not_eq_false (b : Bool) : (¬(b = false)) = (b = true) := propext ⟨eq_true_of_not_eq_false, fun h k => nomatch h.symm.trans k⟩
/-- A truth value is `true` or `false`. -/
theorem eq_false_or_eq_true (b : Bool) : b = true ∨ b = false := by cases b; exact .inr rfl; exact .inl rfl
end Bool
/-- A decided proposition is `true` exactly when it holds. -/
@[simp] theorem decide_eq_true_eq {p : Prop} [Decidable p] : (decide p = true) = p := propext ⟨of_decide_eq_true, decide_eq_true⟩
/-- A decided proposition is `false` exactly when it fails. -/
@[simp] theorem decide_eq_false_iff_not {p : Prop} [Decidable p] : decide p = false ↔ ¬p := ⟨of_decide_eq_false, decide_eq_false⟩

prelude
import Fd.Nat.Sub
/-! Natural numbers: divisibility, quotient and remainder, parity. -/
set_option autoImplicit false
namespace Nat
/-- `a ∣ b`: some multiple of `a` is `b`. -/
instance instDvdNat : Dvd Nat := ⟨fun a b => ∃ c, b = a * c⟩

/-! ## Divisibility -/
/-- A multiple is divisible. -/
theorem dvd_of_eq_mul_right {a b c : Nat} (h : b = a * c) : a ∣ b := ⟨c, h⟩
/-- Every number divides itself. -/
@[simp, refl] protected theorem dvd_refl (a : Nat) : a ∣ a := ⟨1, (Nat.mul_one a).symm⟩
/-- Divisibility is transitive. -/
protected theorem dvd_trans {a b c : Nat} (h₁ : a ∣ b) (h₂ : b ∣ c) : a ∣ c := by obtain ⟨d, hd⟩ := h₁; obtain ⟨e, he⟩ := h₂; exact ⟨d * e, by rw [he, hd, Nat.mul_assoc]⟩
instance instTransDvd : Trans (α := Nat) (β := Nat) (γ := Nat) Dvd.dvd Dvd.dvd Dvd.dvd := ⟨Nat.dvd_trans⟩
/-- Everything divides zero. -/
@[simp] protected theorem dvd_zero (a : Nat) : a ∣ 0 := ⟨0, rfl⟩
/-- One divides everything. -/
@[simp] protected theorem one_dvd (n : Nat) : 1 ∣ n := ⟨n, (Nat.one_mul n).symm⟩
/-- A number divides its product with another on the right. -/
@[simp] protected theorem dvd_mul_right (a b : Nat) : a ∣ a * b := ⟨b, rfl⟩
/-- A number divides its product with another on the left. -/
@[simp] protected theorem dvd_mul_left (a b : Nat) : a ∣ b * a := ⟨b, Nat.mul_comm b a⟩
/-- A divisor of a factor divides the product. -/
protected theorem dvd_mul_right_of_dvd {a b : Nat} (h : a ∣ b) (c : Nat) : a ∣ b * c := Nat.dvd_trans h (Nat.dvd_mul_right b c)
/-- A divisor of the right factor divides the product. -/
protected theorem dvd_mul_left_of_dvd {a b : Nat} (h : a ∣ b) (c : Nat) : a ∣ c * b := Nat.dvd_trans h (Nat.dvd_mul_left b c)
/-- A divisor of two numbers divides their sum. -/
protected theorem dvd_add {m n k : Nat} (h₁ : k ∣ m) (h₂ : k ∣ n) : k ∣ m + n := by obtain ⟨d, hd⟩ := h₁; obtain ⟨e, he⟩ := h₂; exact ⟨d + e, by rw [hd, he, Nat.mul_add]⟩
/-- A divisor of two numbers divides their difference. -/
protected theorem dvd_sub {m n k : Nat} (h₁ : k ∣ m) (h₂ : k ∣ n) : k ∣ m - n := by obtain ⟨d, hd⟩ := h₁; obtain ⟨e, he⟩ := h₂; exact ⟨d - e, by rw [hd, he, Nat.mul_sub]⟩
/-- A divisor of a sum and of its left summand divides the right one. -/
protected theorem dvd_of_dvd_add_right {m n k : Nat} (h : k ∣ m + n) (h₁ : k ∣ m) : k ∣ n := by have d := Nat.dvd_sub h h₁; rw [Nat.add_sub_cancel_left] at d; exact d
/-- If a divisor of `m` is at hand, it divides `m + n` exactly when it divides `n`. -/
protected theorem dvd_add_right {m k n : Nat} (h : k ∣ m) : k ∣ m + n ↔ k ∣ n := ⟨fun d => Nat.dvd_of_dvd_add_right d h, Nat.dvd_add h⟩
/-- Divisors multiply. -/
protected theorem mul_dvd_mul {a b c d : Nat} (h₁ : a ∣ b) (h₂ : c ∣ d) : a * c ∣ b * d := by obtain ⟨e, he⟩ := h₁; obtain ⟨f, hf⟩ := h₂; exact ⟨e * f, by rw [he, hf, Nat.mul_mul_mul_comm]⟩
/-- Multiply a divisibility on the left. -/
protected theorem mul_dvd_mul_left {b c : Nat} (a : Nat) (h : b ∣ c) : a * b ∣ a * c := Nat.mul_dvd_mul (Nat.dvd_refl a) h
/-- Multiply a divisibility on the right. -/
protected theorem mul_dvd_mul_right {a b : Nat} (h : a ∣ b) (c : Nat) : a * c ∣ b * c := Nat.mul_dvd_mul h (Nat.dvd_refl c)
/-- What a product divides, its left factor divides. -/
protected theorem dvd_of_mul_right_dvd {m n k : Nat} (h : m * n ∣ k) : m ∣ k := Nat.dvd_trans (Nat.dvd_mul_right m n) h
/-- What a product divides, its right factor divides. -/
protected theorem dvd_of_mul_left_dvd {m n k : Nat} (h : m * n ∣ k) : n ∣ k := Nat.dvd_trans (Nat.dvd_mul_left n m) h
/-- A divisor of a positive number is at most that number. -/
theorem le_of_dvd {m n : Nat} (hn : 0 < n) (h : m ∣ n) : m ≤ n := by
  obtain ⟨c, e⟩ := h
  cases c with
  | zero => exact absurd e (ne_zero_of_lt hn)
  | succ c => rw [e]; exact Nat.le_mul_of_pos_right m (zero_lt_succ c)
/-- Zero divides only zero. -/
theorem eq_zero_of_zero_dvd {a : Nat} (h : 0 ∣ a) : a = 0 := by obtain ⟨c, e⟩ := h; rw [e, Nat.zero_mul]
/-- Zero divides exactly zero. -/
@[simp] protected theorem zero_dvd {n : Nat} : 0 ∣ n ↔ n = 0 := ⟨eq_zero_of_zero_dvd, fun h => h ▸ Nat.dvd_refl 0⟩
/-- A divisor of one is one. -/
theorem eq_one_of_dvd_one {n : Nat} (h : n ∣ 1) : n = 1 := by obtain ⟨c, e⟩ := h; exact Nat.eq_one_of_mul_eq_one_right e.symm
/-- Only one divides one. -/
@[simp] protected theorem dvd_one {n : Nat} : n ∣ 1 ↔ n = 1 := ⟨eq_one_of_dvd_one, fun h => h ▸ Nat.dvd_refl 1⟩
/-- Numbers that divide each other are equal. -/
theorem dvd_antisymm {m n : Nat} (h₁ : m ∣ n) (h₂ : n ∣ m) : m = n := by
  cases m with
  | zero => exact (eq_zero_of_zero_dvd h₁).symm
  | succ m => cases n with
    | zero => exact eq_zero_of_zero_dvd h₂
    | succ n => exact Nat.le_antisymm (le_of_dvd (zero_lt_succ n) h₁) (le_of_dvd (zero_lt_succ m) h₂)
/-- A positive common factor can be cancelled. -/
protected theorem dvd_of_mul_dvd_mul_left {m n k : Nat} (kpos : 0 < k) (h : k * m ∣ k * n) : m ∣ n := by
  obtain ⟨c, e⟩ := h
  exact ⟨c, Nat.eq_of_mul_eq_mul_left kpos (e.trans (Nat.mul_assoc k m c))⟩

/-! ## Quotient and remainder -/
-- Quotient and remainder as they are computed, with `f` steps allowed.
theorem div_add_mod.go (f a b : Nat) : b * Nat.div.go f a b + Nat.mod.go f a b = a := by
  induction f generalizing a with
  | zero => exact Nat.zero_add a
  | succ f ih =>
    unfold Nat.div.go Nat.mod.go
    cases h₁ : Nat.ble 1 b with
    | false => exact Nat.zero_add a
    | true => cases h₂ : Nat.ble b a with
      | false => exact Nat.zero_add a
      | true =>
        show b * (Nat.div.go f (a - b) b + 1) + Nat.mod.go f (a - b) b = a
        rw [mul_add_one, Nat.add_right_comm, ih, Nat.sub_add_cancel (le_of_ble_eq_true h₂)]
theorem mod_lt.go (f a : Nat) {b : Nat} (hb : 0 < b) (h : a ≤ f) : Nat.mod.go f a b < b := by
  induction f generalizing a with
  | zero => rw [eq_zero_of_le_zero h]; exact hb
  | succ f ih =>
    unfold Nat.mod.go
    rw [ble_eq_true_of_le hb]
    cases h₂ : Nat.ble b a with
    | false => exact Nat.not_le.1 (fun k => Bool.noConfusion (h₂.symm.trans (ble_eq_true_of_le k)))
    | true =>
      refine ih (a - b) (le_of_lt_succ (Nat.lt_of_lt_of_le (sub_lt ?_ hb) h))
      exact Nat.lt_of_lt_of_le hb (le_of_ble_eq_true h₂)
/-- Quotient times divisor plus remainder is the number. -/
theorem div_add_mod (m k : Nat) : k * (m / k) + m % k = m := div_add_mod.go m m k
/-- Remainder plus quotient times divisor is the number. -/
theorem mod_add_div (m k : Nat) : m % k + k * (m / k) = m := by rw [Nat.add_comm]; exact div_add_mod m k
/-- A remainder is less than a positive divisor. -/
theorem mod_lt (x : Nat) {y : Nat} (h : 0 < y) : x % y < y := mod_lt.go x x h (Nat.le_refl x)
/-- Quotient and remainder are unique. -/
theorem div_mod_of_mul_add_eq {b q r n : Nat} (h : b * q + r = n) (hr : r < b) : n / b = q ∧ n % b = r := by
  have hb : 0 < b := Nat.lt_of_le_of_lt (zero_le r) hr
  have e : b * (n / b) + n % b = b * q + r := (div_add_mod n b).trans h.symm
  have l := mod_lt n hb
  have same : n / b = q := by
    rcases Nat.lt_trichotomy (n / b) q with k | k | k
    · have t := Nat.mul_le_mul_left b k
      rw [mul_succ] at t
      have t := Nat.le_trans t (le_add_right (b * q) r)
      rw [← e] at t
      exact absurd (Nat.le_of_add_le_add_left t) (Nat.not_le_of_lt l)
    · exact k
    · have t := Nat.mul_le_mul_left b k
      rw [mul_succ] at t
      have t := Nat.le_trans t (le_add_right (b * (n / b)) (n % b))
      rw [e] at t
      exact absurd (Nat.le_of_add_le_add_left t) (Nat.not_le_of_lt hr)
  rw [same] at e
  exact ⟨same, Nat.add_left_cancel e⟩
/-- Zero remainder means divisible. -/
theorem dvd_of_mod_eq_zero {k n : Nat} (h : n % k = 0) : k ∣ n := ⟨n / k, by have e := div_add_mod n k; rw [h, Nat.add_zero] at e; exact e.symm⟩
/-- Dividing by zero gives zero. -/
@[simp] protected theorem div_zero (n : Nat) : n / 0 = 0 := by
  show Nat.div.go n n 0 = 0
  cases n with
  | zero => rfl
  | succ n => rfl
/-- The remainder by zero is the number. -/
@[simp] theorem mod_zero (n : Nat) : n % 0 = n := by
  have e := div_add_mod n 0
  rw [Nat.zero_mul, Nat.zero_add] at e
  exact e
/-- A smaller number is its own remainder. -/
theorem mod_eq_of_lt {a b : Nat} (h : a < b) : a % b = a := (div_mod_of_mul_add_eq (q := 0) (zero_add a) h).2
/-- A smaller number has quotient zero. -/
theorem div_eq_of_lt {a b : Nat} (h : a < b) : a / b = 0 := (div_mod_of_mul_add_eq (q := 0) (zero_add a) h).1
/-- Zero has remainder zero. -/
@[simp] theorem zero_mod (b : Nat) : 0 % b = 0 := by
  cases b with
  | zero => rfl
  | succ b => exact mod_eq_of_lt (zero_lt_succ b)
/-- A multiple has remainder zero. -/
@[simp] theorem mul_mod_right (x z : Nat) : x * z % x = 0 := by
  cases x with
  | zero => rw [Nat.zero_mul]; exact zero_mod 0
  | succ x => exact (div_mod_of_mul_add_eq (q := z) (add_zero _) (zero_lt_succ x)).2
/-- A multiple divided by its positive factor. -/
@[simp] protected theorem mul_div_cancel_left (m : Nat) {n : Nat} (h : 0 < n) : n * m / n = m := (div_mod_of_mul_add_eq (add_zero _) h).1
/-- A multiple divided by its positive right factor. -/
@[simp] protected theorem mul_div_cancel (m : Nat) {n : Nat} (h : 0 < n) : m * n / n = m := by rw [Nat.mul_comm]; exact Nat.mul_div_cancel_left m h
/-- A number has remainder zero by itself. -/
@[simp] theorem mod_self (n : Nat) : n % n = 0 := by have e := mul_mod_right n 1; rw [Nat.mul_one] at e; exact e
/-- Everything has remainder zero by one. -/
@[simp] theorem mod_one (n : Nat) : n % 1 = 0 := Nat.lt_one_iff.1 (mod_lt n zero_lt_one)
/-- Dividing by one changes nothing. -/
@[simp] protected theorem div_one (n : Nat) : n / 1 = n := by have e := Nat.mul_div_cancel_left n zero_lt_one; rw [Nat.one_mul] at e; exact e
/-- Divisible means remainder zero. -/
theorem mod_eq_zero_of_dvd {k n : Nat} (h : k ∣ n) : n % k = 0 := by obtain ⟨c, e⟩ := h; rw [e]; exact mul_mod_right k c
/-- Divisible exactly when the remainder is zero. -/
theorem dvd_iff_mod_eq_zero {k n : Nat} : k ∣ n ↔ n % k = 0 := ⟨mod_eq_zero_of_dvd, dvd_of_mod_eq_zero⟩
/-- Dividing by a divisor and multiplying again. -/
protected theorem mul_div_cancel' {n m : Nat} (h : n ∣ m) : n * (m / n) = m := by have e := div_add_mod m n; rw [mod_eq_zero_of_dvd h, Nat.add_zero] at e; exact e
/-- A quotient is at most the number. -/
theorem div_le_self (n k : Nat) : n / k ≤ n := by
  cases k with
  | zero => rw [Nat.div_zero]; exact zero_le n
  | succ k =>
    have e := Nat.le_of_add_right_le (Nat.le_of_eq (div_add_mod n (k + 1)))
    exact Nat.le_trans (Nat.le_mul_of_pos_left _ (zero_lt_succ k)) e
/-- A remainder is at most the number. -/
theorem mod_le (x y : Nat) : x % y ≤ x := Nat.le_of_add_left_le (Nat.le_of_eq (div_add_mod x y))
instance decidable_dvd (a b : Nat) : Decidable (a ∣ b) := if h : b % a = 0 then isTrue (dvd_of_mod_eq_zero h) else isFalse (fun k => h (mod_eq_zero_of_dvd k))
/-- A remainder by two is zero or one. -/
theorem mod_two_eq_zero_or_one (n : Nat) : n % 2 = 0 ∨ n % 2 = 1 := by
  have l : n % 2 < 2 := mod_lt n (zero_lt_succ 1)
  exact (Nat.eq_or_lt_of_le (le_of_lt_succ l)).symm.imp (fun h => Nat.lt_one_iff.1 h) id
end Nat

/-! ## Parity -/
/-- The number is twice another. -/
def Even (n : Nat) : Prop := ∃ r, n = r + r
/-- The number is twice another plus one. -/
def Odd (n : Nat) : Prop := ∃ m, n = 2 * m + 1
/-- Zero is even. -/
theorem Even.zero : Even 0 := ⟨0, rfl⟩
/-- One is odd. -/
theorem odd_one : Odd 1 := ⟨0, rfl⟩
/-- A number plus itself is even. -/
theorem even_add_self (n : Nat) : Even (n + n) := ⟨n, rfl⟩
/-- Twice a number is even. -/
theorem even_two_mul (n : Nat) : Even (2 * n) := ⟨n, Nat.two_mul n⟩
/-- Even means divisible by two. -/
theorem even_iff_two_dvd {n : Nat} : Even n ↔ 2 ∣ n := ⟨fun ⟨r, e⟩ => ⟨r, e.trans (Nat.two_mul r).symm⟩, fun ⟨r, e⟩ => ⟨r, e.trans (Nat.two_mul r)⟩⟩
/-- Two even numbers have an even sum. -/
theorem Even.add {m n : Nat} (hm : Even m) (hn : Even n) : Even (m + n) := by obtain ⟨a, ha⟩ := hm; obtain ⟨b, hb⟩ := hn; exact ⟨a + b, by rw [ha, hb, Nat.add_add_add_comm]⟩
/-- A multiple of an even number is even. -/
theorem Even.mul_left {m : Nat} (hm : Even m) (n : Nat) : Even (n * m) := by obtain ⟨a, ha⟩ := hm; exact ⟨n * a, by rw [ha, Nat.mul_add]⟩
/-- A multiple of an even number is even. -/
theorem Even.mul_right {m : Nat} (hm : Even m) (n : Nat) : Even (m * n) := by rw [Nat.mul_comm]; exact hm.mul_left n
/-- One more than an even number is odd. -/
theorem Even.add_one {n : Nat} (h : Even n) : Odd (n + 1) := by obtain ⟨r, e⟩ := h; exact ⟨r, by rw [e, Nat.two_mul]⟩
/-- One more than an odd number is even. -/
theorem Odd.add_one {n : Nat} (h : Odd n) : Even (n + 1) := by obtain ⟨m, e⟩ := h; exact ⟨m + 1, by rw [e, Nat.two_mul, Nat.add_assoc, Nat.add_add_add_comm]⟩
/-- Two odd numbers have an even sum. -/
theorem Odd.add_odd {m n : Nat} (hm : Odd m) (hn : Odd n) : Even (m + n) := by
  obtain ⟨a, ha⟩ := hm
  obtain ⟨b, hb⟩ := hn
  exact ⟨a + b + 1, by rw [ha, hb, Nat.two_mul, Nat.two_mul, Nat.add_add_add_comm, Nat.add_add_add_comm a a, Nat.add_add_add_comm (a + b) 1]⟩
/-- An even and an odd number have an odd sum. -/
theorem Even.add_odd {m n : Nat} (hm : Even m) (hn : Odd n) : Odd (m + n) := by
  obtain ⟨a, ha⟩ := hm
  obtain ⟨b, hb⟩ := hn
  exact ⟨a + b, by rw [ha, hb, Nat.mul_add, Nat.two_mul a]; rfl⟩
namespace Nat
/-- Every number is even or odd. -/
theorem even_or_odd (n : Nat) : Even n ∨ Odd n := by
  induction n with
  | zero => exact .inl Even.zero
  | succ n ih => exact ih.symm.imp Odd.add_one Even.add_one
/-- No number is both even and odd. -/
theorem not_even_and_odd (n : Nat) : ¬(Even n ∧ Odd n) := by
  rintro ⟨h, m, e⟩
  have t := (div_mod_of_mul_add_eq (b := 2) (q := m) e.symm (lt_add_one 1)).2
  rw [mod_eq_zero_of_dvd (even_iff_two_dvd.1 h)] at t
  exact zero_ne_one t
/-- Not even means odd. -/
theorem not_even_iff_odd {n : Nat} : ¬Even n ↔ Odd n := ⟨fun h => (even_or_odd n).resolve_left h, fun h k => not_even_and_odd n ⟨k, h⟩⟩
/-- Not odd means even. -/
theorem not_odd_iff_even {n : Nat} : ¬Odd n ↔ Even n := ⟨fun h => (even_or_odd n).resolve_right h, fun h k => not_even_and_odd n ⟨h, k⟩⟩
/-- Two numbers in a row have an even product. -/
theorem even_mul_succ_self (n : Nat) : Even (n * (n + 1)) := (even_or_odd n).elim (fun h => h.mul_right (n + 1)) (fun h => h.add_one.mul_left n)
end Nat

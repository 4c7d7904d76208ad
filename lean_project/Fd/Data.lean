prelude
import Fd.Classes
/-!
The data types, and the operations on `Nat`. The kernel evaluates the operations on literals by name, with GMP, whatever stands
here; each must therefore be what its name says (tests/test_library.py compares each with a renamed copy).
-/
set_option autoImplicit false
set_option linter.defProp false
set_option bootstrap.inductiveCheckResultingUniverse false
universe u v w

/-! ## Nat -/
set_option bootstrap.genMatcherCode false in
/-- Addition, by recursion on the second number. -/
@[extern "lean_nat_add"] def Nat.add : Nat → Nat → Nat
  | n, .zero => n
  | n, .succ m => .succ (Nat.add n m)
@[reducible] instance instAddNat : Add Nat := ⟨Nat.add⟩
set_option bootstrap.genMatcherCode false in
/-- Multiplication, by recursion on the second number. -/
@[extern "lean_nat_mul"] def Nat.mul : Nat → Nat → Nat
  | _, .zero => .zero
  | n, .succ m => Nat.add (Nat.mul n m) n
@[reducible] instance instMulNat : Mul Nat := ⟨Nat.mul⟩
set_option bootstrap.genMatcherCode false in
/-- Powers, by recursion on the exponent. -/
@[extern "lean_nat_pow"] def Nat.pow : Nat → Nat → Nat
  | _, .zero => 1
  | n, .succ m => Nat.mul (Nat.pow n m) n
@[reducible] instance instNatPowNat : NatPow Nat := ⟨Nat.pow⟩
set_option bootstrap.genMatcherCode false in
/-- One less; zero stays zero. -/
@[extern "lean_nat_pred"] def Nat.pred : Nat → Nat
  | .zero => .zero
  | .succ n => n
set_option bootstrap.genMatcherCode false in
/-- Subtraction that stops at zero. -/
@[extern "lean_nat_sub"] def Nat.sub : Nat → Nat → Nat
  | n, .zero => n
  | n, .succ m => Nat.pred (Nat.sub n m)
@[reducible] instance instSubNat : Sub Nat := ⟨Nat.sub⟩
/-- `n ≤ m`: `m` is reached from `n` by adding one again and again. -/
inductive Nat.le (n : Nat) : Nat → Prop where
  | refl : Nat.le n n
  | step {m : Nat} : Nat.le n m → Nat.le n (.succ m)
/-- `n < m` means `n + 1 ≤ m`. -/
def Nat.lt (n m : Nat) : Prop := Nat.le (n + 1) m
@[reducible] instance instLENat : LE Nat := ⟨Nat.le⟩
@[reducible] instance instLTNat : LT Nat := ⟨Nat.lt⟩
instance instInhabitedNat : Inhabited Nat := ⟨0⟩
attribute [match_pattern] Nat.add
/-! Division and what follows from it. Each `go` does at most as many steps as its first argument says, which is always enough. -/
def Nat.div.go : Nat → Nat → Nat → Nat
  | 0, _, _ => 0
  | f + 1, a, b => match Nat.ble 1 b, Nat.ble b a with
    | true, true => Nat.div.go f (a - b) b + 1
    | _, _ => 0
set_option bootstrap.genMatcherCode false in
/-- Integer division, rounding down; division by zero gives zero. -/
@[extern "lean_nat_div"] def Nat.div (a b : Nat) : Nat := Nat.div.go a a b
def Nat.mod.go : Nat → Nat → Nat → Nat
  | 0, a, _ => a
  | f + 1, a, b => match Nat.ble 1 b, Nat.ble b a with
    | true, true => Nat.mod.go f (a - b) b
    | _, _ => a
set_option bootstrap.genMatcherCode false in
/-- Remainder; `n % 0 = n`. -/
@[extern "lean_nat_mod"] def Nat.mod (a b : Nat) : Nat := Nat.mod.go a a b
def Nat.gcd.go : Nat → Nat → Nat → Nat
  | 0, _, n => n
  | f + 1, m, n => match m with
    | 0 => n
    | k + 1 => Nat.gcd.go f (Nat.mod n (k + 1)) (k + 1)
set_option bootstrap.genMatcherCode false in
/-- Greatest common divisor, by Euclid. -/
@[extern "lean_nat_gcd"] def Nat.gcd (m n : Nat) : Nat := Nat.gcd.go m m n
def Nat.log2.go : Nat → Nat → Nat
  | 0, _ => 0
  | f + 1, n => match Nat.ble 2 n with
    | true => Nat.log2.go f (Nat.div n 2) + 1
    | false => 0
set_option bootstrap.genMatcherCode false in
/-- Logarithm to base two, rounding down; zero at zero. -/
@[extern "lean_nat_log2"] def Nat.log2 (n : Nat) : Nat := Nat.log2.go n n
set_option bootstrap.genMatcherCode false in
/-- `n` times a power of two. -/
@[extern "lean_nat_shiftl"] def Nat.shiftLeft (n k : Nat) : Nat := n * Nat.pow 2 k
set_option bootstrap.genMatcherCode false in
/-- `n` divided by a power of two. -/
@[extern "lean_nat_shiftr"] def Nat.shiftRight (n k : Nat) : Nat := Nat.div n (Nat.pow 2 k)
def Nat.bitwise.go (f : Bool → Bool → Bool) : Nat → Nat → Nat → Nat
  | 0, _, m => match f false true with
    | true => m
    | false => 0
  | k + 1, n, m => match n, m with
    | 0, m => match f false true with
      | true => m
      | false => 0
    | n + 1, 0 => match f true false with
      | true => n + 1
      | false => 0
    | n + 1, m + 1 => match f (Nat.beq (Nat.mod (n + 1) 2) 1) (Nat.beq (Nat.mod (m + 1) 2) 1) with
      | true => 2 * Nat.bitwise.go f k (Nat.div (n + 1) 2) (Nat.div (m + 1) 2) + 1
      | false => 2 * Nat.bitwise.go f k (Nat.div (n + 1) 2) (Nat.div (m + 1) 2)
set_option bootstrap.genMatcherCode false in
/-- Bitwise and. -/
@[extern "lean_nat_land"] def Nat.land (n m : Nat) : Nat := Nat.bitwise.go and n n m
set_option bootstrap.genMatcherCode false in
/-- Bitwise or. -/
@[extern "lean_nat_lor"] def Nat.lor (n m : Nat) : Nat := Nat.bitwise.go or n n m
set_option bootstrap.genMatcherCode false in
/-- Bitwise exclusive or. -/
@[extern "lean_nat_lxor"] def Nat.xor (n m : Nat) : Nat := Nat.bitwise.go (fun a b => match a with | true => not b | false => b) n n m
@[reducible] instance Nat.instDivNat : Div Nat := ⟨Nat.div⟩
@[reducible] instance Nat.instModNat : Mod Nat := ⟨Nat.mod⟩
/-- The larger of two numbers. -/
protected abbrev Nat.max (n m : Nat) : Nat := if Nat.ble n m = true then m else n
/-- The smaller of two numbers. -/
protected abbrev Nat.min (n m : Nat) : Nat := if Nat.ble n m = true then n else m
instance Nat.instMax : Max Nat := ⟨Nat.max⟩
instance Nat.instMin : Min Nat := ⟨Nat.min⟩

/-! ## Sums, options, subtypes, dependent pairs -/
/-- An element of one type or of the other. -/
inductive Sum (α : Type u) (β : Type v) where
  | inl (val : α) : Sum α β
  | inr (val : β) : Sum α β
/-- An element of the type, or none. -/
inductive Option (α : Type u) where
  | none : Option α
  | some (val : α) : Option α
export Option (none some)
/-- The elements with a property, `{ x // p x }`. -/
structure Subtype {α : Sort u} (p : α → Prop) where
  val : α
  property : p val
/-- Pairs whose second type depends on the first part. -/
structure Sigma {α : Type u} (β : α → Type v) where
  fst : α
  snd : β fst
/-- Pairs in any universe whose second type depends on the first part. -/
structure PSigma {α : Sort u} (β : α → Sort v) where
  fst : α
  snd : β fst
gen_injective_theorems% Prod
gen_injective_theorems% PProd
gen_injective_theorems% List
attribute [simp] Option.some.injEq Sum.inl.injEq Sum.inr.injEq

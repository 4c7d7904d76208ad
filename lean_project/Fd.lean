prelude
import Fd.Classical
import Fd.Function
import Fd.Function.Inverse
import Fd.Bool
import Fd.Option
import Fd.Prod
import Fd.Nat.Basic
import Fd.Nat.Order
import Fd.Nat.Sub
import Fd.Nat.Dvd
import Fd.Nat.Pow
import Fd.Nat.Gcd
import Fd.Nat.Parity
import Fd.List.Basic
import Fd.List.Mem
import Fd.List.Range
import Fd.Decide
import Fd.AC
import Fd.Int.Div
import Fd.Omega
import Fd.Sum
import Fd.Algebra.Basic
/-! The core library: ordinary Lean 4 notation and tactics over logic, functions, numbers, options, lists, sums and groups. -/

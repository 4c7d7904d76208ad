"""Attacks on the verifier, in families: what is tried, the verdict, and what two other judges say.

`comparator` and `safeverify` quote the READMEs of leanprover/comparator and of
GasStationManager/SafeVerify, or say "not stated".
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from fdcore.profile import Lean

HEADER = "prelude\nimport Fd\n\n"
COMM = "theorem t (a b : Nat) : a + b = b + a := by"
FALSE = "theorem t (a b : Nat) : a + b = a := by"
HONEST = COMM + "\n  rw [Nat.add_comm]\n"


SETTINGS = Lean(
    header=HEADER,
    axioms=("propext", "Quot.sound", "Classical.choice"),
    timeout_seconds=20,
    memory_mb=2048,
    heartbeats=20000,
    workers=2,
    library="core",
)


class Family(NamedTuple):
    honest: str  # a proof of COMM that stands beside the attacks and must pass
    comparator: str
    safeverify: str
    attacks: dict[str, tuple[str, str]]  # name -> (verdict, file)


FAMILIES = {
    "no proof": Family(
        HONEST,
        "refused: `sorryAx` is not a permitted axiom; the named theorems must be there",
        "refused: only the three standard axioms; each target declaration must be there",
        {
            "sorry": ("sorry", FALSE + " sorry"),
            "sorry in a lemma": (
                "sorry",
                "theorem aux (a b : Nat) : a + b = a := sorry\n" + FALSE + "\n  exact aux a b",
            ),
            "sorry in a lemma that is not used": (
                "sorry",
                "theorem aux : 1 = 2 := sorry\n" + HONEST,
            ),
            "admit": ("sorry", FALSE + "\n  admit"),
            "stop": ("sorry", FALSE + "\n  stop\n  rfl"),
            "sorryAx by name": ("sorry", FALSE + "\n  exact sorryAx _ false"),
            "lcProof by name": ("failed", FALSE + "\n  exact lcProof"),
            "an empty file": ("failed", ""),
            "another theorem": ("failed", "theorem s : 1 = 1 := rfl"),
            "the theorem in a comment": ("failed", "/- " + HONEST + " -/"),
            "an example": ("failed", "example (a b : Nat) : a + b = b + a := Nat.add_comm a b"),
            "a sorry inside a term": ("sorry", FALSE + "\n  exact (show a + b = a from sorry)"),
            "a sorry as a default value": (
                "sorry",
                "theorem aux (a b : Nat) (h : a + b = a := sorry) : a + b = a := h\n"
                + FALSE
                + "\n  exact aux a b",
            ),
            "a proof that uses itself": ("failed", FALSE + "\n  exact t a b"),
            "only half of an induction": (
                "failed",
                COMM + "\n  induction a with\n  | zero => simp",
            ),
        },
    ),
    "another statement": Family(
        HONEST.replace("(a b : Nat)", "(x y : Nat)").replace("a + b = b + a", "x + y = y + x"),
        "refused: it must be the same statement as in the challenge",
        "refused: name, kind and type must agree with the target",
        {
            "a weaker statement": ("failed", "theorem t : True := by\n  trivial"),
            "one more hypothesis": (
                "failed",
                "theorem t (a b : Nat) (h : a + b = a) : a + b = a := by\n  exact h",
            ),
            "a hypothesis that is never true": (
                "failed",
                "theorem t (a b : Nat) (h : False) : a + b = a := by\n  exact h.elim",
            ),
            "other types": ("failed", "theorem t (a b : Prop) : (a ∧ b) = (a ∧ b) := by\n  rfl"),
            "the theorem as a definition of data": ("failed", "def t (a b : Nat) : Nat := a\n"),
            "the given statement as a hypothesis": (
                "failed",
                "theorem t (h : ∀ a b : Nat, a + b = a) (a b : Nat) : a + b = a := h a b",
            ),
            "a type that shadows Nat": (
                "failed",
                "theorem t {Nat : Type} [Add Nat] (a b : Nat) (h : a + b = a) : a + b = a := h",
            ),
            "an operator as a variable": (
                "failed",
                "theorem t (a b : Nat) [HAdd Nat Nat Nat] (h : a + b = a) : a + b = a := h",
            ),
            "numbers of another type": ("failed", "theorem t (a b : Unit) : a = a := rfl"),
            "a let that binds the variables anew": (
                "failed",
                "theorem t (a b : Nat) : (let b := 0; a + b) = a := rfl",
            ),
            "one variable where there were two": (
                "failed",
                "theorem t (a : Nat) : a + 0 = a := rfl",
            ),
            "an implication to the statement": (
                "failed",
                "theorem t (a b : Nat) : False → a + b = a := fun h => h.elim",
            ),
            "the statement with its sides exchanged": (
                "failed",
                "theorem t (a b : Nat) : a = a + b := by\n  rfl",
            ),
            "a statement with a hole": ("failed", "theorem t (a b : Nat) : _ := by\n  trivial"),
            "a statement by tactic": (
                "failed",
                "theorem t (a b : Nat) : (by exact True) := by\n  trivial",
            ),
            "the theorem stated twice": (
                "failed",
                "theorem t : True := trivial\n" + FALSE + "\n  trivial",
            ),
            "the given name in where": (
                "failed",
                "theorem s : True := t\nwhere t : True := trivial",
            ),
        },
    ),
    "local meaning": Family(
        "theorem aux (a b : Nat) : a + b = b + a := Nat.add_comm a b\n\n"
        + COMM
        + "\n  exact aux a b\n",
        "the declarations that a statement uses are compared, so a changed meaning is refused; "
        "the text is not restricted",
        "the type is compared, so a changed meaning is refused; the text is not restricted",
        {
            "the name in a namespace of its own": ("failed", "namespace X\n" + HONEST + "end X"),
            "the statement shadowed by a variable": (
                "failed",
                "variable (h : False)\ntheorem t (a b : Nat) : a + b = a := by exact h.elim",
            ),
            "a local instance of addition": (
                "failed",
                "local instance : Add Nat := ⟨fun a _ => a⟩\n" + FALSE + "\n  rfl",
            ),
            "a definition that takes the place of equality": (
                "failed",
                "def Eq (a b : Nat) : Prop := True\n" + FALSE + "\n  trivial",
            ),
            "a definition in the library's namespace": (
                "failed",
                "def Nat.gcd (a b : Nat) : Nat := 0\n" + FALSE + "\n  rfl",
            ),
            "notation for a false equality": (
                "forbidden",
                'notation a " = " b => True\n' + FALSE + "\n  trivial",
            ),
            "infix notation": (
                "forbidden",
                'local infixl:65 " + " => fun a b => a\n' + FALSE + "\n  rfl",
            ),
            "a macro for the statement's terms": (
                "forbidden",
                "macro_rules | `($a = $b) => `(True)\n" + FALSE + "\n  trivial",
            ),
            "a macro tactic": (
                "forbidden",
                'macro "win" : tactic => `(tactic| sorry)\n' + FALSE + "\n  win",
            ),
            "syntax": ("forbidden", 'syntax "win" : tactic\n' + HONEST),
            "an elaborator": ("forbidden", 'elab "win" : tactic => pure ()\n' + HONEST),
            "auto-bound names taken by a definition": (
                "failed",
                "def n : Nat := 0\ntheorem t : n + n = n := rfl",
            ),
            "scoped notation": ("forbidden", 'scoped notation "zero" => 1\n' + HONEST),
            "notation3": ("failed", 'notation3 "zero" => 1\n' + HONEST),
            "a prefix": ("forbidden", 'prefix:max "~" => Nat.succ\n' + HONEST),
            "a macro over rw": ("forbidden", 'macro "rw" : tactic => `(tactic| rfl)\n' + HONEST),
            "an elaborator's rule": (
                "forbidden",
                "elab_rules : tactic | `(tactic| rfl) => pure ()\n" + HONEST,
            ),
            "a unification hint": (
                "failed",
                "unif_hint (a b : Nat) where a ≟ b ⊢ a ≟ b\n" + HONEST,
            ),
            "an instance of high priority": (
                "failed",
                "instance (priority := 10000) : HAdd Nat Nat Nat := ⟨fun a _ => a⟩\n"
                + FALSE
                + "\n  rfl",
            ),
            "an instance as a definition": (
                "failed",
                "def odd : HAdd Nat Nat Nat := ⟨fun a _ => a⟩\n" + FALSE + "\n  rfl",
            ),
            "an instance as a local fact": (
                "failed",
                FALSE + "\n  have : HAdd Nat Nat Nat := ⟨fun a _ => a⟩\n  rfl",
            ),
            "an alias": ("failed", "alias Nat.add_zero := Nat.add_comm\n" + HONEST),
            "an exported name": ("forbidden", "export Nat (add_comm)\n" + HONEST),
            "a library theorem stated anew": (
                "failed",
                "theorem Nat.add_comm (a b : Nat) : a + b = a := sorry\n" + HONEST,
            ),
            "a library type stated anew": (
                "forbidden",
                "inductive Nat where | zero\n" + FALSE + "\n  rfl",
            ),
        },
    ),
    "new ground": Family(
        "def twice (n : Nat) : Nat := n + n\n\n" + HONEST,
        "axioms outside the list are refused, every declaration is checked by the kernel "
        "again; words like `extern`: not stated",
        "axioms outside the list, `partial` and `unsafe` are refused, every declaration is "
        "checked by the kernel again; `implemented_by` and `extern`: not checked, says its README",
        {
            "an axiom": (
                "forbidden",
                "axiom cheat (a b : Nat) : a + b = a\n" + FALSE + "\n  exact cheat a b",
            ),
            "an axiom behind a doc comment": (
                "forbidden",
                "/-- fine -/ axiom cheat : False\n" + FALSE + "\n  exact cheat.elim",
            ),
            "an opaque constant": ("forbidden", "opaque cheat : 1 = 2\n" + HONEST),
            "a constant as in Lean 3": ("failed", "constant cheat : False\n" + HONEST),
            "an unsafe definition": ("forbidden", "unsafe def cheat : False := cheat\n" + HONEST),
            "a partial definition": (
                "forbidden",
                "partial def cheat (n : Nat) : n = 0 := cheat n\n" + HONEST,
            ),
            "extern": (
                "forbidden",
                '@[extern "lean_nat_add"] def cheat (a b : Nat) : Nat := a\n' + HONEST,
            ),
            "implemented_by": (
                "forbidden",
                "@[implemented_by Nat.add] def cheat (a b : Nat) : Nat := a\n" + HONEST,
            ),
            "attribute on a library theorem": (
                "forbidden",
                "attribute [-simp] Nat.add_zero\n" + HONEST,
            ),
            "a simp attribute": ("forbidden", "@[simp] theorem aux : 1 = 1 := rfl\n" + HONEST),
            "an inductive type": ("forbidden", "inductive Bad where | mk : Bad\n" + HONEST),
            "deriving": ("forbidden", "structure S where\n  x : Nat\nderiving Repr\n" + HONEST),
            "native_decide": (
                "forbidden",
                "theorem t (a b : Nat) : a + b = a := by\n  native_decide",
            ),
            "an attribute for the compiler": (
                "forbidden",
                "@[csimp] theorem aux : @Nat.add = @Nat.add := rfl\n" + HONEST,
            ),
            "export": (
                "forbidden",
                "@[export lean_nat_add] def cheat (a b : Nat) : Nat := a\n" + HONEST,
            ),
            "a structure": ("forbidden", "structure S where\n  x : False\n" + HONEST),
            "a class": ("forbidden", "class C (p : Prop) where\n  proof : p\n" + HONEST),
            "mutual definitions": (
                "forbidden",
                "mutual\ndef f (n : Nat) : Nat := n\nend\n" + HONEST,
            ),
            "a definition that calls itself for ever": (
                "failed",
                "def f (n : Nat) : False := f n\n" + FALSE + "\n  exact (f a).elim",
            ),
            "a theorem that calls itself for ever": (
                "failed",
                "theorem aux (n : Nat) : False := aux (n + 1)\n" + FALSE + "\n  exact (aux a).elim",
            ),
            "ofReduceBool": ("failed", FALSE + "\n  exact Lean.ofReduceBool _ _ rfl"),
            "trustCompiler": ("failed", FALSE + "\n  exact Lean.trustCompiler.elim"),
            "a parser's axiom in a proof": (
                "forbidden",
                COMM + "\n  have h : Lean.calc = Lean.calc := rfl\n  exact Nat.add_comm a b",
            ),
            "a parser's axiom in a lemma": (
                "forbidden",
                "theorem aux : Lean.calc = Lean.calc := rfl\n"
                "theorem aux2 (a b : Nat) : Lean.calc = Lean.calc → a + b = b + a := fun _ => "
                "Nat.add_comm a b\n" + COMM + "\n  exact aux2 a b aux",
            ),
            "a false decision": ("failed", "theorem t (a b : Nat) : a + b = a := by\n  decide"),
            "a false decision by the kernel": (
                "failed",
                "theorem aux : 1 + 1 = 3 := by\n  decide +kernel\n" + HONEST,
            ),
        },
    ),
    "checks and code": Family(
        COMM + "\n  have h : a + b = b + a := Nat.add_comm a b\n  exact h\n",
        "built in a sandbox (landrun), then checked by the kernel again; object files are not "
        "loaded",
        "checked by the kernel again (`Environment.replay`); a sandbox: not stated",
        {
            "set_option": ("forbidden", "set_option debug.skipKernelTC true in\n" + HONEST),
            "set_option in a tactic block": (
                "forbidden",
                COMM + "\n  set_option maxHeartbeats 0 in\n  rw [Nat.add_comm]",
            ),
            "#exit before the theorem": ("forbidden", "#exit\n" + HONEST),
            "#eval": ("forbidden", "#eval 1\n" + HONEST),
            "run_cmd": ("failed", "run_cmd pure ()\n" + HONEST),
            "run_tac": ("forbidden", COMM + "\n  run_tac pure ()"),
            "initialize": ("forbidden", "initialize pure ()\n" + HONEST),
            "by_elab": ("failed", "theorem t (a b : Nat) : a + b = a := by_elab default"),
            "include_str": ("failed", 'def s := include_str "/etc/passwd"\n' + HONEST),
            "another import": ("forbidden", "import Lean\n" + HONEST),
            "an import after the header": ("forbidden", HEADER + "import Evil\n" + HONEST),
            "a recursion limit of its own": (
                "forbidden",
                "set_option maxRecDepth 1000000\n" + HONEST,
            ),
            "#reduce": ("forbidden", "#reduce 10 ^ 10\n" + HONEST),
            "#print axioms": ("forbidden", HONEST + "#print axioms t\n"),
            "run_elab": ("failed", "run_elab pure ()\n" + HONEST),
            "builtin_initialize": ("forbidden", "builtin_initialize pure ()\n" + HONEST),
            "include_bytes": ("failed", 'def s := include_bytes "/etc/passwd"\n' + HONEST),
            "an attribute at run time": (
                "forbidden",
                "attribute [local instance] Classical.propDecidable\n" + HONEST,
            ),
            "a simproc": (
                "failed",
                "simproc cheat (_ + _) := fun _ => pure .continue\n" + HONEST,
            ),
            "end of the file by a foreign end": ("failed", "end\n" + HONEST),
        },
    ),
    "two readings": Family(
        "/- a proof /- nested -/ -/\n/-- doc: sorry -/\n" + HONEST + "-- sorry",
        "not stated (works on compiled declarations, not on text)",
        "not stated (works on object files, not on text)",
        {
            "a comment that is never closed": ("failed", HONEST + "/- "),
            "a doc comment opened as a closed one": (
                "forbidden",
                "/--/ axiom cheat : False -/ axiom more : False\n" + HONEST,
            ),
            "an operator that looks like a comment": (
                "forbidden",
                "theorem aux : 4 //- 2 = 2 := by axiom -/ rfl\n" + HONEST,
            ),
            "a quotation": ("forbidden", "def q := `(axiom cheat : False)\n" + HONEST),
            "a word after a number": ("forbidden", "def n := 0b1axiom cheat : False\n" + HONEST),
            "a quoted name": (
                "failed",
                "theorem «t» (a b : Nat) : a + b = a := by rfl\n" + HONEST,
            ),
            "a right-to-left override": (
                "forbidden",
                "theorem t (a b : Nat) : a + b = \u202ea := by rfl",
            ),
            "a zero-width space": ("forbidden", "ax\u200biom cheat : False\n" + HONEST),
            "a no-break space": ("forbidden", HONEST.replace(" ", "\u00a0")),
            "a null character": ("forbidden", HONEST + "\0"),
            "half a surrogate pair": ("forbidden", HONEST + "\ud800"),
            "a Cyrillic look-alike": (
                "failed",
                "theorem t (а b : Nat) : а + b = b + а := by\n  rw [Nat.add_comm]",
            ),
            "a byte order mark": ("forbidden", "\ufeff" + HONEST),
            "a soft hyphen": ("forbidden", "theorem t\u00ad (a b : Nat) : a + b = a := by rfl"),
            "a letter of full width": (
                "failed",
                "theorem ｔ (a b : Nat) : a + b = b + a := Nat.add_comm a b",
            ),
            "a left-to-right mark": (
                "forbidden",
                "theorem t\u200e (a b : Nat) : a + b = a := by rfl",
            ),
            "a line separator": ("forbidden", "-- note\u2028axiom cheat : False\n" + HONEST),
            "a vertical tab": ("forbidden", "-- note\x0baxiom cheat : False\n" + HONEST),
            "a carriage return alone": ("forbidden", "-- note\raxiom cheat : False\n" + HONEST),
            "a tag character": ("forbidden", "theorem t\U000e0061 : True := trivial"),
            "an interpolated string": ("failed", 'def s := s!"{1}"\n' + HONEST),
            "a comment closed too often": ("failed", "/- a -/ -/\n" + HONEST),
            "a comment that swallows the theorem": ("failed", "/- note -- -/ /- " + HONEST + "-/"),
            "a module comment left open": ("failed", "/-! note\n" + HONEST),
        },
    ),
    "what a screen of text would not see": Family(
        "/- / an open comment -/\n/---/\n" + HONEST,
        "not stated (works on compiled declarations, not on text)",
        "not stated (works on object files, not on text)",
        {
            "an axiom behind a comment that is closed": (
                "forbidden",
                "/-/-/ axiom cheat (a b : Nat) : a + b = a\n-- -/ -/\n"
                + FALSE
                + "\n  exact cheat a b",
            ),
            "an axiom behind a superscript": (
                "forbidden",
                "def f {G : Type} [Inv G] (a : G) : G := a⁻¹axiom cheat : False\n" + HONEST,
            ),
            "an attribute behind a superscript": (
                "forbidden",
                "def f {G : Type} [Inv G] (a : G) : G := a⁻¹attribute [-simp] Nat.add_zero\n"
                + HONEST,
            ),
            "an axiom named like a listed one": (
                "forbidden",
                "axiom «Classical.choice» : False\n" + FALSE + "\n  exact «Classical.choice».elim",
            ),
            "a lemma named like the judge's": (
                "forbidden",
                "theorem fdPristine.x : 1 = 1 := rfl\n" + HONEST,
            ),
            "a namespace round a decoy": (
                "failed",
                "def t : Nat := 0\nnamespace X\n" + FALSE + "\n  trivial\nend X",
            ),
            "a decoy in a namespace": (
                "failed",
                "def t : Nat := 0\nnamespace X\ntheorem t : True := trivial\nend X",
            ),
            "the kernel's check turned off": (
                "forbidden",
                "/-/-/ set_option debug.skipKernelTC true\n-- -/ -/\n"
                + FALSE
                + "\n  decide +kernel",
            ),
        },
    ),
    "extensions": Family(
        "def d : Lean.ParserDescr := .const decl_name%\n" + HONEST,
        "object files are not loaded",
        "object files are replayed; extensions: not stated",
        {
            "a parser of the file's own": (
                "forbidden",
                "def d : Lean.ParserDescr := .const decl_name%\nattribute [command_parser 2000] d\n"
                + HONEST,
            ),
            "a parser as an attribute of its definition": (
                "forbidden",
                "@[command_parser] def d : Lean.ParserDescr := .const decl_name%\n" + HONEST,
            ),
            "native code by an axiom": (
                "forbidden",
                '@[extern "l_IO_FS_readFile"] axiom read (path : String) : String\n' + HONEST,
            ),
            "a namespace entered from inside": (
                "forbidden",
                "with_weak_namespace List def mine : Nat := 0\n" + HONEST,
            ),
            "a command that recalls": ("forbidden", "recall Nat.add_comm\n" + HONEST),
            "a rule for grind": ("forbidden", "init_grind_norm |\n" + HONEST),
            "native decide as an option": ("forbidden", FALSE + "\n  decide +native"),
            "a tactic that stands behind a blank": (
                "forbidden",
                COMM + "\n  simp\nset_option maxHeartbeats 0\n  <;> run_tac pure ()\n",
            ),
            "an attribute on a local function": (
                "forbidden",
                COMM + "\n  let rec @[implemented_by Nat.add] f (n : Nat) : Nat := n\n  simp",
            ),
        },
    ),
    "size": Family(
        COMM + "\n  exact " + "(" * 50 + "Nat.add_comm a b" + ")" * 50,
        "not stated",
        "not stated",
        {
            "a file of a megabyte": ("forbidden", HONEST + "-" * 1_000_000),
            "ten thousand brackets": (
                "failed",
                COMM + "\n  exact " + "(" * 10_000 + "rfl" + ")" * 10_000,
            ),
            "a term ten thousand deep": (
                "failed",
                COMM + "\n  exact " + "Nat.succ (" * 3_000 + "0" + ")" * 3_000,
            ),
            "two thousand lemmas and no proof": (
                "failed",
                "".join(f"theorem a{i} : 1 = 1 := rfl\n" for i in range(1000)) + FALSE + "\n  rfl",
            ),
            "a number of thirty thousand digits": ("failed", COMM + "\n  exact " + "9" * 30_000),
            "a power that no memory holds": (
                "failed",
                "theorem t (a b : Nat) : a + b = a := by\n  have h : 2 ^ (2 ^ 40) = 0 := by "
                "decide\n  simp at h",
            ),
            "a message that doubles at each line": (
                "failed",
                "theorem t (a b : Nat) : a + b = a := by\n  have p0 : Nat × Nat := (a, b)\n"
                + "".join(f"  let p{i + 1} := (p{i}, p{i})\n" for i in range(12))
                + "  simp\n",
            ),
        },
    ),
    "scopes and instances": Family(
        "namespace A\nscoped instance : Inhabited Nat := ⟨1⟩\n"
        "theorem _root_.t (x y : Nat) : x + y = y + x := open Nat in Nat.add_comm x y\nend A\n",
        "refused: it must be the same statement as in the challenge",
        "refused: name, kind and type must agree with the target",
        {
            "a local instance of high priority": (
                "failed",
                "local instance (priority := 100000) bad : HAdd Nat Nat Nat := ⟨fun a _ => a⟩\n"
                + FALSE
                + " rfl",
            ),
            "a scoped instance": (
                "failed",
                "namespace Z\nscoped instance : HAdd Nat Nat Nat := ⟨fun a _ => a⟩\nend Z\nopen Z\n"
                + FALSE
                + " rfl",
            ),
            "an instance as a variable": (
                "failed",
                "variable [HAdd Nat Nat Nat] (h : ∀ a b : Nat, a + b = a)\ninclude h\n"
                + FALSE
                + " exact h a b",
            ),
            "a hypothesis that is included": (
                "failed",
                "variable (h : ∀ a b : Nat, a + b = a)\ninclude h\n" + FALSE + " exact h a b",
            ),
            "a type of the same name": (
                "failed",
                "set_option autoImplicit true\nvariable {Nat : Type} [Add Nat]\n"
                "variable (h : ∀ a b : Nat, a + b = a)\ninclude h\n" + FALSE + " exact h a b",
            ),
            "an open that renames": (
                "failed",
                "namespace M\ndef add (a b : Nat) : Nat := a\nend M\n"
                "open M renaming add → Nat.add\n" + FALSE + " rfl",
            ),
            "the name in another namespace that is open": (
                "failed",
                "namespace B\n" + HONEST + "end B\nopen B\n",
            ),
            "a private name, forged": (
                "failed",
                "theorem _private._stdin.«0».t (a b : Nat) : a + b = b + a := Nat.add_comm a b\n",
            ),
            "a cycle by where": (
                "failed",
                FALSE.removesuffix(" by")
                + " aux a b\nwhere aux (a b : Nat) : a + b = a := aux a b",
            ),
            "a cycle by let rec": (
                "failed",
                FALSE + "\n  let rec aux (a b : Nat) : a + b = a := aux a b\n  exact aux a b",
            ),
            "a measure that is not proved": (
                "failed",
                FALSE.removesuffix(" by") + " t a b\ntermination_by a\ndecreasing_by sorry",
            ),
            "a cycle by partial_fixpoint": (
                "failed",
                "theorem t (a b : Nat) : a + b = a := t a b\npartial_fixpoint\n",
            ),
            "a decision by sorry": (
                "sorry",
                "instance : Decidable (∀ a b : Nat, a + b = a) := .isTrue sorry\n"
                "theorem aux : ∀ a b : Nat, a + b = a := by decide\n" + FALSE + " exact aux a b",
            ),
            "elaboration errors as sorry": (
                "forbidden",
                "set_option debug.byAsSorry true\n" + FALSE + " foo",
            ),
            "the kernel turned off inside a term": (
                "forbidden",
                FALSE.removesuffix("by")
                + "set_option debug.skipKernelTC true in by decide +kernel",
            ),
            "no hygiene": ("forbidden", "set_option tactic.hygienic false\n" + FALSE + " rfl"),
            "an invisible letter in the name": (
                "forbidden",
                HONEST.replace("theorem t", "theorem t\u200b"),
            ),
        },
    ),
    "the judge's names": Family(
        "theorem accept : 1 = 1 := rfl\n" + HONEST,
        "not stated",
        "not stated",
        {
            "the judge's name for the statement": (
                "forbidden",
                "theorem fdPristine : False := sorry\n" + HONEST,
            ),
            "the judge's theorem": ("forbidden", "theorem fdAccept : 1 = 1 := rfl\n" + HONEST),
        },
    ),
}


def table() -> str:
    """The families as Markdown, as lean_project/VERIFIER.md holds them."""
    lines = ["| family | attacks | verdicts | comparator | SafeVerify |", "| --- " * 5 + "|"]
    for name, family in FAMILIES.items():
        counts = Counter(verdict for verdict, _ in family.attacks.values())
        verdicts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
        cells = (name, len(family.attacks), verdicts, family.comparator, family.safeverify)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)

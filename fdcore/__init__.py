"""fdcore: Feedback Distillation for Lean 4 theorem proving, in a handful of one-idea files.

Formulas: `distillation`, `grpo`. World: `toolchain`, `verifier`, `tools`, `problems`. Loop: `episodes`, `training`.
"""

"""Lean: the toolchain, the library, the judge and its sandbox."""

"""Runs: making, reading, planning, publishing."""

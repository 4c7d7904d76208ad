"""The problems, and the tiny world's student."""

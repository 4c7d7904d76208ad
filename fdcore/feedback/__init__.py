"""Who writes feedback on an attempt."""

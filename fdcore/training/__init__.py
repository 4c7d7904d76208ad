"""The losses, the teacher and the training loop."""

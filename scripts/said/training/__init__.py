"""The training loop and, one module each, what is trained on it."""

"""What becomes of a network after the passes, one module a way to run it."""

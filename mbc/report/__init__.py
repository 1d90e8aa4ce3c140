"""Cost tables."""

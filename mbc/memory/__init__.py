"""The memory model: lifetimes of buffers, bounds, and their allocation in one arena."""

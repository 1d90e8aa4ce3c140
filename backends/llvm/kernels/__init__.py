"""Kernels: one module per family, from a node and its buffers to LLVM IR and packed weights."""

"""Networks for CPUs: the LLVM backend's kernels, called by TVM."""

"""The LLVM backend: CPU code without a runtime."""

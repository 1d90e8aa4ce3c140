"""The TVM backend: our kernels in modules for TVM's runtime, on CPUs (`cpu`) and GPUs (`gpu`).

TVM is an extra. Nothing here imports it when it is itself imported: `require.tvm()` does, on the
first use, and says what is missing.
"""

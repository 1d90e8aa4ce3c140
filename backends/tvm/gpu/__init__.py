"""Kernels for GPUs: what each node becomes, on CUDA and OpenCL devices, as TVM's tensor IR.

Kernels are written with their threads, tiles and shared memory explicit, so nothing is left to a
scheduler; TVM simplifies them and makes the source for the device.
"""

"""Kernels of nodes for CUDA and OpenCL devices, in TVM's tensor IR.

Threads, tiles and shared memory are explicit in kernels, so they need no scheduler; TVM simplifies
them and generates the source for the device.
"""

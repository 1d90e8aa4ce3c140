"""E062x: GPUs that a network is run on."""

from __future__ import annotations

from mbc.codes.code import Code

CODES = {
    "E0620": Code(
        title="no OpenCL device",
        cause="`mbc run --target opencl` runs the network on a device of this machine. The OpenCL "
        "loader has found no driver (ICD), or none with a device.",
        example="mbc run net.py --target opencl",
        cure="Install the OpenCL driver of your GPU. With Debian's package pocl-opencl-icd the CPU "
        "poses as a device, which shows that the kernels are right, not how fast they are.",
    ),
    "E0621": Code(
        title="the OpenCL device cannot run the network",
        cause="The device's driver has refused to compile the kernels, or to give memory for the "
        "weights and values of the network. The message repeats what it said.",
        example="mbc run net.py -D resolution=4096 --target opencl",
        cure="Use a smaller resolution or width, or another device. If the driver refuses to "
        "compile, please report the network and the device.",
    ),
    "E0622": Code(
        title="no CUDA device",
        cause="`mbc run --target cuda` runs the network on an NVIDIA GPU of this machine. There is "
        "no driver (libcuda.so.1), or it finds no GPU.",
        example="mbc run net.py --target cuda",
        cure="Install NVIDIA's driver and look at what `nvidia-smi` says. To compile for a GPU "
        "elsewhere no driver is needed: `mbc compile --target cuda`.",
    ),
    "E0623": Code(
        title="the CUDA driver fails",
        cause="The driver has refused to load the kernels, to give memory, or to run them. The "
        "message names its function and repeats what it said. Machine code for one architecture "
        "does not load on a GPU of another.",
        example="mbc run net.py --target cuda --arch sm_90  # on a GPU that is older",
        cure="Give the GPU's own `--arch`. If that is right, please report the network and GPU.",
    ),
}

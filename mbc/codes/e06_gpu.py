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
}

"""E063x: devices behind TVM's RPC."""

from __future__ import annotations

from mbc.codes.code import Code

CODES = {
    "E0630": Code(
        title="no RPC tracker",
        cause="`mbc bench --rpc` asks a tracker of TVM's RPC for a device. Nothing listens at "
        "that address, it cannot be reached from here, or what listens is not a tracker: an "
        "rpc_server, say, which has a port of its own.",
        example="mbc bench net.py --backend tvm --rpc 192.168.0.10:9190",
        cure="Start `python -m tvm.exec.rpc_tracker` there, open its port in the firewall, or "
        "correct the address. The tracker needs the Python package tornado.",
    ),
    "E0631": Code(
        title="no such device",
        cause="No device has registered with the RPC tracker under the key that `--key` gives. "
        "Or there is no `--key`, and the tracker has several, or none.",
        example="mbc bench net.py --backend tvm --rpc 127.0.0.1:9190 --key rasberry",
        cure="The message lists the keys that there are. On the board, "
        "`python -m tvm.exec.rpc_server --tracker HOST:PORT --key KEY` registers it.",
    ),
    "E0632": Code(
        title="all devices are busy",
        cause="The RPC tracker has lent all devices of that key to others, and none has come back "
        "within `--timeout` seconds.",
        example="mbc bench net.py --backend tvm --rpc 127.0.0.1:9190 --key rpi4 --timeout 10",
        cure="Wait longer. `python -m tvm.exec.query_rpc_tracker` shows who waits for what; a "
        "session that never ends holds a device until its rpc_server is restarted.",
    ),
    "E0633": Code(
        title="a device refuses the network",
        cause="TVM on the device has reported an error; the message repeats its last line. A "
        "`NET.so` for another architecture does not load there, and TVM says of that only that it "
        "cannot open the file.",
        example="mbc bench net.py --backend tvm --rpc 127.0.0.1:9190 --key rpi4",
        cure="Name the CPU of the board by `--target`, and `--mcpu` if need be. The board's TVM "
        "must be of the release that the extra `tvm` pins.",
    ),
    "E0634": Code(
        title="a device is gone",
        cause="The connection to the device could not be made, or ended halfway, or the device was "
        "not done within `--timeout` seconds. Code for a CPU with more instructions than the board "
        "has kills the process that runs it, and TVM's server in Python with it.",
        example="mbc bench net.py --backend tvm --rpc 127.0.0.1:9190 --key old --target x86_64-v4",
        cure="Look whether the board and its rpc_server are alive, and start it again. Name the "
        "board's CPU by `--target` and `--mcpu`. Give slow boards a longer `--timeout`, or fewer "
        "`--rounds`.",
    ),
    "E0635": Code(
        title="a device gives another answer",
        cause="Before `mbc bench --rpc` times the network it compares what the device computes "
        "with the plain evaluation of the network here. The difference is larger than "
        "rounding explains.",
        example="mbc bench net.py --backend tvm --rpc 127.0.0.1:9190 --key overclocked",
        cure="Look for NaN or huge values in the weights, and try another device. If it is not the "
        "device, please report the network.",
    ),
}

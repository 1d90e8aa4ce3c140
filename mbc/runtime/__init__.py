"""Running compiled networks: the C ABI, the stand-alone main program, in-process execution."""

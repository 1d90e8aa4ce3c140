"""Running what was compiled: the C ABI, the stand-alone main program, in-process execution."""

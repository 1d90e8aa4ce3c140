"""Other inference engines, for comparison: each runs an ONNX model in fp32, at its best settings,
on a given number of threads."""

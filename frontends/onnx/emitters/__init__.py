"""Emitters of ONNX nodes, by kind of op; the table of all is in ../ops.py."""

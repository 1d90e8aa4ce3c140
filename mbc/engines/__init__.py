"""Other engines, to compare with: each runs an ONNX model at its best on so many threads, fp32."""

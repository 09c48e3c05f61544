"""Networks as other programs have them: C, ONNX, safetensors; and in from other libraries."""

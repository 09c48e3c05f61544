"""What writes a network for others: C99, ONNX, safetensors. What reads theirs is in `exchange`."""

"""The training loop, its options, history and checkpoints: knows what it trains by a protocol alone."""

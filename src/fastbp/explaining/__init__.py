"""What a network has learnt, and how: every term of a gradient, and what goes wrong in a training.

No number is computed here a second time: `numbers.py` asks the kernels.
"""

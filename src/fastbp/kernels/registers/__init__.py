"""Registers of numbers, and what can be done with them: with `compiling` the only room with LLVM in it.

It knows no network.
"""

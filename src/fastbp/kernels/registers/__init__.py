"""Registers of numbers, and what can be done with them: knows no network. With `compiling` the only room with LLVM in it."""

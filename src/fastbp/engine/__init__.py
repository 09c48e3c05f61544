"""The only room that calls kernels: work spaces, threads, and the gate for every array.

It knows no `Network`.
"""

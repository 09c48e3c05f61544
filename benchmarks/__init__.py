"""Benchmarks: `compare.py` against other libraries, `bench_*.py` from commit to commit (asv)."""

"""Compare fastbp with plain loops, NumPy by hand, scikit-learn, PyTorch, JAX, FANN and neat-python on the same work.

    python benchmarks/compare.py --help

asv imports every file of this folder, so the comparison starts only when this one is run.
"""

if __name__ == "__main__":
    from comparison.main import main

    main()

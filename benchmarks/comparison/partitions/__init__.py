"""Samples in partitions, beside libraries that have them too: PyTorch's DistributedDataParallel, and dask-ml.

- `work.py`: what is trained, in how many partitions, and the error of a result, by NumPy;
- `own.py`: fastbp on arrays, on partitions of files, and on a cluster;
- `ddp.py`, `rank.py`: PyTorch in two processes, as seen from outside and from within one of them;
- `incremental.py`: dask-ml;
- `worker.py`: the process that all of them take their turns in, or are started from.
"""

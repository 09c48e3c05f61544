"""What a user calls: training and gradients on a cluster."""

from typing import Any

from fastbp import checks
from fastbp.checks import Array
from fastbp.dask.blocks import OfDask
from fastbp.dask.cluster import OnCluster
from fastbp.data.partitions import Partitions
from fastbp.network import Network
from fastbp.training.history import History


def fit(
    client: Any,
    net: Network,
    partitions: Partitions,
    *,
    partitions_per_step: int | None = None,
    partitions_per_task: int | None = None,
    keep: bool = True,
    **options: Any,
) -> History:
    """Train a network on a cluster of Dask's (needs ``fastbp[distributed]``).

    Each step, the parameters go to the workers, and sums of errors and gradients of partitions come back; they are
    added up in the order of `Network.gradient`. So the bits are those of ``net.fit(partitions, batch_size=None)`` here,
    for any number of workers, and whatever becomes of them.

    Parameters
    ----------
    client : distributed.Client
    net : Network
        It is trained, here.
    partitions : Partitions
        Of `fastbp.data`, from files or functions: workers load them.
    partitions_per_step : int or None
        Partitions in a step: large batches, taken in an order of its own in each epoch; None: all of them.
    partitions_per_task : int or None
        Partitions in a task, a power of 2; None: each worker has about four tasks in a step, or for large batches a
        partition is a task. A task costs some 10 ms beside its arithmetic.
    keep : bool
        Whether workers keep the partitions in memory that they have loaded; False: they are read again in each step.
    **options
        Of `Network.fit`, but for `batch_size`.

    Returns
    -------
    History
        As of `Network.fit`.

    Raises
    ------
    ValueError, TypeError
        As of `Network.fit`; for a partition that a worker could not read, or that is not as it should be: the message
        names it, and a checkpoint goes on after the repair.

    Examples
    --------
    >>> from distributed import Client  # doctest: +SKIP
    >>> data = fastbp.data.parquet("/shared/big/*.parquet", targets="y")  # doctest: +SKIP
    >>> fastbp.dask.fit(Client("scheduler:8786"), net, data, solver="rprop", epochs=50)  # doctest: +SKIP
    """
    if "batch_size" in options:
        raise TypeError("batch_size must be left out on a cluster, where partitions_per_step says what a step takes")
    data = _on_cluster(client, partitions, partitions_per_step, partitions_per_task, keep)
    return net.fit(data, batch_size=None, **options)


def gradient(
    client: Any, net: Network, partitions: Partitions, *, partitions_per_task: int | None = None
) -> tuple[float, Array]:
    """Compute the error and its derivatives by all parameters on a cluster.

    Parameters
    ----------
    client : distributed.Client
    net : Network
    partitions : Partitions
        See `fit`.
    partitions_per_task : int or None
        See `fit`.

    Returns
    -------
    E : float
        What ``net.gradient(partitions)`` returns, to the bit.
    grad : array (n_params,)
        Derivatives dE/dparams.
    """
    return net.gradient(_on_cluster(client, partitions, None, partitions_per_task, False))


def _on_cluster(client: Any, partitions: Any, per_step: Any, per_task: Any, keep: Any) -> OnCluster:
    """The partitions, checked, as the cluster sums them."""
    if not hasattr(client, "submit") or not hasattr(client, "nthreads"):
        raise TypeError(f"client must be a distributed.Client; got {checks.described(client)}")
    if not isinstance(partitions, Partitions):
        raise TypeError(f"partitions must come from fastbp.data; got {checks.described(partitions)}")
    if partitions.is_endless:
        raise ValueError("partitions must be there to be read by any worker; a stream gives them once")
    if per_step is not None:
        per_step = checks.integer(per_step, "partitions_per_step", minimum=1, maximum=len(partitions))
    if per_task is not None:
        per_task = checks.integer(per_task, "partitions_per_task", minimum=1)
        if per_task & (per_task - 1):
            raise ValueError(f"partitions_per_task must be a power of 2; got {per_task}")
    if isinstance(partitions, OfDask):
        partitions = partitions.for_workers()
    return OnCluster(client, partitions, per_step, per_task, keep=checks.flag(keep, "keep"))

"""From the start of a process to the end of an import, and to that of a first epoch.

    python -m comparison.first_epoch MODULE PEER BEGAN

BEGAN is the time.monotonic() at which the process was started: one clock for all processes. PEER is a name of
`PEERS`, or - for the import alone. Prints the seconds, and the parameters after an unshuffled epoch of W1.
"""

import sys
import time
from importlib import import_module


def _first_epoch(name):
    """The parameters after it."""
    from .peers import PEERS
    from .peers.base import Orders
    from .workloads import WORKLOADS, random_data, start_parameters

    workload = WORKLOADS["W1"]
    peer = PEERS[name](workload, *random_data(workload, "float32"))
    peer.load(start_parameters(workload, "float32"))
    peer.train(Orders.as_given(workload.n_samples))
    return peer.parameters().flat()


def main(module, name, began):
    import_module(module)
    times = {"import": time.monotonic() - float(began)}
    params = []
    if name != "-":
        params = _first_epoch(name).tolist()
        times["first epoch"] = time.monotonic() - float(began)

    import json  # not before: what a library imports is part of its time

    print(json.dumps({"seconds": times, "parameters": params}))


if __name__ == "__main__":
    main(*sys.argv[1:])

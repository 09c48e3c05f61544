"""Speed-up over the width of the layers, as a table and as a picture."""

from ..measure import EPOCH, measure
from ..tables import ARITHMETIC, Outcome, compared
from ..workloads import wide

WIDTHS = (2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
PEERS = ("fastbp", "sklearn", "torch", "torch-compiled", "jax")


def run(setup, done):
    """An epoch of networks of every width."""
    peers, dtypes = setup.only(*PEERS), [setup.dtype]
    rows = []
    for width in WIDTHS:
        (row,) = measure(setup, EPOCH, wide(width), dtypes=dtypes, peers=peers)
        absent = {name: problem for name, problem in setup.problems.items() if name in PEERS}
        rows.append(row._replace(title=str(width), absent=absent, details={"width": width}))
    if setup.plot and len(peers) > 1:
        from ..plot import draw

        draw(rows, setup.plot)
    shape = wide(1).shape.replace("-1-1-", "-w-w-")
    title = f"One epoch of {shape} over the width w, {wide(1).n_samples} samples in batches of {wide(1).batch_size}"
    return Outcome("width", rows, compared(title, rows, "ms", 1e-3, ARITHMETIC))

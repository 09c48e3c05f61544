"""Gradients of all samples, on a number of threads that was fixed before the libraries were imported.

    python -m comparison.gradient_worker N_THREADS 0,1 float32 fastbp,jax

The cores that may be used come second. Waits for a line on its input before each round; answers the first
one with the deviations of the peers and a digest of fastbp's gradient, the others with times and peak.
"""

import hashlib
import json
import sys

from .threads import pin


def _answers(n_threads, dtype, names):
    from .ceilings import FmaPeak
    from .peers import PEERS
    from .timing import Turns, call_timer, make_peers, validate_call
    from .workloads import GRADIENT

    made = make_peers({name: PEERS[name] for name in names}, GRADIENT, dtype)
    deviations = validate_call(made, lambda peer: peer.gradient_parameters().flat(), GRADIENT, dtype)
    bits = made["fastbp"].gradient().tobytes()
    yield {"deviations": deviations, "digest": hashlib.sha256(bits).hexdigest()}
    fma_peak = FmaPeak(dtype, n_threads)
    timers = {name: call_timer(peer.gradient) for name, peer in made.items()}
    # The peak right after fastbp, of which it is the bound: the clock moves within a round of some seconds.
    turns = Turns({"fastbp": timers.pop("fastbp"), "peak": fma_peak.seconds} | timers)
    while True:
        seconds = turns.round()
        yield {"peak": fma_peak.flops / seconds.pop("peak") / 1e9, "seconds": seconds}


def main(n_threads, cores, dtype, names):
    pin(int(n_threads), [int(core) for core in cores.split(",")])
    answers = _answers(int(n_threads), dtype, names.split(","))
    for _ in sys.stdin:
        print(json.dumps(next(answers)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

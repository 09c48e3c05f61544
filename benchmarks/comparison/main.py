"""The command line of the comparison."""

import argparse

from .threads import pin
from .workloads import WORKLOADS

PEER_NAMES = ("naive", "numpy", "sklearn", "torch", "jax", "fastbp")


def main(arguments=None):
    """Pin the process first, import the libraries then, compare, and report."""
    options = _parser().parse_args(arguments)
    cores = pin(options.threads)

    from .machine import FmaPeak, describe
    from .measure import Comparison
    from .report import Report

    comparison = Comparison(options.peers, options.dtype, options.repeats, options.threads)
    peaks = {dtype: FmaPeak(dtype).gflops() for dtype in ("float32", "float64")}
    report = Report(options.peers, describe(cores, peaks), options.dtype)
    for name in options.workloads:
        report.add(comparison.training(WORKLOADS[name]))
    if not options.training_only:
        report.add(comparison.on_line())
        report.add(comparison.one_sample())
    report.print()
    if options.markdown:
        options.markdown.write(report.markdown())
    if options.json:
        options.json.write(report.json())


def _names(known):
    def parse(text):
        names = text.split(",")
        unknown = set(names) - set(known)
        if unknown:
            raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: known are {', '.join(known)}")
        return names

    return parse


def _parser():
    parser = argparse.ArgumentParser(description="Time fastbp and other libraries on the same work.")
    parser.add_argument("--workloads", type=_names(WORKLOADS), default=list(WORKLOADS), metavar="W1,W5")
    parser.add_argument("--peers", type=_names(PEER_NAMES), default=list(PEER_NAMES), metavar="numpy,jax,fastbp")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument("--repeats", type=int, default=7, help="rounds; each peer has one turn in each")
    parser.add_argument("--threads", type=int, default=1, help="cores to pin to, threads of each library")
    parser.add_argument("--training-only", action="store_true", help="neither on-line learning nor one sample")
    parser.add_argument("--markdown", type=argparse.FileType("w"), metavar="FILE", help="write the tables")
    parser.add_argument("--json", type=argparse.FileType("w"), metavar="FILE", help="write every single time")
    return parser

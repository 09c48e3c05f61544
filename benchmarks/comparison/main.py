"""The command line of the comparison."""

import argparse

from .instructions import KNOWN, play
from .threads import allowed_cores, pin


def main(arguments=None):
    """Pin the process first, import the libraries then, measure, and report."""
    first = _early_parser()
    early = first.parse_known_args(arguments)[0]
    play(early.instructions)
    allowed = allowed_cores()
    cores = pin(early.threads, allowed)

    from .ceilings import FmaPeak, copy_bandwidth
    from .machine import describe
    from .report import Report
    from .sections import SECTIONS

    parser = _parser(first, list(SECTIONS))
    options = parser.parse_args(arguments)
    if options.plot and "width" not in options.sections:
        parser.error("--plot draws what the section width measures")
    peaks = {dtype: FmaPeak(dtype).gflops() for dtype in ("float32", "float64")}
    bandwidth = copy_bandwidth()
    setup = _setup(options, allowed, bandwidth)
    report = Report(describe(cores, peaks, bandwidth))
    for name in SECTIONS:
        if name in options.sections:
            report.add(SECTIONS[name](setup, report.outcomes))
    report.print()
    if options.markdown:
        options.markdown.write(report.markdown())
    if options.json:
        options.json.write(report.json())


def _setup(options, allowed, bandwidth):
    from .measure import Setup
    from .peers import PEERS

    asked = [name for name in PEERS if name == "fastbp" or name in options.peers]
    problems = {name: PEERS[name].problem() for name in asked}
    return Setup(
        peers={name: PEERS[name] for name, problem in problems.items() if problem is None},
        problems={name: problem for name, problem in problems.items() if problem is not None},
        naive="naive" in options.peers,
        dtypes=options.dtypes,
        repeats=options.repeats,
        n_threads=options.threads,
        workloads=options.workloads,
        cores=allowed,
        bandwidth=bandwidth,
        large=options.large,
        plot=options.plot,
    )


def _early_parser():
    """The options that have to be known before any library is imported."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--threads", type=int, default=1, help="cores to pin to, threads of each library (1)")
    parser.add_argument(
        "--instructions",
        choices=KNOWN,
        default="all",
        help="avx2: hide AVX-512 from all libraries (all)",
    )
    return parser


def _parser(early_parser, sections):
    from .tables import LABELS
    from .workloads import WORKLOADS

    parser = argparse.ArgumentParser(
        prog="compare.py", description="Time fastbp and other libraries on the same work.", parents=[early_parser]
    )
    _add_names(parser, "--sections", sections, "what to measure")
    _add_names(parser, "--workloads", list(WORKLOADS), "which networks to train")
    _add_names(parser, "--peers", list(LABELS), "what to compare fastbp with")
    _add_names(parser, "--dtypes", ["float32", "float64"], "some sections take the first one only")
    parser.add_argument("--repeats", type=int, default=5, help="rounds; each peer has one turn in each (5)")
    parser.add_argument("--large", action="store_true", help="growth: 10,000,000 samples in a temporary file as well")
    parser.add_argument("--plot", metavar="FILE.svg", help="width: draw the speed-up")
    file = argparse.FileType("w", encoding="utf-8")
    parser.add_argument("--markdown", type=file, metavar="FILE", help="write the tables")
    parser.add_argument("--json", type=file, metavar="FILE", help="write every single time")
    return parser


def _add_names(parser, option, known, help_text):
    """An option that takes some of the `known` names, all by default."""

    def parse(text):
        names = text.split(",")
        unknown = set(names) - set(known)
        if unknown:
            raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: known are {', '.join(known)}")
        return names

    parser.add_argument(
        option, type=parse, default=known, metavar="NAMES", help=f"{help_text}: {', '.join(known)} (all)"
    )

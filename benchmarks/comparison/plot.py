"""The speed-up over the width of the layers, as an SVG picture: the same times give the same bytes."""

from itertools import pairwise

import numpy as np

from .tables import LABELS
from .workloads import wide

# Of one lightness, and apart for the colour-blind.
COLOURS = {"sklearn": "#117733", "torch": "#b5460f", "torch-compiled": "#882255", "jax": "#0060a8"}
INK, GRID, SHADE = "#333333", "#dddddd", "#f4f1ea"
LABEL_GAP = 1.3  # between two labels, as a factor: the axis is logarithmic
TEXT_LINE = 0.065  # height of a line of text below 1, as a share of what is above
TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
STYLE = {"svg.hashsalt": "fastbp", "font.size": 10} | dict.fromkeys(
    ("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), INK
)


def draw(rows, path):
    """Draw what `width` has measured: how many times as long as fastbp each peer takes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    widths = [row.details["width"] for row in rows]
    lines = {name: speed_ups(rows, name) for name in COLOURS if all(name in row.seconds for row in rows)}
    with pyplot.rc_context(STYLE):
        figure, axes = pyplot.subplots(figsize=(8, 5))
        found = sorted((width, name) for name, ratios in lines.items() for width in crossings(widths, ratios))
        _frame(axes, widths, lines, n_texts=max(1, len(found)))
        for name, ratios in lines.items():
            axes.plot(widths, ratios, "o-", color=COLOURS[name], markersize=3.5, linewidth=1.8, zorder=3)
        _name_lines(axes, widths, lines)
        _mark_crossings(axes, widths, found)
        _title(figure, rows[0].dtype)
        figure.savefig(path, format="svg", metadata={"Date": None})
        pyplot.close(figure)


def speed_ups(rows, name):
    """Median over the rounds of a peer's time over that of fastbp, for each row."""
    return np.array([np.median(row.seconds[name] / row.seconds["fastbp"]) for row in rows])


def crossings(widths, ratios):
    """Widths at which the ratio passes 1, either way; straight lines on logarithmic axes between the points."""
    points = list(zip(np.log(widths), np.log(ratios), strict=True))
    return [
        float(np.exp(x0 - y0 * (x1 - x0) / (y1 - y0)))
        for (x0, y0), (x1, y1) in pairwise(points)
        if (y0 > 0) != (y1 > 0)
    ]


def _frame(axes, widths, lines, n_texts):
    highest = 1.5 * max(ratios.max() for ratios in lines.values())
    lowest = min(0.85 * min(ratios.min() for ratios in lines.values()), highest ** -(TEXT_LINE * (n_texts + 1)))
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlim(widths[0] / 1.15, widths[-1] * 1.15)
    axes.set_ylim(lowest, highest)
    axes.set_xticks(widths, [f"{width:,}" for width in widths])
    ticks = [tick for tick in TICKS if lowest <= tick <= highest]
    axes.set_yticks(ticks, [f"{tick:g} \N{MULTIPLICATION SIGN}" for tick in ticks])
    axes.yaxis.tick_right()  # the peers' names stand on the left
    axes.minorticks_off()
    axes.tick_params(length=0)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.axhspan(lowest, 1, color=SHADE, zorder=0)
    axes.axhline(1, color=INK, linewidth=1.2)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("units in each hidden layer, w")
    _below_one(axes, widths[0] / 1.1, 0, "fastbp slower", ha="left")


def _below_one(axes, width, line, text, **style):
    """A line of text in the strip where fastbp is slower."""
    axes.annotate(text, (width, 1), xytext=(0, -5 - 14 * line), textcoords="offset points", va="top", **style)


def _name_lines(axes, widths, lines):
    """The peers' names beside their first points, moved apart where they would touch."""
    at = 0.0
    for name, ratios in sorted(lines.items(), key=lambda item: item[1][0]):
        at = max(ratios[0], at * LABEL_GAP)
        style = {"color": COLOURS[name], "ha": "right", "va": "center", "fontweight": "bold"}
        axes.annotate(LABELS[name], (widths[0], at), xytext=(-16, 0), textcoords="offset points", **style)


def _mark_crossings(axes, widths, found):
    """A ring where a line passes 1, its width beside; or, if none does, a sentence that says so."""
    if not found:
        _below_one(axes, widths[-1], 0, f"no crossover from w = {widths[0]:,} to {widths[-1]:,}", ha="right")
        return
    beside = max(found[0][0] / 1.15, np.sqrt(widths[0] * widths[-1]))  # left of the lines that run below 1
    for k, (width, name) in enumerate(found):
        axes.plot(width, 1, "o", markersize=8, markerfacecolor="white", markeredgecolor=COLOURS[name], zorder=4)
        text = f"as fast as {LABELS[name]} at w \N{ALMOST EQUAL TO} {float(f'{width:.2g}'):,.0f}"
        _below_one(axes, beside, k, text, ha="right", color=COLOURS[name])


def _title(figure, dtype):
    workload = wide(1)
    network = f"{workload.sizes[0]}-w-w-{workload.sizes[-1]}, {workload.activation}, Adam, {dtype}"
    samples = f"{workload.n_samples:,} samples in batches of {workload.batch_size}"
    figure.subplots_adjust(left=0.21, right=0.92, top=0.85, bottom=0.11)
    figure.text(0.02, 0.94, "An epoch takes others this many times as long as fastbp", fontsize=13, fontweight="bold")
    figure.text(0.02, 0.89, f"{network}; {samples}; medians of rounds taken in turns", fontsize=9.5)

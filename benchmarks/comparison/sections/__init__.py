"""What can be measured, by the names of the command line; in this order, which `done` depends on.

A section is a function (setup, done) -> Outcome; `done` holds the outcomes of the sections before it.
"""

from . import (
    gradient,
    growth,
    inside_njit,
    irregular,
    large_layer,
    partitions,
    populations,
    running,
    second_order,
    start_up,
    training,
    width,
)

SECTIONS = {
    "training": training.training,
    "roofline": training.roofline,
    "on-line": training.on_line,
    "batch": training.batch,
    "one-sample": running.one_sample,
    "inside-njit": inside_njit.run,
    "inference": running.inference,
    "gradient": gradient.run,
    "irregular": irregular.run,
    "large-layer": large_layer.run,
    "populations": populations.run,
    "partitions": partitions.run,
    "start-up": start_up.run,
    "growth": growth.run,
    "width": width.run,
    "second-order": second_order.run,
}

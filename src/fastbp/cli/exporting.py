"""The command export: a model in another format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fastbp.cli.options import complete_file, output_file

if TYPE_CHECKING:
    from fastbp.network import Network

SUFFIXES = {"c": ".c", "onnx": ".onnx", "safetensors": ".safetensors"}


@click.command()
@click.argument("model", shell_complete=complete_file)
@click.option("--to", "file_format", type=click.Choice(sorted(SUFFIXES)), required=True, help="Format to write.")
@click.option("--name", default="net", show_default=True, help="What to call the function in C.")
@click.option("--bits", type=click.Choice(["8", "16"]), help="C in whole numbers of so many bits: no columns.")
@click.option(
    "--x-max",
    type=float,
    help="With --bits: how large the network's inputs may be.  [default: as in the training of a table; 1.0]",
)
@click.option("--network", type=click.IntRange(min=1), help="Of several networks this one, from 1, not their mean.")
@output_file("--out", help="File to write.  [default: MODEL's name with the format's suffix, in this folder]")
def export(
    model: str,
    file_format: str,
    name: str,
    bits: str | None,
    x_max: float | None,
    network: int | None,
    out: Path | None,
) -> None:
    """Write MODEL, a file of train or of Network.save, as C, ONNX or safetensors.

    C and ONNX of a model that train wrote take the raw columns of its table. safetensors has the network alone. Several
    networks become one that computes their mean, but for more than two classes.
    """
    from fastbp.cli.outputs import check_default
    from fastbp.exporting.c_export import to_c
    from fastbp.exporting.columns import table_of
    from fastbp.exporting.onnx_export import to_onnx
    from fastbp.exporting.safetensors import save_network
    from fastbp.population.files import load_networks
    from fastbp.population.merging import averaged

    target = out or Path(Path(model).with_suffix(SUFFIXES[file_format]).name)
    if out is None:
        check_default(target)
    if target.exists() and Path(model).exists() and target.samefile(model):
        raise click.UsageError(f"{str(target)!r} is read: writing to it would destroy it")
    if file_format != "c" and (bits or x_max is not None):
        raise click.UsageError("--bits and --x-max are for --to c")
    try:
        nets, extra = load_networks(model)
        net = averaged(nets) if network is None else _picked(nets, network)
        bound = None
        if file_format == "c" and (bits or x_max is not None):
            table = table_of(extra, net.n_inputs, net.n_outputs)
            x_max = table.largest if table is not None and x_max is None else x_max
            bound = net.to_c(target, name=name, bits=int(bits) if bits else None, x_max=x_max)
        elif file_format == "c":
            to_c(net, target, name=name, extra=extra)
        elif file_format == "onnx":
            to_onnx(net, target, extra=extra)
        else:
            save_network(net, target)
    except (ValueError, ImportError) as error:
        raise click.UsageError(str(error)) from error
    click.echo(f"{target}: {target.stat().st_size:,} bytes")
    if bound is not None and table is not None:
        click.echo("Its inputs are the network's own, what columns become once they are standardised, not raw columns.")
    if bound is not None:
        click.echo(f"Outputs are off by no more than {bound:.2e}, for inputs up to {x_max or 1.0:g} in size.")


def _picked(nets: list[Network], number: int) -> Network:
    """Return one of a model's networks, counted from 1."""
    if number > len(nets):
        raise ValueError(f"--network must be at most {len(nets)}, the number of networks; got {number}")
    return nets[number - 1]

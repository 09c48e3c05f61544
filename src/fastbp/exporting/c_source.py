"""A network as one file of C99: constant tables, loops in the index form of the derivation, a self-test.

`z` has the outputs of all units, inputs first and outputs last, as the kernels number them. A table w_s_t has the
weights from layer s into layer t, w_s_t[i][j] = w_ji: what unit i sends to unit j, so that the inner loop runs along
neighbours, which is what compilers turn into vector instructions.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fastbp.checks import Array
from fastbp.exporting.c_functions import CONSTANTS, FUNCTIONS, SLOPES, functions_text
from fastbp.exporting.c_tables import integer_type, table
from fastbp.exporting.layers import Block, Layer, Links, check_exportable, layers_of

if TYPE_CHECKING:
    from fastbp.model.computing import ComputingNetwork

AT_A_TIME = 8  # inputs in one pass over the sums of a layer: fewer passes, and shorter chains of additions

NEED_A = frozenset({"elu", "softplus", "softsign", "gelu", "silu", "sin", "gaussian"})


@dataclass(frozen=True, eq=False)
class CNetwork:
    """A network that is written as C, and the name of its functions there."""

    net: "ComputingNetwork"
    name: str
    layers: list[Layer]

    @classmethod
    def of(cls, net: "ComputingNetwork", name: str) -> "CNetwork":
        """Checked: finite, and of functions that C has."""
        check_exportable(net, "C", FUNCTIONS)
        return cls(net, name, layers_of(net))

    @property
    def has_gradient(self) -> bool:
        """Whether every function has a derivative."""
        return all(layer.function in SLOPES or layer.function in ("identity", "softmax") for layer in self.layers)

    @property
    def keeps_a(self) -> bool:
        """Whether a derivative is computed from a, which is overwritten by z otherwise."""
        return self.has_gradient and any(layer.function in NEED_A for layer in self.layers)

    @property
    def tables(self) -> list[tuple[str, Array]]:
        """(what C calls it, numbers) of every table of weights and biases, in the order of the file."""
        found: list[tuple[str, Array]] = []
        for layer in self.layers:
            blocks = [(weights_name(block, layer), block.weights.T) for block in layer.blocks]
            links = [] if layer.links is None else [(f"v_{layer.number}", layer.links.weights)]
            biases = [] if layer.biases is None else [(f"b_{layer.number}", layer.biases)]
            found += [*blocks, *links, *biases]
        return found


def weights_name(block: Block, layer: Layer) -> str:
    """What C calls the weights of a block."""
    return f"w_{block.source}_{layer.number}"


def file_text(c: CNetwork) -> str:
    """All but the raw columns and the self-test."""
    net = c.net
    functions = list(dict.fromkeys(f"h_{layer.function}" for layer in c.layers if layer.function != "identity"))
    slopes = list(dict.fromkeys(f"slope_{layer.function}" for layer in c.layers if layer.function in SLOPES))
    pieces = functions + (slopes if c.has_gradient else [])
    sizes = {
        "N_INPUTS": net.n_inputs, "N_OUTPUTS": net.n_outputs, "N_UNITS": net.n_units,
        "FIRST_OUTPUT": net.topology.first_output, "WIDEST": max(layer.n_units for layer in c.layers),
    }  # fmt: skip
    enum = f"enum {{ {', '.join(f'{key} = {value}' for key, value in sizes.items())} }};\n"
    text = [CONSTANTS[net.dtype.name], enum, tables_text(c), functions_text(pieces, net.dtype), forward_text(c)]
    return "\n".join([*text, gradient_text(c)] if c.has_gradient else text)


def tables_text(c: CNetwork) -> str:
    """Weights and biases, and where the links of each layer come from."""
    text = []
    for name, numbers in c.tables:
        dimensions = "".join(f"[{n}]" for n in numbers.shape)
        text.append(table(f"real {name}{dimensions}", numbers))
    for layer in c.layers:
        if layer.links is not None:
            text += [links_table(f"from_{layer.number}", layer.links.sources)]
            text += [links_table(f"start_{layer.number}", layer.links.starts)]
    return "\n".join(text)


def links_table(name: str, numbers: Array) -> str:
    """Where links come from, or begin."""
    return table(f"{integer_type(int(numbers.max()))} {name}[{len(numbers)}]", numbers)


# ---------------------------------------------------------------------------- forward


def forward_text(c: CNetwork) -> str:
    """The forward pass of one sample, and the function that is called from outside."""
    kept = "real *a, " if c.keeps_a else ""
    body = "\n".join(_layer_text(layer, c.keeps_a) for layer in c.layers)
    return f"""\
/* Forward pass: z of every unit{"; a too, where a derivative needs it, unless it is NULL" if c.keeps_a else ""}. */
static void forward(const real *x, {kept}real *z)
{{
    int {_variables(body, "ije")};

    for (i = 0; i < N_INPUTS; ++i)
        z[i] = x[i];
{body}}}

void {c.name}(const real *x, real *y)
{{
    real z[N_UNITS];
    int k;

    forward(x, {"NULL, " if c.keeps_a else ""}z);
    for (k = 0; k < N_OUTPUTS; ++k)
        y[k] = z[FIRST_OUTPUT + k];
}}
"""


def _variables(body: str, names: str) -> str:
    """Those of the loop variables that occur; i always does."""
    return ", ".join(name for name in names if name == "i" or f"{name} = " in body or f"({name} = " in body)


def _layer_text(layer: Layer, keeps_a: bool) -> str:
    n, first, l = layer.n_units, layer.first_unit, layer.number
    text = f"\n    /* layer {l}: units {first} to {first + n - 1}, {layer.function} */\n    for (j = 0; j < {n}; ++j)\n"
    text += f"        z[{first} + j] = {'R(0.0)' if layer.biases is None else f'b_{l}[j]'};\n"
    text += "".join(_block_text(block, layer) for block in layer.blocks)
    if layer.links is not None:
        text += (
            f"    for (j = 0; j < {n}; ++j)\n"
            f"        for (e = start_{l}[j]; e < start_{l}[j + 1]; ++e)\n"
            f"            z[{first} + j] += v_{l}[e] * z[from_{l}[e]]; /* (5.48)  a_j += w_ji z_i */\n"
        )
    if keeps_a and layer.function in NEED_A:
        text += f"    if (a)\n        memcpy(a + {first}, z + {first}, {n} * sizeof *z);\n"
    if layer.function != "identity":
        text += f"    h_{layer.function}({n}, z + {first}); /* (5.49)  z_j = h(a_j) */\n"
    return text


def _block_text(block: Block, layer: Layer) -> str:
    """a_j += sum_i w_ji z_i of a block: eight inputs at a time, then what is left."""
    n_in = block.weights.shape[1]
    whole, text = n_in - n_in % AT_A_TIME, ""
    if whole:
        text += f"    for (i = 0; i < {whole}; i += {AT_A_TIME}) {{\n"
        text += _products(block, layer, ["i"] + [f"i + {k}" for k in range(1, AT_A_TIME)])
    if n_in > whole:
        text += "    {\n" + _products(block, layer, [str(i) for i in range(whole, n_in)])
    return text


def _products(block: Block, layer: Layer, indices: list[str]) -> str:
    """z[j] += w[i][j] * z[i] + ... for some i; z[i] in variables of their own, which no z[j] can be."""
    weights, first = weights_name(block, layer), block.first_source
    taken = ", ".join(f"z_{k} = z[{f'{first} + ' if first else ''}{i}]" for k, i in enumerate(indices))
    terms = [f"{weights}[{i}][j] * z_{k}" for k, i in enumerate(indices)]
    pairs = [" + ".join(terms[k : k + 2]) for k in range(0, len(terms), 2)]
    return (
        f"        const real {taken};\n"
        f"        for (j = 0; j < {layer.n_units}; ++j) /* (5.48)  a_j += sum_i w_ji z_i */\n"
        f"            z[{layer.first_unit} + j] += " + "\n                + ".join(pairs) + ";\n    }\n"
    )


# ---------------------------------------------------------------------------- backward


def gradient_text(c: CNetwork) -> str:
    """The derivatives of sum_k v_k y_k by the inputs."""
    body = "\n".join(_backward_text(layer) for layer in reversed(c.layers))
    arrays = "a[N_UNITS], z[N_UNITS]" if c.keeps_a else "z[N_UNITS]"
    mean = "    real mean = R(0.0);\n" if "mean" in body else ""
    return f"""\
void {c.name}_input_gradient(const real *x, const real *v, real *dx)
{{
    real {arrays}, delta[N_UNITS];
{mean}    int {_variables(body, "ije")};

    forward(x, {"a, " if c.keeps_a else ""}z);
    for (i = 0; i < N_UNITS; ++i)
        delta[i] = i < FIRST_OUTPUT ? R(0.0) : v[i - FIRST_OUTPUT];
{body}
    for (i = 0; i < N_INPUTS; ++i)
        dx[i] = delta[i];
}}
"""


def _backward_text(layer: Layer) -> str:
    """delta of a layer, complete but for h', and what it adds to that of the layers before."""
    n, first, l = layer.n_units, layer.first_unit, layer.number
    text = f"\n    /* layer {l} */\n"
    if layer.function == "softmax":
        text += (
            f"    for (j = 0; j < {n}; ++j)\n        mean += delta[{first} + j] * z[{first} + j];\n"
            f"    for (j = 0; j < {n}; ++j) /* (5.76)  dy_m/da_k = y_m ([m = k] - y_k) */\n"
            f"        delta[{first} + j] = z[{first} + j] * (delta[{first} + j] - mean);\n"
        )
    elif layer.function != "identity":
        kept = f"a + {first}" if layer.function in NEED_A else "NULL"
        text += f"    slope_{layer.function}({n}, {kept}, z + {first}, delta + {first}); /* h'(a_j) of (5.56) */\n"
    for block in layer.blocks:
        n_out, n_in = block.weights.shape
        equation = "(5.73)  J_ki = sum_j w_ji dy_k/da_j" if block.source == 0 else "(5.56)  sum_k w_kj delta_k"
        text += (
            f"    for (i = 0; i < {n_in}; ++i)\n        for (j = 0; j < {n_out}; ++j) /* {equation} */\n"
            f"            delta[{block.first_source} + i] += {weights_name(block, layer)}[i][j] * delta[{first} + j];\n"
        )
    return text + (_links_backward_text(layer, layer.links) if layer.links is not None else "")


def _links_backward_text(layer: Layer, links: Links) -> str:
    l = layer.number
    return (
        f"    for (j = 0; j < {layer.n_units}; ++j)\n        for (e = start_{l}[j]; e < start_{l}[j + 1]; ++e)\n"
        f"            delta[from_{l}[e]] += v_{l}[e] * delta[{layer.first_unit} + j]; /* (5.56) */\n"
    )


def table_arrays(c: CNetwork) -> list[Array]:
    """What the checksum is of, number by number in the order of the file."""
    return [np.ascontiguousarray(numbers) for _name, numbers in c.tables]

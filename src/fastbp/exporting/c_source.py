"""A network as one file of C99: constant tables, loops in the index form of the derivation, a self-test.

`z` has the outputs of all units, inputs first and outputs last, as the kernels number them. A table w_s_t has the
weights from layer s into layer t, w_s_t[i][j] = w_ji: what unit i sends to unit j, so that the inner loop runs along
neighbours, which is what compilers turn into vector instructions.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from fastbp.checks import Array
from fastbp.exporting.c_functions import CONSTANTS, FUNCTIONS, INLINE, LANES, functions_text
from fastbp.exporting.c_slopes import SLOPES
from fastbp.exporting.c_tables import integer_type, table
from fastbp.exporting.layers import Block, Layer, Links, check_exportable, layers_of

if TYPE_CHECKING:
    from fastbp.model.computing import ComputingNetwork

AT_A_TIME = 8  # inputs in one pass over the sums of a layer: fewer passes, and shorter chains of additions

NEED_A = frozenset({"elu", "softplus", "softsign", "gelu", "silu", "selu", "mish", "sin", "gaussian"})


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
    def has_links(self) -> bool:
        """Whether single connections come from anywhere: then z has the inputs too; blocks take them from x."""
        return any(layer.links is not None for layer in self.layers)

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

    @property
    def places(self) -> list[tuple[str, Array]]:
        """(what C calls it, whole numbers) of where the links of each layer come from, and where they begin."""
        return places_of(self.layers)


def weights_name(block: Block, layer: Layer) -> str:
    """What C calls the weights of a block."""
    return f"w_{block.source}_{layer.number}"


def file_text(c: CNetwork) -> str:
    """All but the raw columns and the self-test."""
    net = c.net
    activated = [layer for layer in c.layers if layer.function != "identity"]
    calls = list(dict.fromkeys((f"h_{layer.function}", layer.n_units) for layer in activated))
    slopes = list(dict.fromkeys((f"slope_{layer.function}", 0) for layer in c.layers if layer.function in SLOPES))
    sizes = {
        "N_INPUTS": net.n_inputs, "N_OUTPUTS": net.n_outputs, "N_UNITS": net.n_units,
        "FIRST_OUTPUT": net.topology.first_output, "WIDEST": max(LANES, *(layer.n_units for layer in c.layers)),
    }  # fmt: skip
    enum = f"enum {{ {', '.join(f'{key} = {value}' for key, value in sizes.items())} }};\n"
    functions = functions_text(calls + (slopes if c.has_gradient else []), net.dtype)
    text = [CONSTANTS[net.dtype.name] + INLINE, enum, tables_text(c), functions, forward_text(c)]
    return "\n".join([*text, gradient_text(c)] if c.has_gradient else text)


def tables_text(c: CNetwork) -> str:
    """Weights and biases, and where the links of each layer come from."""
    text = []
    for name, numbers in c.tables:
        dimensions = "".join(f"[{n}]" for n in numbers.shape)
        text.append(table(f"real {name}{dimensions}", numbers))
    return "\n".join(text + [places_table(name, numbers) for name, numbers in c.places])


def places_of(layers: list[Layer]) -> list[tuple[str, Array]]:
    """(what C calls it, whole numbers) of where the links of layers come from, and where they begin."""
    return [
        (f"{what}_{layer.number}", numbers)
        for layer in layers
        if layer.links is not None
        for what, numbers in (("from", layer.links.sources), ("start", layer.links.starts))
    ]


def places_table(name: str, numbers: Array) -> str:
    """Where links come from, or begin."""
    return table(f"{integer_type(int(numbers.max()))} {name}[{len(numbers)}]", numbers)


# ---------------------------------------------------------------------------- forward


def forward_text(c: CNetwork) -> str:
    """The forward pass of one sample, and the function that is called from outside."""
    kept = "real *a, " if c.keeps_a else ""
    body = "".join(_layer_text(layer, c) for layer in c.layers)
    copied = "    for (i = 0; i < N_INPUTS; ++i)\n        z[i] = x[i];\n" if c.has_links else ""
    described = "; a too, where a derivative needs it, unless it is NULL" if c.keeps_a else ""
    unused = "" if "x[" in copied + body else "    (void)x;\n"
    return f"""\
/* Forward pass: z of every unit{described}. */
static void forward(const real *x, {kept}real *z)
{{
    int {_variables(copied + body, "ije")};

{copied}{unused}{body}}}

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
    """The declaration of those of the loop variables that occur: some do."""
    return ", ".join(name for name in names if f"({name} = " in body)


def _layer_text(layer: Layer, c: CNetwork) -> str:
    """A layer: its sums, begun with the biases, and h of them."""
    n, first, l = layer.n_units, layer.first_unit, layer.number
    text = f"\n    /* layer {l}: units {first} to {first + n - 1}, {layer.function} */\n"
    begin = "R(0.0)" if layer.biases is None else f"b_{l}[j]"  # 0 + -0 is 0, as the network has it
    for k, block in enumerate(layer.blocks):
        text += _block_text(block, layer, c, None if k else begin)
    if not layer.blocks:
        text += f"    for (j = 0; j < {n}; ++j)\n        z[{first} + j] = {begin};\n"
    if layer.links is not None:
        text += (
            f"    for (j = 0; j < {n}; ++j)\n"
            f"        for (e = start_{l}[j]; e < start_{l}[j + 1]; ++e)\n"
            f"            z[{first} + j] += v_{l}[e] * z[from_{l}[e]]; /* (5.48)  a_j += w_ji z_i */\n"
        )
    if c.keeps_a and layer.function in NEED_A:
        text += f"    if (a)\n        memcpy(a + {first}, z + {first}, {n} * sizeof *z);\n"
    if layer.function != "identity":
        text += f"    h_{layer.function}({n}, z + {first}); /* (5.49)  z_j = h(a_j) */\n"
    return text


def _block_text(block: Block, layer: Layer, c: CNetwork, begin: str | None) -> str:
    """a_j += sum_i w_ji z_i of a block: eight inputs at a time; `begin`: what sums begin with, if not as they are."""
    n_in, text, i = block.weights.shape[1], "", 0
    if begin is not None:
        i = min(AT_A_TIME, n_in)
        text += "    {\n" + _products(block, layer, c, [str(k) for k in range(i)], begin)
    whole = n_in - n_in % AT_A_TIME
    if whole > i:
        text += f"    for (i = {i}; i < {whole}; i += {AT_A_TIME}) {{\n"
        text += _products(block, layer, c, ["i"] + [f"i + {k}" for k in range(1, AT_A_TIME)])
    if n_in > max(whole, i):
        text += "    {\n" + _products(block, layer, c, [str(k) for k in range(max(whole, i), n_in)])
    return text


def _products(block: Block, layer: Layer, c: CNetwork, indices: list[str], begin: str | None = None) -> str:
    """z[j] += w[i][j] * z[i] + ... for some i; z[i] in variables of their own, which no z[j] can be.

    Units that do not fill a register of 16 bytes have a loop of their own: a cautious compiler (-O2) makes vector
    instructions of a loop only if they are all that is left of it.
    """
    weights, n, lanes = weights_name(block, layer), layer.n_units, 16 // c.net.dtype.itemsize
    source, first = ("x", 0) if block.source == 0 and not c.has_links else ("z", block.first_source)
    taken = ", ".join(f"z_{k} = {source}[{f'{first} + ' if first else ''}{i}]" for k, i in enumerate(indices))
    terms = [f"{weights}[{i}][j] * z_{k}" for k, i in enumerate(indices)]
    pairs = [" + ".join(terms[k : k + 2]) for k in range(0, len(terms), 2)]
    assigned = "+=" if begin is None else f"= {begin} +"
    text, bounds = f"        const real {taken};\n", [0, n - n % lanes, n] if n > lanes and n % lanes else [0, n]
    for start, stop in pairwise(bounds):
        text += (
            f"        for (j = {start}; j < {stop}; ++j) /* (5.48)  a_j += sum_i w_ji z_i */\n"
            f"            z[{layer.first_unit} + j] {assigned} " + "\n                + ".join(pairs) + ";\n"
        )
    return text + "    }\n"


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
{mean}    int {_variables(f"(i = {body}", "ije")};

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

"""What a unit's numbers are called in each of the three notations."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from fastbp.explaining.numbers import Numbers


@dataclass(frozen=True)
class Names:
    """Bishop's: a_j, z_j, w_ji from i to j, delta_j, h. Units are numbered from 0, inputs first."""

    numbers: "Numbers"

    input_letter: ClassVar[str] = "a"
    error: ClassVar[str] = "E_n"
    rate: ClassVar[str] = "eta"
    h: ClassVar[str] = "h"
    slope_letter: ClassVar[str] = "h'"
    title: ClassVar[str] = "bishop"
    sum_formula: ClassVar[str] = "(5.48) a_j = sum_i w_ji z_i + b_j"
    output_formula: ClassVar[str] = "(5.49) z_j = h(a_j)"
    delta_formula: ClassVar[str] = "(5.51) delta_j = dE_n/da_j"
    recursion_formula: ClassVar[str] = "(5.56) delta_j = h'(a_j) sum_k w_kj delta_k,  k: the units that j feeds"
    gradient_formulas: ClassVar[tuple[str, ...]] = ("(5.53) dE_n/dw_ji = delta_j z_i", "dE_n/db_j = delta_j")
    generic: ClassVar[tuple[str, ...]] = ("a_j", "z_j")  # a unit's input and output in the formula of h'
    gradient_head: ClassVar[tuple[str, ...]] = ("from -> to", "w_ji", "delta_j", "*", "z_i", "=", "dE_n/dw_ji")

    def unit(self, j: int) -> str:
        """Name of a unit."""
        return str(j)

    def a(self, j: int) -> str:
        """What goes into h."""
        return f"a_{j}"

    def z(self, j: int) -> str:
        """What comes out of h."""
        return f"z_{j}"

    def b(self, j: int) -> str:
        """The bias."""
        return f"b_{j}"

    def w(self, i: int, j: int) -> str:
        """The weight of the connection from i to j."""
        comma = "," if self.numbers.net.n_units > 10 else ""
        return f"w_{j}{comma}{i}"

    def delta(self, j: int) -> str:
        """dE_n/da_j."""
        return f"delta_{j}"

    def short_delta(self, j: int) -> str:
        """The same within a sum."""
        return f"d_{j}"

    def signal(self, j: int) -> str:
        """What the gradient takes from a unit, dE_n/da_j in every notation."""
        return self.delta(j)

    def slope(self, j: int) -> str:
        """The derivative of a unit's function."""
        return f"{self.slope_letter}({self.a(j)})"

    def y(self, j: int) -> str:
        """An output; its number is left out where there is but one."""
        return "y" if self.numbers.net.n_outputs == 1 else f"y_{self.unit(j)}"

    def t(self, j: int) -> str:
        """A target."""
        return "t" if self.numbers.net.n_outputs == 1 else f"t_{self.unit(j)}"

    def any_y(self, index: str) -> str:
        """An output within a sum over all."""
        return f"y_{index}"

    def any_t(self, index: str) -> str:
        """A target within a sum over all."""
        return f"t_{index}"


@dataclass(frozen=True)
class LayerNames(Names):
    """Of layers: z_l goes into the function of layer l, a_l comes out; elements by superscripts, from 0.

    Against Bishop's, a and z are swapped. W_l acts on the outputs of layer l, row j = what arrives at j.
    """

    input_letter: ClassVar[str] = "z"
    error: ClassVar[str] = "E"
    rate: ClassVar[str] = "m"
    h: ClassVar[str] = "sigma"
    slope_letter: ClassVar[str] = "sigma'"
    title: ClassVar[str] = "layers"
    sum_formula: ClassVar[str] = "z_l+1 = W_l a_l + b_l+1"
    output_formula: ClassVar[str] = "a_l = sigma(z_l)"
    delta_formula: ClassVar[str] = "dE/dz_l, a row: numerator layout"
    recursion_formula: ClassVar[str] = "dE/dz_l = (dE/dz_l+1) W_l diag(sigma'(z_l))"
    gradient_formulas: ClassVar[tuple[str, ...]] = (
        "dE/dW_l = (dE/dz_l+1)^T a_l^T, in the shape of W_l",
        "dE/db_l+1 = (dE/dz_l+1)^T",
    )
    generic: ClassVar[tuple[str, ...]] = ("z", "a")
    gradient_head: ClassVar[tuple[str, ...]] = ("from -> to", "W_l^jk", "dE/dz_l+1^j", "*", "a_l^k", "=", "dE/dW_l^jk")

    @cached_property
    def places(self) -> dict[int, tuple[int, int]]:
        """(layer, place in it) of each unit."""
        layers = enumerate(self.numbers.net.layer_units)
        return {int(unit): (layer, place) for layer, units in layers for place, unit in enumerate(units)}

    def _element(self, letter: str, j: int) -> str:
        layer, place = self.places[j]
        return f"{letter}_{layer}^{place}"

    def unit(self, j: int) -> str:
        """Layer and place of a unit."""
        layer, place = self.places[j]
        return f"{layer}^{place}"

    def a(self, j: int) -> str:
        """What goes into sigma."""
        return self._element("z", j)

    def z(self, j: int) -> str:
        """What comes out of sigma."""
        return self._element("a", j)

    def b(self, j: int) -> str:
        """The bias."""
        return self._element("b", j)

    def w(self, i: int, j: int) -> str:
        """An element of W; one that skips layers has the number of its second layer too."""
        (source, column), (target, row) = self.places[i], self.places[j]
        layers = f"{source}" if target == source + 1 else f"{source},{target}"
        comma = "," if max(self.numbers.net.sizes) > 10 else ""
        return f"W_{layers}^{row}{comma}{column}"

    def delta(self, j: int) -> str:
        """dE/dz."""
        return f"dE/d{self.a(j)}"

    def short_delta(self, j: int) -> str:
        """The same."""
        return self.delta(j)

    def y(self, j: int) -> str:
        """An output: the text's z_n, since it has no function there; here what comes out of the last one."""
        return self.z(j)

    def t(self, j: int) -> str:
        """A target: the text's y."""
        return f"y^{j - self.numbers.first_output}"

    def any_y(self, index: str) -> str:
        """One of the last layer's."""
        layer, _ = self.places[self.numbers.first_output]
        return f"a_{layer}^{index}"

    def any_t(self, index: str) -> str:
        """One of the text's y."""
        return f"y^{index}"


@dataclass(frozen=True)
class NeuronNames(Names):
    """Of neurons f_1, f_2 ... with inputs x_1, x_2 ...: r_j goes into g, w_A,B leads from A to B.

    Against Bishop's, the indices of w are swapped, and delta_j is what arrives, before g'.
    """

    input_letter: ClassVar[str] = "r"
    error: ClassVar[str] = "E"
    rate: ClassVar[str] = "h"
    h: ClassVar[str] = "g"
    slope_letter: ClassVar[str] = "g'"
    title: ClassVar[str] = "neurons"
    sum_formula: ClassVar[str] = "r_B = sum_A w_A,B g(r_A) + b_B"
    output_formula: ClassVar[str] = "f_B = g(r_B)"
    delta_formula: ClassVar[str] = "delta = dE/dy at the output"
    recursion_formula: ClassVar[str] = "delta_A = sum_B delta_B g'(r_B) w_A,B: what ARRIVES at A"
    gradient_formulas: ClassVar[tuple[str, ...]] = ("dE/dw_A,B = delta_B g'(r_B) g(r_A)", "dE/db_B = delta_B g'(r_B)")
    generic: ClassVar[tuple[str, ...]] = ("r_j", "g(r_j)")
    gradient_head: ClassVar[tuple[str, ...]] = (
        "from -> to",
        "w_A,B",
        "delta_B g'(r_B)",
        "*",
        "g(r_A)",
        "=",
        "dE/dw_A,B",
    )

    def number(self, j: int) -> str:
        """x1, x2 ... of the inputs; 1, 2 ... of the neurons."""
        n_inputs = self.numbers.net.n_inputs
        return f"x{j + 1}" if j < n_inputs else str(j - n_inputs + 1)

    def unit(self, j: int) -> str:
        """Name of a neuron, or of an input."""
        return f"x_{j + 1}" if j < self.numbers.net.n_inputs else f"f_{self.number(j)}"

    def a(self, j: int) -> str:
        """What goes into g."""
        return f"r_{self.number(j)}"

    def z(self, j: int) -> str:
        """x_i, or g(r_j)."""
        return self.unit(j) if j < self.numbers.net.n_inputs else f"g({self.a(j)})"

    def b(self, j: int) -> str:
        """The bias."""
        return f"b_{self.number(j)}"

    def w(self, i: int, j: int) -> str:
        """The weight from A to B."""
        return f"w_{self.number(i)},{self.number(j)}"

    def delta(self, j: int) -> str:
        """The error signal that arrives at a neuron; `delta` at the only output."""
        net = self.numbers.net
        return "delta" if net.n_outputs == 1 and j == net.n_units - 1 else f"delta_{self.number(j)}"

    def signal(self, j: int) -> str:
        """delta_B g'(r_B), but for a softmax, whose outputs depend on every r: they have no g' of their own."""
        if self.numbers.is_softmax and j >= self.numbers.first_output:
            return f"d{self.error}/d{self.a(j)}"
        return f"{self.delta(j)} {self.slope(j)}"

    def y(self, j: int) -> str:
        """An output."""
        return "y" if self.numbers.net.n_outputs == 1 else f"y_{self.number(j)}"

    def t(self, j: int) -> str:
        """A target."""
        return "t" if self.numbers.net.n_outputs == 1 else f"t_{self.number(j)}"


NOTATIONS: dict[str, type[Names]] = {"bishop": Names, "layers": LayerNames, "neurons": NeuronNames}

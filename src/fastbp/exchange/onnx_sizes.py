"""How large a file of ONNX becomes in memory, seen before it is parsed.

A node, a name or a shape takes some bytes in the file and a hundred times as many once it is an object; numbers take
what they take. So all that is no weight has to be small. Only the outlines of messages are read here, of those that
lead to weights: a key (the number of a field, and how it is written), then the field.
"""

from typing import Any

MOST_STRUCTURE = 1 << 22  # bytes besides the numbers of the weights
MOST_FIELDS = 200_000  # that are looked at
VARINT, EIGHT_BYTES, WITH_LENGTH, FOUR_BYTES = 0, 1, 2, 5  # how a field is written
MOST_SHIFT = 63

NUMBERS: dict[int, Any] = {}  # of a field that holds nothing else
TENSOR: dict[int, Any] = {4: NUMBERS, 9: NUMBERS, 10: NUMBERS}  # float_data, raw_data, double_data
NODE: dict[int, Any] = {5: {5: TENSOR}}  # attribute, its t
MODEL: dict[int, Any] = {7: {1: NODE, 5: TENSOR}}  # graph: node, initializer


def check_sizes(content: bytes) -> None:
    """Raise a ValueError for a file that is no such message, or has too much besides its weights."""
    structure = len(content) - _Outline(memoryview(content)).numbers(0, len(content), MODEL)
    if structure > MOST_STRUCTURE:
        raise ValueError(f"it may have {MOST_STRUCTURE:,} bytes besides its weights; it has {structure:,}")


class _Outline:
    def __init__(self, content: memoryview) -> None:
        self._content, self._n_fields = content, 0

    def numbers(self, at: int, stop: int, kinds: dict[int, Any]) -> int:
        """Bytes of numbers in a message; `kinds`: of its fields that have some."""
        total = 0
        while at < stop:
            self._n_fields += 1
            if self._n_fields > MOST_FIELDS:
                raise ValueError(f"at most {MOST_FIELDS:,} nodes, tensors and parts of them are read")
            key, at = self._varint(at, stop)
            start, at = self._field(key & 7, at, stop)
            inside = kinds.get(key >> 3)
            if inside is not None and key & 7 == WITH_LENGTH:
                total += at - start if inside is NUMBERS else self.numbers(start, at, inside)
        return total

    def _field(self, written: int, at: int, stop: int) -> tuple[int, int]:
        """Where what a field holds begins and ends."""
        length = 0
        if written == WITH_LENGTH:
            length, at = self._varint(at, stop)
        end = self._varint(at, stop)[1] if written == VARINT else at + length
        if written in (EIGHT_BYTES, FOUR_BYTES):
            end = at + (8 if written == EIGHT_BYTES else 4)
        elif written not in (VARINT, WITH_LENGTH):
            raise ValueError("not an ONNX model, or not whole")
        if end > stop:
            raise ValueError("not an ONNX model, or not whole")
        return at, end

    def _varint(self, at: int, stop: int) -> tuple[int, int]:
        """(a number that is written in 7 bits a byte, where the next one begins)."""
        value = shift = 0
        while at < stop and shift <= MOST_SHIFT:
            byte = self._content[at]
            value |= (byte & 127) << shift
            at, shift = at + 1, shift + 7
            if byte < 128:
                return value, at
        raise ValueError("not an ONNX model, or not whole")

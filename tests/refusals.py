"""How the tests of wrong input ask: an error of the right kind, with a message that names the argument."""

import re

import numpy as np
import pytest

WRONG = (ValueError, TypeError)


def refused(call, argument, *words, kind=WRONG):
    """Check that `call()` raises an error whose message has the argument's name and the words."""
    with pytest.raises(kind) as error:
        call()
    assert type(error.value) in (ValueError, TypeError)  # not a subclass that leaked from inside
    message = str(error.value)
    for word in (argument, *words):
        alone = rf"(?<!\w){re.escape(word)}(?!\w)"
        assert re.search(alone, message), f"{word!r} is not in {message!r}"


X = np.zeros((6, 3))
T = np.zeros((6, 2))


def with_value(array, value):
    array = array.copy()
    array[2, 1] = value
    return array

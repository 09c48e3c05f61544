"""Processes of their own, for what a process can do only once: import, choose a number of threads."""

import json
import os
import subprocess
import sys
from pathlib import Path

_SEARCH_PATH = str(Path(__file__).parents[1])


def _command(module, arguments, environment):
    path = os.pathsep.join(filter(None, [_SEARCH_PATH, os.environ.get("PYTHONPATH", "")]))
    return {
        "args": [sys.executable, "-m", f"comparison.{module}", *map(str, arguments)],
        "env": os.environ | environment | {"PYTHONPATH": path},
        "stdout": subprocess.PIPE,
        "text": True,
    }


def run(module, *arguments, **environment):
    """Run a module of this package, and return what it printed, read as JSON."""
    return json.loads(subprocess.run(**_command(module, arguments, environment), check=True).stdout)


class Worker:
    """A module of this package that answers each line of its input with a line of JSON."""

    def __init__(self, module, *arguments):
        self.process = subprocess.Popen(**_command(module, arguments, {}), stdin=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def ask(self, question=""):
        """The next answer; the worker sleeps until then."""
        self.tell(question)
        return self.answer()

    def tell(self, question):
        """Set it to work, and do not wait."""
        self.process.stdin.write(f"{question}\n")
        self.process.stdin.flush()

    def answer(self):
        """Wait for what it says to a question that it was told."""
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{' '.join(self.process.args)} ended with code {self.process.wait()}")
        return json.loads(answer)

"""`python -m fastbp`: the command line."""

from fastbp.cli import main

main()

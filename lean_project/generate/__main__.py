"""`python -m lean_project.generate problems` makes the problem sets, `… page` counts them."""

import argparse

from lean_project.generate.generate import generate
from lean_project.generate.page import PAGE, write_page

parser = argparse.ArgumentParser(prog="python -m lean_project.generate", description=__doc__)
parser.add_argument("target", choices=["problems", "page"])
parser.add_argument("--seed", type=int, default=0, help="of the problem sets")
arguments = parser.parse_args()
if arguments.target == "problems":
    print(generate(arguments.seed))
else:
    write_page()
    print(PAGE)

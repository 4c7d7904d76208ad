"""`python -m lean_project.generate problems` makes the problem sets, `… page` counts them.

`… student --out FOLDER` pretrains the tiny student there and measures it.
"""

import argparse
from pathlib import Path

from lean_project.generate.generate import generate
from lean_project.generate.measure import measure_student
from lean_project.generate.page import PAGE, write_page
from lean_project.generate.pretraining import pretrain, read_settings

parser = argparse.ArgumentParser(prog="python -m lean_project.generate", description=__doc__)
parser.add_argument("target", choices=["problems", "page", "student"])
parser.add_argument("--seed", type=int, default=0, help="of the problem sets")
parser.add_argument("--out", type=Path, default=Path("runs/student"), help="of the student")
arguments = parser.parse_args()
if arguments.target == "problems":
    print(generate(arguments.seed))
elif arguments.target == "page":
    write_page()
    print(PAGE)
else:
    settings = read_settings()
    student = pretrain(settings, arguments.out)
    print(measure_student(settings.profile, student, arguments.out / "verdicts"))

"""`coverage json -o - | python -m deploy.branches 95`: whether so many in a hundred branches were taken, of branches alone.

`coverage report --fail-under` counts statements with them, of which there are many more, and nearly all run.
"""

import json
import sys
from typing import Any


def verdict(totals: dict[str, Any], minimum: float) -> tuple[bool, str]:
    """Whether the branches of coverage's `totals` suffice, and how to say so."""
    n, taken, percent = totals["num_branches"], totals["covered_branches"], totals["percent_branches_covered"]
    is_enough = bool(percent >= minimum)
    return is_enough, f"{taken} of {n} branches: {percent:.1f} %, {'no less' if is_enough else 'less'} than {minimum:g} %"


if __name__ == "__main__":
    is_enough, told = verdict(json.load(sys.stdin)["totals"], float(sys.argv[1]))
    sys.stdout.write(told + "\n")
    sys.exit(not is_enough)

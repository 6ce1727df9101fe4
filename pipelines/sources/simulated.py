"""Simulated football: seasons of invented clubs, written as football-data.co.uk would publish them.

Belongs here: a goals model of a small football world, its bookmakers, and the writing of both in the site's layout
and file format, so that the ordinary `football_data` adapter reads them. Does not belong here: reading them back, or
any judgement of forecasts. Every club's name begins with `MARKER`.

The world is a function of the seed alone: clubs' strengths and every result of a season are drawn at once, from
`FIRST_SEASON` on, and `today` merely decides how much of it has been published. A later day therefore only appends.

Model: goals are Poisson with log rates `level ± home advantage/2 + attack - defence` and Dixon and Coles' low-score
correction (1997, J. R. Stat. Soc. C 46:265); attack and defence follow an AR(1) around each club's own mean.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

type Floats = NDArray[np.float64]

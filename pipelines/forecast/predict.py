"""From a fitted model and the coming matches to rows for the ledger.

Belongs here: asking the model and writing down exactly what it saw. Pure: the rows are kept by the caller.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd

from pipelines.forecast import contract
from pipelines.forecast.dixon_coles import pooled
from pipelines.forecast.explain import explain
from pipelines.forecast.features import assemble
from pipelines.forecast.firmness import firmness, longest_rest, strength_deviation
from pipelines.forecast.models import Model

_RATING_COLUMNS = [name for names in contract.RATINGS.values() for name in names]


def forecast(
    model: Model,
    information_set: str,
    coming: pd.DataFrame,
    goals: pd.DataFrame,
    memories: pd.DataFrame | None = None,
    quotes: pd.DataFrame | None = None,
    columns: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Forecast coming matches.

    Parameters
    ----------
    model
        A fitted model.
    information_set
        What it may know: it is given these `contract.FEATURES` alone.
    coming
        (n matches) with `match_id`, `kickoff_at`, `as_of`, all columns of `contract.RATINGS` and
        `contract.WAREHOUSE_FEATURES`.
    goals
        What `dixon_coles.rate` says of these matches.
    memories, quotes
        What `memory.remember` says of these matches, and quotes as for `features.assemble`; None for the set `results`.
    columns
        The features that make the feature row, if not all that the set has by now: what a model looks at must be among them.

    Returns
    -------
    DataFrame
        (n matches) with `match_id, kickoff_at, as_of, p_home, p_draw, p_away, expected_home_goals,
        expected_away_goals, features_digest, features, feature_names, contributions, strength_deviation, firmness`, ordered by
        `match_id`. `features` is the feature row as bytes (little-endian doubles in the order of `feature_names`), the digest
        their SHA-256; for the contributions see `explain`, for the last two `firmness`.
    """
    rows = coming.set_index("match_id").sort_index()
    ratings = rows[_RATING_COLUMNS] if memories is None else rows[_RATING_COLUMNS].join(memories)
    names = tuple(columns or contract.FEATURES[information_set])
    features = assemble(coming, ratings, rows, quotes)[list(names)]
    probabilities = model.predict_proba(features)
    expected = pooled(model.predict_goals(features), goals.loc[features.index])
    deviation = strength_deviation(features)
    values = np.ascontiguousarray(features.to_numpy(), dtype="<f8")
    return pd.DataFrame(
        {
            "match_id": features.index,
            "kickoff_at": rows["kickoff_at"].to_numpy(),
            "as_of": rows["as_of"].to_numpy(),
            **{name: probabilities[:, k] for k, name in enumerate(contract.PROBABILITIES)},
            "expected_home_goals": expected[:, 0],
            "expected_away_goals": expected[:, 1],
            "features_digest": [hashlib.sha256(row.tobytes()).hexdigest() for row in values],
            "features": [row.tobytes() for row in values],
            "feature_names": [names] * len(values),
            "contributions": explain(model.terms(features), information_set),
            "strength_deviation": deviation,
            "firmness": firmness(deviation, model.disagreement(features), longest_rest(features)),
        }
    )

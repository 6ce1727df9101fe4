"""The ledger of predictions: append-only, and nothing is said twice.

Belongs here: writing to and reading from `forecast.prediction`. The database itself refuses a prediction that is not
issued before kick-off, and every change to a row.
"""

import hashlib
from datetime import datetime
from typing import TYPE_CHECKING

from pipelines.store.tables import prediction
from pipelines.store.warehouse import Warehouse

if TYPE_CHECKING:
    import pandas as pd

_SAYS = ("information_set", "model_name", "model_version", "kickoff_at", "p_home", "p_draw", "p_away",
         "expected_home_goals", "expected_away_goals")  # fmt: skip
"""What makes a prediction a different one from the last of the same match."""


def issue(warehouse: Warehouse, forecasts: "pd.DataFrame") -> "pd.DataFrame":
    """Append the forecasts that differ from the last ones of their matches; return the ones in force.

    Args:
        warehouse: the model role's.
        forecasts: the columns of `forecast.prediction` but `prediction_id`, one row per match.

    Returns:
        For each row of `forecasts` the ledger's row in force: the earlier one where nothing changed, else the new one.
    """
    import pandas as pd

    key = ["match_id", *_SAYS]
    columns = [column.name for column in prediction.columns if column.name != "sequence"]
    with warehouse.connect() as connection:
        # One speaker at a time: two would both find that nothing was said yet.
        connection.execute("select pg_advisory_xact_lock(hashtext('forecast.prediction'))")
        latest = warehouse.read(
            """
            select distinct on (match_id, information_set) *
            from forecast.prediction
            where match_id = any(%(match_ids)s)
            order by match_id, information_set, sequence desc
            """,
            {"match_ids": list(forecasts["match_id"])},
        )
        known = forecasts[key].merge(latest, on=key, how="left", indicator=True)
        is_new = (known["_merge"] == "left_only").to_numpy()
        before = latest[["match_id", "information_set", "prediction_id"]]
        new = forecasts[is_new].merge(before, on=["match_id", "information_set"], how="left")
        said = new[["prediction_id", "issued_at", "features_digest", *key]].fillna({"prediction_id": ""})
        new["prediction_id"] = [_digest(row) for row in said.itertuples(index=False)]
        warehouse.copy(connection, "forecast.prediction", new[columns])
    standing = known[~is_new][columns]
    return pd.concat([standing, new[columns]], ignore_index=True) if len(standing) else new[columns].reset_index(drop=True)


def _digest(row: tuple[object, ...]) -> str:
    return hashlib.sha256("\x1f".join(map(repr, row)).encode()).hexdigest()[:32]


def in_force(warehouse: Warehouse, after: datetime) -> "pd.DataFrame":
    """The last prediction of each match that kicks off after the given moment."""
    return warehouse.read(
        """
        select distinct on (match_id, information_set) *
        from forecast.prediction
        where kickoff_at > %(after)s
        order by match_id, information_set, sequence desc
        """,
        {"after": after},
    )

"""The ledger of predictions: append-only, and nothing is said twice.

Belongs here: writing to, reading from and verifying `forecast.prediction`, with the explanations beside it. The database itself
refuses a prediction that does not come before kick-off by its own clock (in a rehearsal: the rehearsed moment) and every change
to a row, and links each row to the one before it.
Whoever may switch that off is found out by `verify`, which computes the links anew; that the end was not cut off, or all links
made anew, shows only beside a `Head` that is kept elsewhere.
"""

import hashlib
import json
import math
import os
import struct
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from psycopg import sql

from pipelines.store.basis import Basis, note
from pipelines.store.tables import explanation, prediction
from pipelines.store.warehouse import Warehouse

if TYPE_CHECKING:
    import pandas as pd
    import psycopg

_SAYS = ("information_set", "model_name", "model_version", "kickoff_at", "p_home", "p_draw", "p_away",
         "expected_home_goals", "expected_away_goals")  # fmt: skip
"""What makes a prediction a different one from the last of the same match."""

LEAST_LEAD: Final = timedelta(minutes=1)
"""From writing to kick-off: more than the writing takes."""
MOST_BEFORE_WRITING, MOST_AFTER = timedelta(minutes=15), timedelta(minutes=1)
"""By how much the moment of issue may differ from the database's clock, which refuses more (revision 0035)."""


class ClocksDiffer(RuntimeError):
    """The database's clock, by which the ledger goes, says another moment than this machine's; the message is for a person."""


def issue(warehouse: Warehouse, forecasts: "pd.DataFrame", basis: Basis) -> "pd.DataFrame":
    """Append the forecasts that differ from the last ones of their matches; return the ones in force.

    Args:
        warehouse: the model role's.
        forecasts: the columns of `forecast.prediction` and `forecast.explanation` but `prediction_id`, and the feature row as
            `features` (bytes) and `feature_names`; one row for each match and information set.
        basis: what they rest on, kept with what is appended.

    Returns:
        For each row of `forecasts` the ledger's row in force: the earlier one where nothing changed, else the new one. None of
        matches that kick off within `LEAST_LEAD`: they may begin before the database has written what is new of them.

    Raises:
        ClocksDiffer: the database would refuse all of it.
    """
    import pandas as pd

    key = ["match_id", *_SAYS]
    columns = [column.name for column in prediction.columns if column.name not in ("sequence", "link")]
    with warehouse.connect() as connection:
        # One speaker at a time: two would both find that nothing was said yet.
        connection.execute("select pg_advisory_xact_lock(hashtext('forecast.prediction'))")
        clock = warehouse.read("select forecast.clock() as now where isfinite(forecast.clock())")["now"]
        if len(clock):
            _require_one_clock(forecasts["issued_at"], clock[0])
            forecasts = forecasts[forecasts["kickoff_at"] > clock[0] + LEAST_LEAD]
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
        new["prediction_id"] = identify(new.fillna({"prediction_id": ""}))
        new["explanation_sha256"] = [
            None if why[0] is None else explanation_sha256(*why)
            for why in new[["contributions", "strength_deviation", "firmness"]].itertuples(index=False)
        ]
        warehouse.copy(connection, "forecast.prediction", new[columns])
        warehouse.copy(connection, "forecast.explanation", new[[column.name for column in explanation.columns]])
        _keep_features(warehouse, connection, new)
        note(connection, basis, list(new["prediction_id"]))
    standing = known[~is_new][columns]
    return pd.concat([standing, new[columns]], ignore_index=True) if len(standing) else new[columns].reset_index(drop=True)


def _require_one_clock(issued_at: "pd.Series[pd.Timestamp]", clock: "pd.Timestamp") -> None:
    if len(issued_at) and (issued_at.min() < clock - MOST_BEFORE_WRITING or issued_at.max() > clock + MOST_AFTER):
        raise ClocksDiffer(
            f"Nothing was issued: it is {issued_at.max():%Y-%m-%d %H:%M:%S} UTC here, and {clock:%Y-%m-%d %H:%M:%S} by the clock "
            "of the database, which tells whether a match has begun. Set both machines' clocks; `make run AS_OF=…` sets that of "
            "a rehearsal."
        )


def _keep_features(warehouse: Warehouse, connection: "psycopg.Connection", new: "pd.DataFrame") -> None:
    """Keep what the model saw, in the transaction that keeps its digest."""
    digests = {names: names_sha256(names) for names in set(new["feature_names"])}
    for names, digest in digests.items():
        insert = "insert into forecast.feature_list (names_sha256, names) values (%s, %s) on conflict do nothing"
        connection.execute(insert, (digest, list(names)))
    rows = new[["prediction_id"]].assign(
        names_sha256=new["feature_names"].map(digests), content=[f"\\x{row.hex()}" for row in new["features"]]
    )
    warehouse.copy(connection, "forecast.feature_row", rows)


def names_sha256(names: Sequence[str]) -> str:
    """What a list of features' names is known by."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def identify(said: "pd.DataFrame") -> list[str]:
    """The id of each forecast: a digest of what it says, when, of what features, and of the id before it.

    Args:
        said: `issued_at`, `features_digest`, `match_id` and `_SAYS`; `prediction_id` is the one before, empty for the first.
    """
    rows = said[["prediction_id", "issued_at", "features_digest", "match_id", *_SAYS]].itertuples(index=False)
    return [_digest(row) for row in rows]


def _digest(row: tuple[object, ...]) -> str:
    return hashlib.sha256("\x1f".join(map(repr, row)).encode()).hexdigest()[:32]


def in_force(warehouse: Warehouse, after: datetime, information_sets: Sequence[str]) -> "pd.DataFrame":
    """The last prediction by each of these sets of each match that kicks off after the given moment."""
    return warehouse.read(
        """
        select distinct on (match_id, information_set) *
        from forecast.prediction
        where kickoff_at > %(after)s and information_set = any(%(sets)s)
        order by match_id, information_set, sequence desc
        """,
        {"after": after, "sets": list(information_sets)},
    )


def explained(warehouse: Warehouse, prediction_ids: Sequence[str]) -> "pd.DataFrame":
    """What is needed to explain these predictions: their contributions, and the predictions before them.

    Returns:
        `prediction_id, model_name, model_version, contributions, strength_deviation, firmness`, and of the prediction before
        it, of the same match and information set, `before_prediction_id, before_issued_at, before_model_name,
        before_model_version, before_p_*, before_contributions`. None where there was none, and where one was issued before there
        were explanations.
    """
    found = warehouse.read(
        """
        select
            now.prediction_id, now.model_name, now.model_version, why.contributions,
            why.strength_deviation, why.firmness,
            before.prediction_id as before_prediction_id, before.issued_at as before_issued_at,
            before.model_name as before_model_name, before.model_version as before_model_version,
            before.p_home as before_p_home, before.p_draw as before_p_draw, before.p_away as before_p_away,
            why_before.contributions as before_contributions
        from forecast.prediction as now
        left join forecast.explanation as why using (prediction_id)
        left join lateral (
            select * from forecast.prediction as earlier
            where (earlier.match_id, earlier.information_set) = (now.match_id, now.information_set)
                and earlier.sequence < now.sequence
            order by earlier.sequence desc
            limit 1
        ) as before on true
        left join forecast.explanation as why_before on why_before.prediction_id = before.prediction_id
        where now.prediction_id = any(%(prediction_ids)s)
        """,
        {"prediction_ids": list(prediction_ids)},
    )
    found = found.astype(object).where(found.notna(), None)
    for name in ("contributions", "before_contributions"):
        found[name] = found[name].map(lambda text: text and json.loads(text))
    return found


def told(warehouse: Warehouse) -> "pd.DataFrame":
    """All that was ever said of matches: `prediction_id, sequence, match_id, information_set, issued_at, p_*, firmness`."""
    return warehouse.read(
        """
        select prediction_id, sequence, match_id, information_set, issued_at, p_home, p_draw, p_away, firmness
        from forecast.prediction
        left join forecast.explanation using (prediction_id)
        """
    )


# --------------------------------------------------------------------------- verifying


@dataclass(frozen=True)
class Head:
    """Where the ledger ends: how many predictions it holds, and the last one's link, which depends on every one of them."""

    n_predictions: int
    sequence: int
    link: str

    @classmethod
    def read(cls, path: Path) -> "Head | None":
        """The head that was kept, None if none ever was."""
        return cls(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None

    def keep(self, path: Path) -> None:
        """Write it, in one step: a head cut short would accuse an intact ledger."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}")
        with partial.open("w", encoding="utf-8") as file:
            json.dump(asdict(self), file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)


NOTHING: Final = Head(0, 0, "")
"""What is noted before the first prediction is issued: from then on the note is missed."""


@dataclass(frozen=True)
class Verification:
    """What was found: `faults` are sentences, none if every link holds."""

    head: Head | None
    faults: tuple[str, ...]


def head(warehouse: Warehouse) -> Head | None:
    """Where the ledger ends now; None while it is empty."""
    with warehouse.connect() as connection:
        row = connection.execute(
            """
            select (select count(*) from forecast.prediction), sequence, link
            from forecast.prediction order by sequence desc limit 1
            """
        ).fetchone()
    return Head(*row) if row else None


def goes_on(warehouse: Warehouse, kept: Head) -> bool:
    """Whether the ledger still holds all up to a head that was kept: a newer one may take its place only then."""
    if kept == NOTHING:
        return True
    with warehouse.connect() as connection:
        row = connection.execute(
            """
            select (select count(*) from forecast.prediction where sequence <= %(sequence)s), sequence, link
            from forecast.prediction where sequence = %(sequence)s
            """,
            {"sequence": kept.sequence},
        ).fetchone()
    return row is not None and Head(*row) == kept


def verify(warehouse: Warehouse, kept: Head | None = None) -> Verification:
    """Compute every link anew, and look for the head that was kept outside."""
    kept = None if kept == NOTHING else kept
    faults = []
    before, sequence, n, at_kept = "", 0, 0, None
    is_noted, issued_at, since = _noted(warehouse), None, _first_with_features(warehouse)
    for link, why, features_digest, said in _rows(warehouse):
        sequence, prediction_id = said[:2]
        n += 1
        if not is_noted(sequence):
            faults.append(
                f"Prediction {prediction_id} (number {sequence}) was written by no run that noted what it rests on: it was put "
                "in."
            )
        elif features_digest is None and since is not None and sequence >= since:
            faults.append(
                f"The feature row of prediction {prediction_id} (number {sequence}) is gone: each is kept from number {since} on."
            )
        if issued_at is not None and said[_ISSUED_AT] < issued_at - MOST_AFTER:
            faults.append(
                f"Prediction {prediction_id} (number {sequence}) says it was issued before the one that stands before it: it was "
                "put in later."
            )
        issued_at = said[_ISSUED_AT]
        if link != _link(before, said):
            faults.append(
                f"Prediction {prediction_id} (number {sequence}) does not follow from the one before it: one of the two was "
                "changed, or one was added, moved or taken away between them."
            )
        if said[-1] is not None and said[-1] != why:
            faults.append(
                f"The explanation of prediction {prediction_id} (number {sequence}) is not the one it was issued with: it was "
                + ("taken away." if why is None else "changed.")
            )
        if features_digest not in (None, said[-2]):
            faults.append(f"The feature row of prediction {prediction_id} (number {sequence}) is not the one that was digested.")
        if kept is not None and sequence == kept.sequence:
            at_kept = Head(n, sequence, link)
        before = link
    if kept is not None and at_kept is None:
        faults.append(
            f"Number {kept.sequence}, at which the ledger ended when its head was last kept, is not there: its end was cut off."
        )
    elif kept is not None and at_kept != kept:
        faults.append(f"Up to number {kept.sequence} the ledger is not the one whose head was kept: its links were made anew.")
    return Verification(Head(n, sequence, before) if n else None, (*faults, *_faults_of_names(warehouse)))


def _noted(warehouse: Warehouse) -> Callable[[int], bool]:
    """Whether a number of the ledger is among those of an issue; those from before issues were noted count as if they were."""
    with warehouse.connect() as connection:
        query = "select first_sequence, last_sequence from forecast.issue order by first_sequence"
        issues = connection.execute(query).fetchall()
    firsts = [first for first, _ in issues]

    def is_noted(sequence: int) -> bool:
        k = bisect_right(firsts, sequence) - 1
        return k < 0 or sequence <= issues[k][1]

    return is_noted


def _first_with_features(warehouse: Warehouse) -> int | None:
    """The number from which on feature rows are kept, the first of the first issue that has one; None where there is none.

    They are written with their predictions, so whoever takes some away is found out, but for all of the first issues.
    """
    query = """
        select coalesce(
            (select max(first_sequence) from forecast.issue where kept.first between first_sequence and last_sequence), kept.first
        )
        from (select min(sequence) as first from forecast.prediction join forecast.feature_row using (prediction_id)) as kept
    """
    with warehouse.connect() as connection:
        row = connection.execute(query).fetchone()
    return row[0] if row else None


def _faults_of_names(warehouse: Warehouse) -> Iterator[str]:
    """Lists of features' names that are not what their digests say or have no row left, and rows that their names do not fit."""
    with warehouse.connect() as connection:
        for digest, names in connection.execute("select names_sha256, names from forecast.feature_list order by 1"):
            if names_sha256(names) != digest:
                yield f"The names of features {digest} are not those that were digested."
        query = """
            select names_sha256 from forecast.feature_list as listed
            where not exists (select from forecast.feature_row where names_sha256 = listed.names_sha256) order by 1
        """
        for (digest,) in connection.execute(query):
            yield f"The feature rows with the names {digest} are gone, all of them."
        query = """
            select prediction_id from forecast.feature_row join forecast.feature_list using (names_sha256)
            where octet_length(content) <> 8 * cardinality(names) order by 1
        """
        for (prediction_id,) in connection.execute(query):
            yield f"The feature row of prediction {prediction_id} has not as many numbers as names."


_LINKED = ("sequence", "prediction_id", "match_id", "information_set", "model_name", "model_version", "kickoff_at", "as_of",
           "issued_at", "p_home", "p_draw", "p_away", "expected_home_goals", "expected_away_goals",
           "features_digest", "explanation_sha256")  # fmt: skip
"""What a link is made of, in this order: see the migrations that made them. What is null is passed over."""
_ISSUED_AT: Final = _LINKED.index("issued_at")


def explanation_sha256(contributions: Sequence[Sequence[Any]], strength_deviation: float | None, firmness: str) -> str:
    """Of an explanation as it stands in `forecast.explanation`: numbers by their bits, but that JSONB knows no negative zero."""
    terms = [part for name, *values in contributions for part in (name, *(_as_linked(float(value) + 0.0) for value in values))]
    known = strength_deviation is not None and not math.isnan(strength_deviation)
    deviation = _as_linked(float(strength_deviation)) if strength_deviation is not None and known else ""
    return hashlib.sha256("\x1f".join([*terms, deviation, firmness]).encode()).hexdigest()


def _rows(warehouse: Warehouse) -> Iterator[tuple[str, str | None, str | None, tuple[Any, ...]]]:
    """In the order in which they were said: the link, digests of the explanation and the feature row that stand there now, what
    is linked."""
    with warehouse.connect() as connection, connection.cursor("ledger") as cursor:
        columns = sql.SQL(", ").join(map(sql.Identifier, _LINKED))
        cursor.execute(
            sql.SQL(
                """
                select link, contributions, strength_deviation, firmness, encode(sha256(content), 'hex'), {}
                from forecast.prediction
                left join forecast.explanation using (prediction_id)
                left join forecast.feature_row using (prediction_id)
                order by sequence
                """
            ).format(columns)
        )
        for link, contributions, deviation, firmness, features_digest, *said in cursor:
            why = None if contributions is None else explanation_sha256(contributions, deviation, firmness)
            yield link, why, features_digest, tuple(said)


def _link(before: str, said: tuple[Any, ...]) -> str:
    return hashlib.sha256("\x1f".join([before, *(_as_linked(value) for value in said if value is not None)]).encode()).hexdigest()


def _as_linked(value: Any) -> str:
    if isinstance(value, float):
        return struct.pack(">d", value).hex()
    if isinstance(value, datetime):
        return str((value - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1))
    return str(value)

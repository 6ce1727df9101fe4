"""Making an issued prediction again, from the bytes in the landing zone and the registered model.

Belongs here: loading the file versions that a prediction was made of into an empty edition, in their order and with their
moments, asking the model once more, and comparing. Does not belong here: what a prediction rests on (`store.basis` keeps that),
or making and dropping the scratch edition, which `football reproduce` does.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

import pandas as pd

from pipelines.defs.champions import is_readable, made_by, read
from pipelines.defs.predictions import HORIZON, memories_and_quotes, past_and_coming
from pipelines.forecast.contract import FEATURES
from pipelines.settings import Settings
from pipelines.sources.protocol import Delivery, ParsedFile
from pipelines.sources.registry import parse
from pipelines.store import basis, bronze, file_versions, gold, ledger
from pipelines.store.basis import Basis, FileVersion, Issued, NotRebuildable
from pipelines.store.landing import Landing, LandingDamaged, open_landing
from pipelines.store.registry import ModelVersion, Registry, RegistryUnavailable
from pipelines.store.revision import git_revision, lock_digest, platform_name
from pipelines.store.warehouse import Warehouse

COMPARED = ("as_of", "features_digest", "p_home", "p_draw", "p_away", "expected_home_goals", "expected_away_goals",
            "prediction_id")  # fmt: skip
"""The last is a digest of all that the prediction says, of its features, its moment and the prediction before it."""

PUBLISHED_AS_ISSUED = ("as_of", "p_home", "p_draw", "p_away", "prediction_id")
"""Of those. Published goals are the grid's, which is tilted to the probabilities; see `publication`."""


class NotReproducible(Exception):
    """Something that the prediction rests on is not there any more, or not as it was; the message is for a person."""


@dataclass(frozen=True)
class Line:
    """One value, as text that tells every bit: in the ledger, in its first publication (None: not shown there), and rebuilt."""

    what: str
    issued: str
    published: str | None
    rebuilt: str

    @property
    def is_identical(self) -> bool:
        return self.issued == self.rebuilt == (self.published or self.issued)


@dataclass(frozen=True)
class Reproduction:
    """What came of it. `remarks` are sentences about what is not as it was when the prediction was issued."""

    prediction_id: str
    publication_id: int | None
    model: str
    n_files: int
    lines: tuple[Line, ...]
    remarks: tuple[str, ...]

    @property
    def is_identical(self) -> bool:
        return all(line.is_identical for line in self.lines)


def reproduce(settings: Settings, prediction_id: str, rebuild: Callable[[str], None]) -> Reproduction:
    """Make a prediction again, and compare.

    Args:
        settings: of an empty edition, but for `reproduced_url` and the landing zone, which are the prediction's.
        prediction_id: which.
        rebuild: makes silver, gold and ratings of what is loaded, facts from a cut-off on hidden (an ISO instant).

    Raises:
        NotReproducible: a file, the model or a note is missing or was changed.
    """
    original, scratch = Warehouse(settings.reproduced_url), Warehouse(settings.ingest_url)
    try:
        issued = basis.issued(original, prediction_id)
    except NotRebuildable as error:
        raise NotReproducible(str(error)) from error
    through = issued.basis.through_file_id
    if basis.files_sha256(original, through) != issued.basis.files_sha256:
        raise NotReproducible(
            "The list of file versions in bronze is not the one noted when the prediction was issued: it was changed since."
        )
    versions = basis.versions(original, through)
    model = _model(settings, issued)
    load(settings, scratch, open_landing(settings.landing, settings.s3_endpoint_url), versions)
    rebuild(issued.basis.data_cutoff.isoformat())
    rebuilt = _forecast(settings, model, issued)
    return Reproduction(
        prediction_id=prediction_id,
        publication_id=None if issued.published.empty else int(issued.published["publication_id"].iloc[0]),
        model=f"{model.name} version {model.version}",
        n_files=len(versions),
        lines=tuple(compare(issued, rebuilt)),
        remarks=tuple(_remarks(issued.basis, original, issued)),
    )


def load(settings: Settings, scratch: Warehouse, landing: Landing, versions: Iterable[FileVersion]) -> None:
    """Load file versions into bronze as they were once loaded: in their order, each at its moment.

    Raises:
        NotReproducible: the landing zone does not have the bytes any more, or has changed ones.
    """
    with scratch.connect() as connection:
        for moment, together in groupby(versions, key=lambda version: version.ingested_at):
            for _ in bronze.load_many(connection, _taken_apart(settings, landing, together), moment):
                pass
    bronze.refresh_statistics(scratch)


def _taken_apart(settings: Settings, landing: Landing, versions: Iterable[FileVersion]) -> Iterator[tuple[Delivery, ParsedFile]]:
    for version in versions:
        name = f"{version.source}/{version.key}"
        try:
            content = landing.get(version.sha256)
        except LandingDamaged as error:
            raise NotReproducible(f"The bytes of {name} are not those that were fetched. {error}") from error
        except FileNotFoundError as error:
            raise NotReproducible(f"The bytes of {name} ({version.sha256}) are not in the landing zone any more.") from error
        delivery = Delivery(version.source, version.key, content, None, None, version.fetched_at)
        yield delivery, parse(settings, version.source, version.key, content)


def _model(settings: Settings, issued: Issued) -> ModelVersion:
    name, number = issued.prediction["model_name"].iloc[0], int(issued.prediction["model_version"].iloc[0])
    try:
        versions = Registry(settings.mlflow_tracking_uri).versions(name)
    except RegistryUnavailable as error:
        raise NotReproducible(f"The model cannot be fetched: {error}") from error
    version = next((version for version in versions if version.version == number), None)
    if version is None:
        raise NotReproducible(f"The registry has no version {number} of {name} any more.")
    if not is_readable(version) or not _has_its_features(version, issued):
        raise NotReproducible(
            f"{version.name} version {version.version} cannot be read by this code: it was made {made_by(version)}. The same to "
            "the last bit is promised for the same platform, lock file and code."
        )
    return version


def _has_its_features(version: ModelVersion, issued: Issued) -> bool:
    """Whether this code still makes all that stands in the prediction's feature row."""
    from pipelines.forecast.models import MODELS

    return {*(issued.feature_names or ())} <= {*FEATURES[MODELS[version.tags["recipe"]].information_set]}


def _forecast(settings: Settings, version: ModelVersion, issued: Issued) -> pd.DataFrame:
    """The prediction's row of the ledger made anew, among all of its issue: sums of a matrix depend on its other rows."""
    from pipelines.forecast.dixon_coles import rate
    from pipelines.forecast.models import MODELS
    from pipelines.forecast.predict import forecast

    warehouse, was = Warehouse(settings.model_url), issued.prediction.iloc[0]
    recipe, model = MODELS[version.tags["recipe"]], read(settings, Registry(settings.mlflow_tracking_uri), version)
    coming = gold.coming_rows(warehouse, after=was["issued_at"], before=was["issued_at"] + HORIZON)
    if was["match_id"] not in set(coming["match_id"]):
        raise NotReproducible(f"Match {was['match_id']} is not among the coming matches that these files tell of.")
    timeline = past_and_coming(warehouse, coming)
    goals = rate(timeline, since=coming["as_of"].min())
    memories = quotes = None
    if recipe.information_set != "results":
        memories, quotes = memories_and_quotes(warehouse, timeline, coming, was["issued_at"])
    every = forecast(model, recipe.information_set, coming, goals, memories, quotes, issued.feature_names)
    rebuilt: pd.DataFrame = every[every["match_id"] == was["match_id"]].assign(
        information_set=recipe.information_set,
        model_name=version.name,
        model_version=version.version,
        issued_at=was["issued_at"],
        prediction_id=issued.before,
    )
    rebuilt["prediction_id"] = ledger.identify(rebuilt)
    return rebuilt


def compare(issued: Issued, rebuilt: pd.DataFrame) -> Iterator[Line]:
    """What of `COMPARED` was issued, published and rebuilt; frames of one row each."""
    for name in COMPARED:
        is_shown = name in PUBLISHED_AS_ISSUED and not issued.published.empty
        yield Line(
            what=name,
            issued=_exact(issued.prediction[name].iloc[0]),
            published=_exact(issued.published[name].iloc[0]) if is_shown else None,
            rebuilt=_exact(rebuilt[name].iloc[0]),
        )


def _exact(value: object) -> str:
    if isinstance(value, float):
        return repr(float(value))  # the shortest text that is read back as the same bits
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _remarks(was: Basis, original: Warehouse, issued: Issued) -> Iterator[str]:
    for what, then, now in (
        ("platform", was.platform, platform_name()),
        ("lock file", was.lock_sha256, lock_digest()),
        ("revision of the code", was.git_revision, git_revision()),
    ):
        if then != now:
            yield f"Issued with another {what}: {then or 'not known'}, now {now or 'not known'}."
    if issued.published.empty:
        yield "It stands in the ledger, and was never published."
    elif file_versions.manifest(original, was.through_file_id) != issued.manifest:
        yield "The publication that showed it first was made of newer files than the prediction itself."

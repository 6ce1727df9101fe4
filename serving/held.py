"""A publication in memory: everything a reader can ask of it, decoded once and encoded once.

Belongs here: the rows by kick-off with the indexes that filters need, each prediction's JSON, the answers that were made of
them. Does not belong here: which publication is being served, queries, HTTP.
"""

import asyncio
from bisect import bisect_left, bisect_right
from collections import OrderedDict, defaultdict
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from msgspec import Struct, json

from serving.answers import Answer
from serving.schemas import Competition, Prediction, PredictionDetail, Publication
from serving.store.publications import Filters, Publications

ANSWERS_BYTES: Final = 64 * 1024 * 1024
"""How much the answers kept for one publication may weigh, their compressed forms included."""

MAXIMUM_SPELLINGS: Final = 4096
LONGEST_SPELLING: Final = 512
"""In how many other ways those who ask may have written what they get, and how long each may be: some megabytes at most."""

T = TypeVar("T")


class Asking(Protocol):
    """Who waits for an answer of the database, and for how long."""

    async def __call__(self, question: Coroutine[Any, Any, T]) -> T:
        """What the question is answered."""
        ...


class Row(NamedTuple):
    """A prediction as lists show it, and its JSON."""

    prediction: Prediction
    encoded: bytes


class Key(NamedTuple):
    """What a request that reads the publication differs by: nothing else may enter an answer.

    An answer is kept under one key, in which address and query stand as the handler writes what it understood.
    """

    path: str
    query: bytes
    is_csv: bool


class Kept(Struct, frozen=True):
    """An answer, and until when it is right (seconds since 1970): a list that begins with the next kick-off loses it then."""

    answer: Answer
    until: float


class Answers:
    """The answers that were given, the least recently used of which go when all weigh more than `maximum_bytes`."""

    def __init__(self, maximum_bytes: int = ANSWERS_BYTES) -> None:
        self._maximum_bytes = maximum_bytes
        self._n_bytes = 0
        self._kept: OrderedDict[Key, Kept] = OrderedDict()
        self._meant: dict[Key, Key] = {}  # the spelling that was learnt first goes first

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Key, now: float) -> Answer | None:
        """The answer to such a request, if it was made before and still is right."""
        kept = self._kept.get(key)
        if kept is None and (meant := self._meant.get(key)) is not None:
            key, kept = meant, self._kept.get(meant)
        if kept is None or now > kept.until:
            return None
        self._kept.move_to_end(key)
        return kept.answer

    def keep(self, key: Key, answer: Answer, until: float = float("inf")) -> None:
        """Have the answer ready for the next who asks this."""
        if (before := self._kept.pop(key, None)) is not None:
            self._n_bytes -= _weight(key, before)
        self._kept[key] = Kept(answer, until)
        self._n_bytes += _weight(key, self._kept[key])
        while self._n_bytes > self._maximum_bytes:
            self._n_bytes -= _weight(*self._kept.popitem(last=False))

    def learn(self, written: Key, meant: Key) -> None:
        """Have the answer to `meant` ready also for who writes the same in this other way, without keeping it twice."""
        if len(written.path) + len(written.query) <= LONGEST_SPELLING:
            self._meant[written] = meant
            if len(self._meant) > MAXIMUM_SPELLINGS:
                del self._meant[next(iter(self._meant))]


class HeldPublication:
    """One publication with all that it says. Only `publication` may change: a later run confirms it."""

    def __init__(
        self,
        publication: Publication,
        competitions: list[Competition],
        manifest: Mapping[str, Any],
        details: Iterable[PredictionDetail],
    ) -> None:
        self.publication = publication
        self.competitions = competitions
        self.manifest = dict(manifest)
        self.answers = Answers()
        self._details: dict[str, bytes] = {}
        self._of_match: defaultdict[str, list[str]] = defaultdict(list)
        self._rows: list[Row] = []
        for detail in details:
            self._add(detail)
        self._index()

    @classmethod
    async def load(cls, publications: Publications, publication: Publication, asking: Asking) -> "HeldPublication":
        """Read all of a publication, without keeping the event loop from its readers. `asking` waits for each part of it.

        Raises:
            StoreUnavailable: the database went away meanwhile.
        """
        number = publication.publication_id
        competitions, manifest = await asking(publications.competitions(number)), await asking(publications.manifest(number))
        held = cls(publication, competitions, manifest, ())
        await held._fill(publications.details(publication), asking)
        return held

    async def _fill(self, batches: AsyncIterator[list[PredictionDetail]], asking: Asking) -> None:
        async def next_batch() -> list[PredictionDetail] | None:
            return await anext(batches, None)

        while (batch := await asking(next_batch())) is not None:
            for detail in batch:
                self._add(detail)
                await asyncio.sleep(0)  # a prediction with its markets takes as long to encode as several requests
        self._index()

    def _add(self, detail: PredictionDetail) -> None:
        prediction = Prediction(**{name: getattr(detail, name) for name in Prediction.__struct_fields__})
        self._details[prediction.prediction_id] = json.encode(detail)
        self._of_match[prediction.match_id].append(prediction.prediction_id)
        self._rows.append(Row(prediction, json.encode(prediction)))

    def _index(self) -> None:
        self._rows.sort(key=lambda row: (row.prediction.kickoff_at, row.prediction.prediction_id))
        self._keys = [(row.prediction.kickoff_at, row.prediction.prediction_id) for row in self._rows]
        self._of_competition: defaultdict[str, list[int]] = defaultdict(list)
        self._of_team: defaultdict[str, list[int]] = defaultdict(list)
        self._of_name: defaultdict[str, list[int]] = defaultdict(list)
        for position, (each, _) in enumerate(self._rows):
            self._of_competition[each.competition_id].append(position)
            for team, name in ((each.home_team_id, each.home_team), (each.away_team_id, each.away_team)):
                self._of_team[team].append(position)
                self._of_name[name.lower()].append(position)

    def detail(self, prediction_id: str) -> bytes | None:
        """The JSON of one prediction with all its markets; None if the publication has none of that id."""
        return self._details.get(prediction_id)

    def of_match(self, match_id: str) -> list[PredictionDetail]:
        """All that is said of one match, the best informed forecast first; nothing of a match that none is said of."""
        said = [json.decode(self._details[each], type=PredictionDetail) for each in self._of_match.get(match_id, ())]
        return sorted(said, key=lambda each: (not each.is_best_informed, each.information_set))

    def rows(self, filters: Filters, after: tuple[datetime, str] | None, limit: int) -> list[Row]:
        """At most `limit` rows by (kick-off, id), those behind `after` if given: what `Publications.predictions` would find."""
        first = bisect_left(self._keys, (filters.since, ""))
        if after is not None:
            first = max(first, bisect_right(self._keys, after))
        last = len(self._keys) if filters.until is None else bisect_left(self._keys, (filters.until, ""))
        candidates: Iterable[int] = range(first, last)
        if filters.team is not None:
            of_team = {*self._of_team.get(filters.team, ()), *self._of_name.get(filters.team.lower(), ())}
            candidates = sorted(position for position in of_team if first <= position < last)
        elif filters.competition is not None:
            of_competition = self._of_competition.get(filters.competition, [])
            candidates = of_competition[bisect_left(of_competition, first) : bisect_left(of_competition, last)]
        found: list[Row] = []
        for position in candidates:
            row = self._rows[position]
            if _is_wanted(row.prediction, filters):
                found.append(row)
                if len(found) == limit:
                    break
        return found

    def next_kickoff(self, moment: datetime) -> datetime | None:
        """The first kick-off at or after the moment."""
        first = bisect_left(self._keys, (moment, ""))
        return self._keys[first][0] if first < len(self._keys) else None


def _is_wanted(prediction: Prediction, filters: Filters) -> bool:
    if filters.competition is not None and prediction.competition_id != filters.competition:
        return False
    if filters.information_set is None:
        return prediction.is_best_informed
    return prediction.information_set == filters.information_set


def _weight(key: Key, kept: Kept) -> int:
    """Bytes, at most: the compressed forms are smaller than the plain one."""
    return len(key.path) + len(key.query) + 2 * len(kept.answer.body) + 2048

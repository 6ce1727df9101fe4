"""What is answered about a competition's season: the table as it stands, and how it may end."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct, structs


class Standing(Struct, frozen=True, kw_only=True):
    """A club in the table. By points, goal difference and goals; what else a league's rules weigh is not known here."""

    position: int
    team_id: str
    team: str
    played: int
    won: int
    drawn: int
    lost: int
    goals_for: int
    goals_against: int
    goal_difference: int
    points: Annotated[int, Meta(description="Three for a win, one for a draw; deductions are not known here.")]


class Outlook(Struct, frozen=True, kw_only=True):
    """How the season may end for a club, from ten thousand simulated ends."""

    team_id: str
    team: str
    points: int
    expected_points: float
    n_left: Annotated[int, Meta(description="Matches it still has to play.")]
    p_title: float
    p_top_four: float
    p_relegated: Annotated[float, Meta(description="One of the last `n_relegated` places.")]
    places: Annotated[list[float] | None, Meta(description="The probability of each place, the first first.")]


class SeasonRow(Standing, frozen=True, kw_only=True):
    """A club as a line of CSV: where it stands, and how the season may end for it; empty where that is not known."""

    expected_points: float | None
    n_left: int | None
    p_title: float | None
    p_top_four: float | None
    p_relegated: float | None
    places: list[float] | None

    @classmethod
    def of(cls, standing: Standing, outlook: Outlook | None) -> "SeasonRow":
        """The line of a club."""
        added: dict[str, Any] = {
            name: getattr(outlook, name, None) for name in cls.__struct_fields__ if name not in Standing.__struct_fields__
        }
        return cls(**structs.asdict(standing), **added)


class SeasonAnswer(Struct, frozen=True, kw_only=True):
    """A season: its table and its outlook."""

    is_simulated: bool
    competition_id: str
    season: int
    latest_result_at: Annotated[datetime | None, Meta(description="Kick-off of the latest match in the table.")]
    table: list[Standing]
    n_relegated: Annotated[
        int | None,
        Meta(description="Without a play-off: by rule, else as many as after the season before; null without an outlook."),
    ]
    outlook: Annotated[
        list[Outlook] | None,
        Meta(description="The most expected points first; null where the season is over, or is no plain round-robin."),
    ]

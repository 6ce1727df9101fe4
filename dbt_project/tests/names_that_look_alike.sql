-- Two clubs of a country of which one's name begins with the other's, or both begin with the same eight letters: perhaps one
-- club in two spellings. A person decides: a line in the seed `team_alias` merges them. Never a failure.
{{ config(severity='warn') }}

with club as (
    select distinct
        country,
        team_id,
        replace(club_slug, '-', '') as letters
    from {{ ref('int_team_name') }}
)

select
    one.team_id as one_team_id,
    other.team_id as other_team_id
from club as one
inner join club as other
    on
        one.country = other.country
        and one.team_id < other.team_id
        and (
            starts_with(other.letters, one.letters)
            or starts_with(one.letters, other.letters)
            or left(one.letters, 8) = left(other.letters, 8)
        )

-- A chain of aliases would leave its first names apart from the last.
select
    alias.country,
    alias.source_name
from {{ ref('team_alias') }} as alias
inner join {{ ref('team_alias') }} as further
    on alias.country = further.country and alias.club_name = further.source_name

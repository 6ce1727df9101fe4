{# Whom to believe where several say the same, the least number first: the provider's results, its fixtures, hand-dropped files,
   football-data.org, openfootball. The stream comes behind them all: a file's score stands. #}
{% macro source_rank(sighting) -%}
    case
            when {{ sighting }}.layout = 'json' then 5
            when {{ sighting }}.layout = 'football_data_org' then 4
            when {{ sighting }}.source = 'inbox' then 3
            when {{ sighting }}.layout in ('fixtures', 'new_fixtures') then 2
            else 1
        end
{%- endmacro %}

{# From delivered text to values. What cannot be cast becomes null: bronze has already set aside what cannot be a match. #}

{# Text without the blanks around it, no-break ones too. #}
{% macro trimmed(text) -%}
    btrim({{ text }}, e' \t\u00a0')
{%- endmacro %}

{# What `whole_number`, `price`, `handicap` and `time_of_day` make null of a filled cell, ingestion has put on record by the
   same rules (pipelines/sources/cells.py). #}

{# A number of goals, shots, cards: whole, and not negative. #}
{% macro whole_number(text) -%}
    case when pg_input_is_valid({{ text }}, 'smallint') and {{ text }}::smallint >= 0 then {{ text }}::smallint end
{%- endmacro %}

{# A decimal price. What is no number, or not within (1, 1000] (0, `#` and `-` occur), is no price. #}
{% macro price(text) -%}
    case
            when pg_input_is_valid({{ text }}, 'float8') and {{ text }}::float8 > 1 and {{ text }}::float8 <= 1000
                then {{ text }}::float8
        end
{%- endmacro %}

{# The line of a handicap. Two lines at once (`-0.5,-1`) are none, and neither is what else PostgreSQL takes for a number: NaN. #}
{% macro handicap(text) -%}
    case when {{ text }} ~ '^[ ]*[+-]?[0-9]{1,3}([.][0-9]{1,9})?[ ]*$' then {{ text }}::float8 end
{%- endmacro %}

{# dd/mm/yy (before 70: this century) or dd/mm/yyyy to a date, null where that day does not exist. #}
{% macro uk_date(text) -%}
    {%- set year = "split_part(" ~ text ~ ", '/', 3)" -%}
    {%- set iso -%}
        concat_ws(
                '-',
                case when length({{ year }}) > 2 then '' when {{ year }} < '70' then '20' else '19' end || {{ year }},
                split_part({{ text }}, '/', 2),
                split_part({{ text }}, '/', 1)
            )
    {%- endset -%}
    case when pg_input_is_valid({{ iso }}, 'date') then {{ iso }}::date end
{%- endmacro %}

{# A time of day, hour and minute. PostgreSQL would also read `now`, `allballs` and a time with a zone. #}
{% macro time_of_day(text) -%}
    case when {{ text }} ~ '^[ ]*([01]?[0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?[ ]*$' then {{ text }}::time end
{%- endmacro %}

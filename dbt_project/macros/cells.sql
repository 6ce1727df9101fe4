{# Reading one delivered line, `cells`: a JSONB object of column name to text, empty cells left out. #}

{# The first of several spellings of a column that has text, without the blanks around it (no-break ones too). #}
{% macro text_cell() -%}
    {%- set cells = [] -%}
    {%- for name in varargs -%}
        {%- do cells.append("btrim(cells ->> '" ~ name ~ "', e' \\t\\u00a0')") -%}
    {%- endfor -%}
    {{ cells[0] if cells | length == 1 else 'coalesce(' ~ cells | join(', ') ~ ')' }}
{%- endmacro %}

{# A whole number from 0 on, null where the cell is none. #}
{% macro count_cell() -%}
    {%- set cell = text_cell(*varargs) -%}
    case when pg_input_is_valid({{ cell }}, 'smallint') and {{ cell }} not like '-%' then ({{ cell }})::smallint end
{%- endmacro %}

{# A decimal price. What is no number, or not within (1, 1000] (0, `#` and `-` occur), is no price. #}
{% macro price(text) -%}
    {%- set trimmed = "btrim(" ~ text ~ ", e' \\t\\u00a0')" -%}
    case
            when pg_input_is_valid({{ trimmed }}, 'float8')
                then case when ({{ trimmed }})::float8 > 1 and ({{ trimmed }})::float8 <= 1000 then ({{ trimmed }})::float8 end
        end
{%- endmacro %}

{# dd/mm/yy (before 70: this century) or dd/mm/yyyy to a date, null where that day does not exist. #}
{% macro uk_date(text) -%}
    {%- set year = "split_part(" ~ text ~ ", '/', 3)" -%}
    {%- set iso -%}
        case length({{ year }}) when 2 then case when {{ year }} < '70' then '20' else '19' end else '' end
            || {{ year }} || '-' || split_part({{ text }}, '/', 2) || '-' || split_part({{ text }}, '/', 1)
    {%- endset -%}
    case when pg_input_is_valid({{ iso }}, 'date') then ({{ iso }})::date end
{%- endmacro %}

{# A time of day, null where the cell is none. #}
{% macro time_cell(name) -%}
    case when pg_input_is_valid({{ text_cell(name) }}, 'time') then ({{ text_cell(name) }})::time end
{%- endmacro %}

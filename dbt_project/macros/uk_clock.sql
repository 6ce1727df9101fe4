{# The sources' days and times are those of the United Kingdom, for leagues elsewhere too. #}

{# A UK wall-clock timestamp to an instant. #}
{% macro uk_instant(local_timestamp) -%}
    ({{ local_timestamp }})::timestamp at time zone 'Europe/London'
{%- endmacro %}

{# An instant to the UK day it falls on. #}
{% macro uk_day(instant) -%}
    ({{ instant }} at time zone 'Europe/London')::date
{%- endmacro %}

{# An instant as text, in UTC, to the minute. #}
{% macro told_moment(instant) -%}
    to_char({{ instant }} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"')
{%- endmacro %}

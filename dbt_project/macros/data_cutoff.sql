{# The moment at or after which facts do not exist for this run; the same in all its models. #}
{% macro data_cutoff() -%}
    {%- set instant = run_started_at.isoformat() if var('data_cutoff') == 'now' else var('data_cutoff') -%}
    timestamptz '{{ instant }}'
{%- endmacro %}

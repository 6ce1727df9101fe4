{# A name in lower-case ASCII letters, digits and single hyphens. Marks on letters and apostrophes are dropped, so that
   spellings which differ in nothing else agree. A name without any Latin letter or digit gets a digest. #}
{% macro slug(name) -%}
    {%- set plain = "regexp_replace(normalize(translate(" ~ name ~ ", 'øØłŁđĐıß', 'oOlLdDis'), nfkd), e'[\\u0300-\\u036f''`\\u2019\\u0092]', '', 'g')" -%}
    coalesce(nullif(btrim(regexp_replace(lower({{ plain }}), '[^a-z0-9]+', '-', 'g'), '-'), ''), left(md5({{ name }}), 12))
{%- endmacro %}

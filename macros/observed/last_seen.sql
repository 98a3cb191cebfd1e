{#
    A query for the newest sample of each side in which a part was seen: side and sample_id.

    part: name of a file in runner/observation/sql.
#}
{% macro last_seen(part) -%}
    select
        side,
        max(sample_id) as sample_id
    from {{ source('observed', 'sample_parts') }}
    where part = '{{ part }}' and relation = '' and is_seen
    group by side
{%- endmacro %}

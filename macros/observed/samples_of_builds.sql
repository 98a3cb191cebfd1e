{#
    A query for the samples in which a session of a build was seen: sample_id. The books do not know of a build
    that was killed, or has not ended.
#}
{% macro samples_of_builds() -%}
    select distinct sample_id
    from {{ source('observed', 'sessions') }}
    where
        side = 'replica'
        and application_name in ('dbt', 'signal-marts build', 'signal-marts moment')
{%- endmacro %}

{#
    A query for the primary's roles that trade, in each sample: sample_id and role_name. Of a CTE that is not
    materialized only the samples that are asked for are read.
#}
{% macro trading_roles() -%}
    select
        sample_id,
        role_name
    from (
        select
            sample_id,
            role_name,
            {{ role_group() }} as role_group
        from {{ source('observed', 'roles') }}
        where side = 'primary'
    ) as grouped
    where role_group = 'trading'
{%- endmacro %}

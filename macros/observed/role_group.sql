{#
    The group of a role: trading, ai or analytics. The var role_groups comes first; on the replica all
    is analytics; on the primary, members of ai_writer are AI modules, and the replica's own logins are
    analytics. All others trade.
#}
{% macro role_group() -%}
    case
        {% set groups = var('role_groups') -%}
        {% for role in groups -%}
            when role_name = '{{ role | replace("'", "''") }}'
                then '{{ groups[role] | default('trading') }}'
        {% endfor -%}
        when side = 'replica' then 'analytics'
        when
            role_name in ('ai_writer', 'ai_functions')
            or 'ai_writer' = any(member_of)
            then 'ai'
        when
            role_name like 'signal\_marts\_%'
            or member_of && array['replicator', 'transformer', 'bi_reader']
            then 'analytics'
        else 'trading'
    end
{%- endmacro %}

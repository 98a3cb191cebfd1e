{#
    The error message if there is no newest moment.
#}
{% macro no_newest_moment() -%}
    {{ return(
        'public.ai_replication_fence on the replica holds no moment of the primary, by which'
        ~ ' rows of the future are told, or one that is more than a day ahead of the clock:'
        ~ ' where it is being copied, wait; else run signal-marts deploy, which says more'
    ) }}
{%- endmacro %}

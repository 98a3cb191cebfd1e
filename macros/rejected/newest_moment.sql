{#
    A query for latest_moment() as a text; NULL where no row can be judged.
#}
{% macro newest_moment() -%}
    {{ return(adapter.dispatch('newest_moment')()) }}
{%- endmacro %}

{% macro default__newest_moment() -%}
    select case
        when max(written_at) <= clock_timestamp() + interval '1 day'
            then to_char(
                least(
                    max(written_at) + {{ future_limit() }},
                    {{ end_of_time() }}
                ) at time zone 'UTC',
                'YYYY-MM-DD HH24:MI:SS.US'
            )
    end
    from {{ source('ai', 'ai_replication_fence') }}
{%- endmacro %}

{% macro spark__newest_moment() -%}
    select case
        when max(written_at) <= current_timestamp() + interval '1 day'
            then date_format(
                least(
                    max(written_at) + {{ future_limit() }},
                    {{ end_of_time() }}
                ),
                'yyyy-MM-dd HH:mm:ss.SSSSSS'
            )
    end
    from {{ source('ai', 'ai_replication_fence') }}
{%- endmacro %}

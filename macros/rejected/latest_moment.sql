{#
    The last moment that a row may be of: a day, for clocks and time zones that differ, after the
    primary's newest token (runner/fence.py), and the end of the year 2199 at the latest. That is data
    like all else: a build in full judges as the builds from changes before it did, since a token is
    never older than the one before it. Where there is none, as while its table is copied again, or
    one that somebody wrote far ahead of the clock, no row can be judged: the runner's builds wait for
    it or say so, and a plain dbt is refused.

    It is asked for once in a run, and is no part of a model's definition.
#}
{% macro latest_moment() -%}
    {%- set end = "cast('2200-01-01 00:00:00+00' as timestamp with time zone)" -%}
    {%- if not execute or model.resource_type != 'model' or flags.WHICH not in ('build', 'run') -%}
        {{ return(end) }}
    {%- endif -%}
    {%- set node = graph.nodes[model.unique_id] -%}
    {%- if 'rendered' in node -%}
        {{ return(end) }}
    {%- endif -%}
    {%- if node.get('latest', {}).get('run') != invocation_id -%}
        {%- set latest -%}
            select case
                when max(written_at) <= clock_timestamp() + interval '1 day'
                    then to_char(
                        least(max(written_at) + interval '1 day', {{ end }}) at time zone 'UTC',
                        'YYYY-MM-DD HH24:MI:SS.US'
                    )
            end
            from {{ source('ai', 'ai_replication_fence') }}
        {%- endset -%}
        {%- set moment = run_query(latest).rows[0].values()[0] -%}
        {%- if moment is none -%}
            {{ exceptions.raise_compiler_error(
                'public.ai_replication_fence on the replica holds no moment of the primary, by which'
                ~ ' rows of the future are told, or one that is more than a day ahead of the clock:'
                ~ ' where it is being copied, wait; else run signal-marts deploy, which says more'
            ) }}
        {%- endif -%}
        {%- do node.update({'latest': {'run': invocation_id, 'moment': moment}}) -%}
    {%- endif -%}
    {{ return("cast('" ~ node.latest.moment ~ "+00' as timestamp with time zone)") }}
{%- endmacro %}

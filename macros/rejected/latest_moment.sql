{#
    The last moment that a row may be of: future_limit() after the primary's newest token
    (runner/replication/fence.py), and the end of the year 2199 at the latest.
    That is data like all else: a build in full judges as the builds from changes before it did, since
    a token is never older than the one before it. Where there is none, as while its table is copied again, or
    one that somebody wrote far ahead of the clock, no row can be judged: the runner's builds wait for
    it or say so, and a plain dbt is refused.

    It is asked for once in a run, and is no part of a model's definition; in a round of a watch, once a
    model (take_latest_moment).
#}
{% macro latest_moment() -%}
    {%- set end = "cast('2200-01-01 00:00:00+00' as timestamp with time zone)" -%}
    {%- if not execute or model.resource_type != 'model' or flags.WHICH not in ('build', 'run') -%}
        {{ return(end) }}
    {%- endif -%}
    {%- set node = graph.nodes[model.unique_id] -%}
    {%- if is_kept() -%}
        {{ return("cast(current_setting('signal_marts.latest_moment') as timestamp with time zone)") }}
    {%- elif 'rendered' in node -%}
        {{ return(end) }}
    {%- endif -%}
    {%- if node.get('latest', {}).get('run') != invocation_id -%}
        {%- set moment = run_query(newest_moment()).rows[0].values()[0] -%}
        {%- if moment is none -%}
            {{ exceptions.raise_compiler_error(no_newest_moment()) }}
        {%- endif -%}
        {%- do node.update({'latest': {'run': invocation_id, 'moment': moment}}) -%}
    {%- endif -%}
    {{ return("cast('" ~ node.latest.moment ~ "+00' as timestamp with time zone)") }}
{%- endmacro %}

{#
    The latest time that a row may have: future_limit() after the primary's newest token
    (runner/replication/fence.py), and never after the year 2199. The token is replicated data: a full build
    accepts the same rows as the builds from changes before it, since a token is never older than the one
    before. Without a token (its table is being copied again), or with a token that was written by hand far
    ahead of the clock, no row can be judged: the runner's builds wait or say so, and plain dbt fails.

    It is read once per run, or once per model in a round of a watch (take_latest_moment), and is not part
    of a model's definition.
#}
{% macro latest_moment() -%}
    {%- if not execute or model.resource_type != 'model' or flags.WHICH not in ('build', 'run') -%}
        {{ return(end_of_time()) }}
    {%- endif -%}
    {%- set node = graph.nodes[model.unique_id] -%}
    {%- if is_kept() -%}
        {{ return("cast(current_setting('signal_marts.latest_moment') as timestamp with time zone)") }}
    {%- elif 'rendered' in node -%}
        {{ return(end_of_time()) }}
    {%- endif -%}
    {%- if node.get('latest', {}).get('run') != invocation_id -%}
        {%- set moment = run_query(newest_moment()).rows[0].values()[0] -%}
        {%- if moment is none -%}
            {{ exceptions.raise_compiler_error(no_newest_moment()) }}
        {%- endif -%}
        {%- do node.update({'latest': {'run': invocation_id, 'moment': moment}}) -%}
    {%- endif -%}
    {{ return("cast('" ~ node.latest.moment ~ "+00' as " ~ type_moment() ~ ')') }}
{%- endmacro %}

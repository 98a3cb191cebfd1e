{#
    A pre-hook of all models, in their transaction. It holds what the books say of the model and its
    parents before anything is read of them; and where the model is built from changes, it collects in
    the temporary table `affected` the keys of all rows that these may alter. No model is built where
    one above it is older than what that reads.
#}
{% macro collect_affected() %}
    {% set parents = parent_names() %}
    {% if execute and (is_exact() or (parents and config.get('materialized') != 'view')) %}
        {{ check_landing() if not parents and frozen_moment() }}
        {{ hold_versions(parents) }}
        {{ refuse_unknown() if is_kept() }}
        {{ take_latest_moment() if is_kept() and not parents }}
        {{ refuse_older_parents(parents) if parents }}
        {% if not parents %}
            {# As which keys and values are told (row_key). #}
            set local timezone = 'UTC';
            set local datestyle = 'ISO';
            create temporary table landing_cut on commit drop as
            select pg_snapshot_xmin(pg_current_snapshot()) as landing_cut;
        {% endif %}
        {% if is_exact() and is_from_changes() %}
            {# Few rows, of which most are in memory: an index is worth more than by default, and
               compiling a query less. #}
            set local random_page_cost = 1.1;
            set local jit = off;
            create temporary table affected on commit drop as
            {{ affected_keys() }};
            analyze affected;
        {% endif %}
    {% endif %}
{% endmacro %}

{#
    A pre-hook of all models, in their transaction. It locks the books' entries of the model and its parents
    before it reads them. If the model is built from changes, it collects the keys of the rows that the
    changes may alter in the temporary table `affected`. It fails if a model above is outdated.
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
            {# The format of the keys and values in rejected_rows (row_key). #}
            set local timezone = 'UTC';
            set local datestyle = 'ISO';
            create temporary table landing_cut on commit drop as
            select pg_snapshot_xmin(pg_current_snapshot()) as landing_cut;
        {% endif %}
        {% if is_exact() and is_from_changes() %}
            {# Few rows, most of them in memory: index reads are cheaper than by default, and compiling a
               query rarely pays. #}
            set local random_page_cost = 1.1;
            set local jit = off;
            create temporary table affected on commit drop as
            {{ affected_keys() }};
            analyze affected;
        {% endif %}
    {% endif %}
{% endmacro %}

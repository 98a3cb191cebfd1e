{#
    The pre-hook of an incremental model, in its transaction. It notes which versions of the parents
    are about to be read, before anything is read of them; and where the model is built from changes,
    it collects in the temporary table `affected` the keys of all rows that these may alter. No model
    is built where one above it is older than what that reads.
#}
{% macro collect_affected() %}
    {% if execute and is_exact() %}
        {% set parents = parent_names() %}
        {% if not parents and frozen_moment() %}
            commit;
            begin isolation level repeatable read;
            set transaction snapshot '{{ frozen_moment() }}';
            {{ check_landing() }}
        {% endif %}
        {{ hold_versions(parents) }}
        {{ refuse_older_parents(parents) if parents }}
        create temporary table versions_read on commit drop as
        select
            relation,
            version
        from {{ changes_table('relations') }}
        where relation in ({{ (parents or ["''"]) | join(', ') }});
        {% if not parents %}
            {# As which keys and values are told (row_key). #}
            set local timezone = 'UTC';
            set local datestyle = 'ISO';
            create temporary table landing_cut on commit drop as
            select pg_snapshot_xmin(pg_current_snapshot()) as landing_cut;
        {% endif %}
        {% if is_from_changes() %}
            {# Few rows, of which most are in memory: an index is worth more than by default, and
               compiling a query less. #}
            set local random_page_cost = 1.1;
            set local jit = off;
            create temporary table affected on commit drop as
            {{ affected_keys() }};
            analyze affected;
        {% endif %}
    {% elif execute and config.get('materialized') != 'view' and parent_names() %}
        {{ hold_versions(parent_names()) }}
        {{ refuse_older_parents(parent_names()) }}
    {% endif %}
{% endmacro %}

{#
    The keys of landing rows that changed since the last build of the staging model: inserted and updated
    rows by the transaction that applied them, deleted rows and former keys from the change log; for the
    platform's views, rows of all tables that they read (views.changes in runner/platform). All keys
    of the landing table and of the model where this is not enough: a table was copied again, its part
    of the log was pruned, a view was made anew, or the server is another one (restored from a dump), with
    transaction ids of its own.

    Rows that were too late in the last build are affected again (too_late).

    The model's meta names the landing table's key columns, `landing_key`, and, where unique_key has
    other values, the expressions that make these, `key_from`, in the order of unique_key. `is_whole`:
    rows are judged beside other rows of a small table, so all keys are affected. `spelled`: the column
    whose spellings may differ in the blanks around it; rows are judged beside their other spellings.

    Columns: unique_key, and the landing table's key columns as landing_<column>.
#}
{% macro affected_in_landing() %}
    {% set landing = landing_relation() %}
    {% set landing_key = require_list('meta', 'landing_key', config.get('meta').landing_key) %}
    {% set key = config.get('unique_key') %}
    {% set key = [key] if key is string else key %}
    {% set key_from = config.get('meta').get('key_from', landing_key) %}
    {% set spelled = config.get('meta').get('spelled') %}
    {% set rejected %}
        select {% for column in landing_key -%}
            (jsonb_populate_record(null::{{ landing }}, rejected_rows.key)).{{ column }}
            {%- if not loop.last %}, {% endif %}
        {%- endfor %}
        from {{ changes_table('rejected_rows') }} as rejected_rows
        where source_table = {{ relation_name(landing) }}
    {% endset %}
    with last_cut as (

        select
            landing_cut,
            exists (
                select from signal_marts.copies
                where
                    (
                        copies.table_name = {{ relation_name(landing) }}
                        or copies.table_name in (
                            select table_name from signal_marts.mapped_tables
                            where mapped_tables.relation = {{ relation_name(landing) }}
                        )
                    )
                    and copies.xid >= relations.landing_cut
            )
            or relations.landing_cut < (select pruned_to from signal_marts.change_log_pruned)
            or relations.landing_system <> (select system_identifier from pg_control_system())
            {%- if config.get('meta').get('is_whole') %}
            or true
            {%- endif %}
                as is_blind
        from {{ changes_table('relations') }} as relations
        where relation = {{ relation_name(this) }}

    ),

    changed as (

        {% if landing.schema == 'mapped' -%}
        select {{ landing_key | join(', ') }}
        from {{ landing.incorporate(path={'identifier': landing.identifier ~ '_changes'}) }}
        where xid >= (select landing_cut from last_cut)
        {%- else -%}
        select {{ landing_key | join(', ') }}
        from {{ landing }}
        where _xid >= (select landing_cut from last_cut)

        union all

        select {% for column in landing_key -%}
            (jsonb_populate_record(null::{{ landing }}, change_log.key)).{{ column }}
            {%- if not loop.last %}, {% endif %}
        {%- endfor %}
        from signal_marts.change_log
        where
            table_name = {{ relation_name(landing) }}
            and xid >= (select landing_cut from last_cut)
        {%- endif %}

        union all

        select {{ landing_key | join(', ') }}
        from {{ landing }}
        where (select is_blind from last_cut)

        union all

        {{ rejected }} and reason = {{ too_late() }}

        union all

        {{ rejected }} and (select is_blind from last_cut)

    )

    select
        {% for column in key -%}
            {{ key_from[loop.index0] }} as {{ column }},
        {% endfor -%}
        {% for column in landing_key -%}
            {{ column }} as landing_{{ column }}
            {%- if not loop.last %}, {% endif %}
        {%- endfor %}
    from (
        select * from changed
        {%- if spelled %}

        union all

        select {% for column in landing_key -%}
            {{ 'spellings' if column == spelled else 'changed' }}.{{ column }}
            {%- if not loop.last %}, {% endif %}
        {%- endfor %}
        from changed
        inner join ({{ spellings(landing, spelled) }}) as spellings
            on {{ trimmed('changed.' ~ spelled) }} = {{ trimmed('spellings.' ~ spelled) }}
        {%- endif %}
    ) as changed

    union

    select {{ key | join(', ') }}{{ ', null' * landing_key | length }}
    from {{ this }}
    where (select is_blind from last_cut)
{% endmacro %}

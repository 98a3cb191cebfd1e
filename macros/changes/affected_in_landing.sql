{#
    The keys of the rows of a landing table that changed since the model of staging that reads it was
    last built: inserted and updated rows by the transaction that applied them, deleted ones and
    former keys from the change log. All keys of either side where that cannot tell: after the table
    was copied anew, where its part of the log was pruned, and on another server, as after a restore
    of a dump, which counts transactions of its own.

    The model's meta names the landing table's key columns, `landing_key`, in the order of unique_key.
#}
{% macro affected_in_landing() %}
    {% set landing = landing_relation() %}
    {% set landing_key = require_list('meta', 'landing_key', config.get('meta').landing_key) %}
    {% set key = config.get('unique_key') %}
    {% set key = [key] if key is string else key %}
    with last_cut as (

        select
            landing_cut,
            exists (
                select from signal_marts.copies
                where
                    copies.table_name = {{ relation_name(landing) }}
                    and copies.xid >= relations.landing_cut
            )
            or relations.landing_cut < (select pruned_to from signal_marts.change_log_pruned)
            or relations.landing_system <> (select system_identifier from pg_control_system())
                as is_blind
        from {{ changes_table('relations') }} as relations
        where relation = {{ relation_name(this) }}

    ),

    changed as (

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

        union all

        select {{ landing_key | join(', ') }}
        from {{ landing }}
        where (select is_blind from last_cut)

        union all

        select {{ key | join(', ') }}
        from {{ this }}
        where (select is_blind from last_cut)

    )

    select distinct
        {% for column in key -%}
            {{ landing_key[loop.index0] }} as {{ column }}
            {%- if not loop.last %}, {% endif %}
        {%- endfor %}
    from changed
{% endmacro %}

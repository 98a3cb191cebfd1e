{#
    Runs after a staging model, in its transaction: records the landing rows that the model could not use,
    by column, for operations.rejected_rows; in a build from changes, only among the affected rows. A row
    that was recorded before keeps its first_seen_at; a row that is usable or gone by now is deleted.
#}
{% macro record_rejected_rows() %}
    {% set landing = landing_relation() %}
    {% set rejected = changes_table('rejected_rows') %}
    {% set meta = config.get('meta') %}
    {% set rules, key = meta.rules, meta.landing_key %}
    {% set table = relation_name(landing) %}
    {% set landing_columns = [] %}
    {% for column in key %}
        {% do landing_columns.append('landing_' ~ column) %}
    {% endfor %}
    {% set columns %}
        {{ row_key(key) }} as row_key,
        jsonb_build_object({% for column in key %}'{{ column }}', {{ column }}{{ ', ' if not loop.last }}{% endfor %}) as key,
    {% endset %}
    {% set and_affected = 'and ' ~ is_affected_in_landing() if is_from_changes() else '' %}
    create temporary table freshly_rejected on commit drop as
    select distinct on (row_key, column_name)
        row_key,
        key,
        column_name,
        left(value, 200) as value,
        reason,
        usable_from
    from (
        select
            {{ columns }}
            broken._column as column_name,
            broken._value as value,
            broken._reason as reason,
            broken._usable_from as usable_from,
            broken._place as place
        from (
            {# The rules judge each row once; only for rejected rows, each rule is evaluated by itself. #}
            select *
            from {{ landing }}
            where not ({{ rules_condition(landing, rules) }}) {{ and_affected }}
            offset 0
        ) as landed
        cross join lateral (
            values
            {% for rule in rules if rule[1] != 'first' %}
            (
                {{ loop.index }},
                '{{ rule[0] }}',
                cast({{ rule[0] }} as text),
                {{ rule_reason(rule) }},
                {{ rule_usable_from(rule) }},
                {{ rule_condition(landing, rule) }}
            ){{ ',' if not loop.last }}
            {% endfor %}
        ) as broken (_place, _column, _value, _reason, _usable_from, _is_kept)
        where not broken._is_kept
        {% for rule in rules if rule[1] == 'first' %}
        union all
        select
            {{ columns }}
            '{{ rule[0] }}',
            cast({{ rule[0] }} as text),
            {{ rule_reason(rule) }},
            {{ rule_usable_from(rule) }},
            0
        from {{ landing }}
        where
            {{ rules_condition(landing, rules) }}
            and {{ rows_before(landing, rules) }}
            {{ and_affected }}
        {% endfor %}
    ) as found
    order by row_key, column_name, place;

    delete from {{ rejected }} as stored
    where
        source_table = {{ table }}
        {% if is_from_changes() -%}
        and row_key in (
            select {{ row_key(landing_columns) }} from affected
        )
        {%- endif %}
        and not exists (
            select from freshly_rejected as fresh
            where
                fresh.row_key = stored.row_key
                and fresh.column_name = stored.column_name
        );
    insert into {{ rejected }} as stored (
        source_table, row_key, key, column_name, value, reason, first_seen_at, usable_from
    )
    select {{ table }}, row_key, key, column_name, value, reason, now(), usable_from
    from freshly_rejected
    on conflict (source_table, row_key, column_name) do update set
        key = excluded.key,
        value = excluded.value,
        reason = excluded.reason,
        usable_from = excluded.usable_from
    where
        (stored.value, stored.reason, stored.usable_from)
        is distinct from (excluded.value, excluded.reason, excluded.usable_from);
{% endmacro %}

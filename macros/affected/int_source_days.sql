{# A day on which a changed order came, or a changed position was opened or closed. #}
{% macro affected_int_source_days() %}
    {% for parent, column in [
        ('int_orders_attributed', 'created_at'),
        ('int_open_positions', 'opened_at'),
        ('trades', 'entry_at'),
        ('trades', 'exit_at')
    ] %}
        select {{ utc_date(column) }} as trading_date
        from {{ changes_of(parent) }} as changed

        {{ 'union' if not loop.last }}
    {% endfor %}
{% endmacro %}

{#
    Changed signals; where a bar was inserted, deleted or has another time, every signal of its symbol that
    ends at this bar, later or not yet; and where a bar's price changed, the signals that enter at this bar.
    Bars after a signal's last bar do not alter the signal, whatever their times. A signal without a stored
    row has a symbol that had no bars.
#}
{% macro affected_int_signal_bars() %}
    with changed as (

        select
            symbol,
            bar_number,
            mod(count(*), 2) = 1
            or min(opened_at) < max(opened_at)
            or min(closed_at) < max(closed_at) as is_other
        from {{ changes_of('int_bars_numbered') }} as bars
        group by symbol, bar_number

    ),

    moved as (

        select
            symbol,
            min(bar_number) as from_number
        from changed
        where is_other
        group by symbol

    )

    select signal_id
    from {{ changes_of('stg_ai__trading_signals') }} as signals

    union

    {% for table, bars, condition in [
        (this, 'moved', 'stored.end_bar_number >= bars.from_number'),
        (this, 'moved', 'stored.end_bar_number is null'),
        (this, 'changed', 'stored.entry_bar_number = bars.bar_number'),
        (ref('stg_ai__trading_signals'), 'moved', 'bars.from_number = 0')
    ] %}
        select signals.signal_id
        from {{ bars }} as bars
        cross join lateral (
            select stored.signal_id
            from {{ table }} as stored
            where
                stored.symbol = bars.symbol
                and {{ condition }}
            {{ kept_apart() }}
        ) as signals

        {{ 'union' if not loop.last }}
    {% endfor %}
{% endmacro %}

-- Grain: a signal of a symbol that has bars. Times are UTC.

{{ config(
    unique_key='signal_id',
    indexes=[
        {'columns': ['symbol', 'entry_bar_number']},
        {'columns': ['symbol', 'first_bar_number']},
        {'columns': ['symbol', 'end_bar_number']}
    ],
    pre_hook="{{ avoid_nested_loops() }}"
) }}

with signals as (

    select *
    from {{ followed('stg_ai__trading_signals') }}

),

bars as (

    select * from {{ ref('int_bars_numbered') }}

),

{% if is_from_changes() %}

    symbols as (

        select
            signals.symbol,
            (
                select max(bars.bar_number) + 1
                from {{ ref('int_bars_numbered') }} as bars
                where bars.symbol = signals.symbol
            ) as bar_count
        from signals
        group by signals.symbol

    ),

    -- The counts of the other branch, looked up: a bar's number is the count of bars
    -- before it.
    positions as (

        select
            signals.signal_id,
            {% for count, bound, condition in [
                ('bars_known', 'created_at', 'closed_at <='),
                ('bars_before', 'created_at', 'opened_at <'),
                ('bars_within', 'valid_until_at', 'closed_at <')
            ] %}
                coalesce((
                    select bars.bar_number + 1
                    from {{ ref('int_bars_numbered') }} as bars
                    where
                        bars.symbol = signals.symbol
                        and bars.opened_at <= signals.{{ bound }}
                        and bars.{{ condition }} signals.{{ bound }}
                    order by bars.opened_at desc
                    limit 1
                ), 0) as {{ count }},
            {% endfor %}
            signals.symbol
        from signals
        {{ kept_apart() }}

    ),

{% else %}

    symbols as (

        select
            symbol,
            count(*) as bar_count
        from bars
        group by symbol

    ),

    -- Signals and bars on one line of time. At the same instant, a signal's end comes
    -- before a bar's close, since only closes before the end count. A signal's start
    -- comes after the close, which the signal may know, and before the opening of the
    -- next bar.
    events as (

        {% for relation, event_at in [
            ('signals', 'valid_until_at'),
            ('bars', 'closed_at'),
            ('signals', 'created_at'),
            ('bars', 'opened_at')
        ] %}
            select
                symbol,
                {{ event_at }} as event_at,
                {{ loop.index0 }} as event_order,
                {{ 'signal_id' if relation == 'signals' else 'null' }} as signal_id,
                {{ 1 if event_at == 'opened_at' else 0 }} as opened_bars,
                {{ 1 if event_at == 'closed_at' else 0 }} as closed_bars
            from {{ relation }}
            {{ 'union all' if not loop.last }}
        {% endfor %}

    ),

    counted_events as (

        select
            signal_id,
            symbol,
            event_order,
            sum(opened_bars) over time_line as opened_bars,
            sum(closed_bars) over time_line as closed_bars
        from events
        window time_line as (
            partition by symbol
            order by event_at asc, event_order asc
            rows between unbounded preceding and current row
        )

    ),

    positions as (

        select
            signal_id,
            symbol,
            max(closed_bars) filter (where event_order = 2) as bars_known,
            max(opened_bars) filter (where event_order = 2) as bars_before,
            max(closed_bars) filter (where event_order = 0) as bars_within
        from counted_events
        where event_order in (0, 2)
        group by signal_id, symbol

    ),

{% endif %}

placed as (

    select
        positions.signal_id,
        positions.symbol,
        bars.bar_number as entry_bar_number,
        bars.close_price as entry_price,
        case
            when positions.bars_before < symbols.bar_count
                then positions.bars_before
        end as first_bar_number,
        -- A signal lives for at least one bar, however early it ends.
        case
            when
                greatest(positions.bars_within, positions.bars_before)
                < symbols.bar_count
                then greatest(positions.bars_within, positions.bars_before)
        end as end_bar_number
    from positions
    inner join symbols
        on
            positions.symbol = symbols.symbol
            and symbols.bar_count > 0
    left join bars
        on
            positions.symbol = bars.symbol
            and positions.bars_known - 1 = bars.bar_number

)

select * from placed {{ newest_together('signal_id') }}

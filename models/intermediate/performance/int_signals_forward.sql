-- Grain: a model, symbol and UTC day with a signal whose horizons have all passed, and
-- a horizon. Times are UTC.

{{ config(pre_hook="{{ avoid_nested_loops() }}") }}

{# The linter has no value for a var, only a string: the other list is for it alone. #}
{% set horizons = var('skill_horizons_bars') %}
{% set horizons = [1, 2] if horizons is string else horizons %}

with signals as (

    select * from {{ ref('stg_ai__trading_signals') }}

),

placed as (

    select * from {{ ref('int_signals_placed') }}

),

bars as (

    select * from {{ ref('int_bars_numbered') }}

),

-- A model's word on a symbol is its last one of the day.
numbered_signals as (

    select
        signal_id,
        model_id,
        symbol,
        {{ utc_date('created_at') }} as signal_date,
        case signal_type when 'BUY' then 1 when 'SELL' then -1 else 0 end
        * confidence as score,
        row_number() over (
            partition by model_id, symbol, {{ utc_date('created_at') }}
            order by created_at desc, signal_id desc
        ) as reverse_number
    from signals

),

-- Prices as many bars ahead as the horizons say, the bar itself being the first.
bars_ahead as (

    select
        bar_number,
        {% for horizon in horizons %}
            lead(close_price, {{ horizon - 1 }}) over symbol_bars
                as close_price_{{ loop.index }},
        {% endfor %}
        lead(closed_at, {{ horizons | last - 1 }}) over symbol_bars as known_at
    from bars
    window symbol_bars as (partition by symbol order by opened_at)

),

observed as (

    select
        numbered_signals.signal_id,
        numbered_signals.model_id,
        numbered_signals.symbol,
        numbered_signals.signal_date,
        numbered_signals.score,
        cast(entry_bars.close_price as {{ type_double() }}) as close_price_0,
        {% for horizon in horizons %}
            cast(bars_ahead.close_price_{{ loop.index }} as {{ type_double() }})
                as close_price_{{ loop.index }},
        {% endfor %}
        bars_ahead.known_at
    from numbered_signals
    inner join placed
        on numbered_signals.signal_id = placed.signal_id
    inner join bars as entry_bars
        on placed.entry_bar_number = entry_bars.bar_number
    inner join bars_ahead
        on placed.first_bar_number = bars_ahead.bar_number
    where
        numbered_signals.reverse_number = 1
        and bars_ahead.known_at is not null

),

-- Each horizon's window begins where the one before ends, so no return is in two of
-- them. Horizon 0 is all of them together.
forward_returns as (

    select
        signal_id,
        model_id,
        symbol,
        signal_date,
        0 as horizon_number,
        {{ horizons | last }} as horizon_bars,
        score,
        close_price_{{ horizons | length }}
        / nullif(close_price_0, 0) - 1 as forward_return,
        known_at
    from observed

    {% for horizon in horizons %}
        union all

        select
            signal_id,
            model_id,
            symbol,
            signal_date,
            {{ loop.index }} as horizon_number,
            {{ horizon }} as horizon_bars,
            score,
            close_price_{{ loop.index }}
            / nullif(close_price_{{ loop.index0 }}, 0) - 1 as forward_return,
            known_at
        from observed

    {% endfor %}

)

select * from forward_returns
where forward_return is not null

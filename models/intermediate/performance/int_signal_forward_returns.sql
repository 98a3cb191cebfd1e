-- Grain: a model, symbol and UTC day with a signal whose horizons have all passed, and
-- a horizon. Times are UTC.

{{ config(
    unique_key=['model_id', 'signal_date', 'symbol', 'horizon_number'],
    meta={'affected_by': ['model_id', 'signal_date', 'symbol']},
    indexes=[{'columns': ['model_id', 'known_at']}],
    pre_hook="{{ avoid_nested_loops() }}"
) }}

{# The linter has no value for a var, only a string: the other list is for it alone. #}
{% set horizons = var('skill_horizons_bars') %}
{% set horizons = [1, 2] if horizons is string else horizons %}

with placed as (

    select * from {{ ref('int_signal_bars') }}

),

-- Of a model's signals for a symbol, the last one of the day counts.
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
    from {{ followed(
        'stg_ai__trading_signals',
        where='stored.model_id = affected.model_id and stored.symbol = affected.symbol and '
            ~ is_on_date('stored.created_at', 'affected.signal_date')
    ) }}

),

signal_bars as (

    select
        numbered_signals.signal_id,
        numbered_signals.model_id,
        numbered_signals.symbol,
        numbered_signals.signal_date,
        numbered_signals.score,
        placed.first_bar_number,
        cast(placed.entry_price as {{ type_double() }}) as close_price_0
    from numbered_signals
    inner join placed
        on
            numbered_signals.signal_id = placed.signal_id
            and numbered_signals.symbol = placed.symbol
    where
        numbered_signals.reverse_number = 1
        and placed.entry_bar_number is not null
        and placed.first_bar_number is not null

),

-- The prices at each horizon, counted in bars ahead; the bar itself is the first.
{% if is_from_changes() %}

    observed as (

        select
            signal_bars.*,
            {% for horizon in horizons %}
                cast(bars_{{ loop.index }}.close_price as {{ type_double() }})
                    as close_price_{{ loop.index }},
            {% endfor %}
            bars_{{ horizons | length }}.closed_at as known_at
        from signal_bars
        {% for horizon in horizons %}
            cross join lateral (
                select
                    stored.close_price,
                    stored.closed_at
                from {{ ref('int_bars_numbered') }} as stored
                where
                    stored.symbol = signal_bars.symbol
                    and stored.bar_number
                    = signal_bars.first_bar_number + {{ horizon - 1 }}
                {{ kept_apart() }}
            ) as bars_{{ loop.index }}
        {% endfor %}

    ),

{% else %}

    bars_ahead as (

        select
            symbol,
            bar_number,
            {% for horizon in horizons %}
                lead(close_price, {{ horizon - 1 }}) over symbol_bars
                    as close_price_{{ loop.index }},
            {% endfor %}
            lead(closed_at, {{ horizons | last - 1 }}) over symbol_bars as known_at
        from {{ ref('int_bars_numbered') }}
        window symbol_bars as (partition by symbol order by bar_number)

    ),

    observed as (

        select
            signal_bars.*,
            {% for horizon in horizons %}
                cast(bars_ahead.close_price_{{ loop.index }} as {{ type_double() }})
                    as close_price_{{ loop.index }},
            {% endfor %}
            bars_ahead.known_at
        from signal_bars
        inner join bars_ahead
            on
                signal_bars.symbol = bars_ahead.symbol
                and signal_bars.first_bar_number = bars_ahead.bar_number
        where bars_ahead.known_at is not null

    ),

{% endif %}

-- Each horizon's window begins where the window before ends, so no return is in two
-- windows. Horizon 0 covers all of them together.
forward_returns as (

    {% for end in [horizons | length] + range(1, 1 + horizons | length) | list %}
        {%- set begin = 0 if loop.first else end - 1 %}
        select
            signal_id,
            model_id,
            symbol,
            signal_date,
            {{ loop.index0 }} as horizon_number,
            {{ horizons[end - 1] }} as horizon_bars,
            score,
            close_price_{{ end }}
            / nullif(close_price_{{ begin }}, 0) - 1 as forward_return,
            known_at
        from observed
        {{ 'union all' if not loop.last }}
    {% endfor %}

)

select * from forward_returns

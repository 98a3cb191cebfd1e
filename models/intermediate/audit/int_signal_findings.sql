-- Grain: a signal and a kind of finding that its own row shows, beside the bars. Times
-- are UTC.

{{ config(
    unique_key=['signal_id', 'finding_kind'],
    meta={
        'affected_by': 'signal_id',
        'follows': {
            'stg_ai__trading_signals': 'signal_id',
            'int_signal_bars': 'signal_id',
            'int_signal_exits': 'signal_id',
            'int_bars_numbered': [
                through(
                    'int_signal_bars',
                    'symbol, entry_bar_number',
                    of='symbol, bar_number',
                    keys='signal_id'
                ),
                through(
                    'int_signal_bars',
                    'symbol, first_bar_number',
                    of='symbol, bar_number + 1',
                    keys='signal_id'
                )
            ]
        }
    },
    indexes=[{'columns': ['signal_id']}],
    pre_hook="{{ avoid_nested_loops() }}"
) }}

{# Then each relation is small, and the planner knows it. #}
{% set materialized = 'materialized' if is_from_changes() else '' %}
{# The linter has no value for a var: the default of float is for it alone. #}
{% set lower = 1 - var('audit_price_tolerance') | float(0.1) %}
{% set upper = 1 + var('audit_price_tolerance') | float(0.1) %}

with signals as {{ materialized }} (

    select
        *,
        {{ json_price('signal_metadata', 'entry_price') }} as claimed_entry,
        {{ json_price('signal_metadata', 'exit_price') }} as claimed_exit,
        upper({{ json_text('signal_metadata', 'outcome') }}) as claimed_outcome
    from {{ followed('stg_ai__trading_signals') }}

),

placed as {{ materialized }} (

    select *
    from {{ followed('int_signal_bars') }}

),

exits as {{ materialized }} (

    select *
    from {{ followed('int_signal_exits') }}

),

-- The bar that closed last, and the one within which the signal came. The prices around
-- a signal are known once a bar opened after it.
surrounded as (

    select
        signals.*,
        known_bars.close_price as known_close,
        open_bars.open_price as open_bar_open,
        open_bars.close_price as open_bar_close,
        open_bars.closed_at as open_bar_closed_at,
        least(known_bars.low_price, open_bars.low_price) as lowest_price,
        greatest(known_bars.high_price, open_bars.high_price) as highest_price
    from signals
    inner join placed
        on signals.signal_id = placed.signal_id
    left join {{ ref('int_bars_numbered') }} as known_bars
        on
            placed.symbol = known_bars.symbol
            and placed.entry_bar_number = known_bars.bar_number
            -- Long ago, it says nothing of now.
            and signals.created_at - known_bars.closed_at
            <= known_bars.closed_at - known_bars.opened_at
    left join {{ ref('int_bars_numbered') }} as open_bars
        on
            placed.symbol = open_bars.symbol
            and placed.first_bar_number - 1 = open_bars.bar_number
            and signals.created_at > open_bars.opened_at
            and signals.created_at < open_bars.closed_at
    where placed.first_bar_number is not null

),

-- What the market did until the signal was resolved.
resolved as (

    select
        signals.*,
        exits.lowest_price,
        exits.highest_price
    from signals
    inner join exits
        on signals.signal_id = exits.signal_id
    where exits.exit_bar_number is not null

),

findings as (

    {% for kind, relation, evidence_at, stated_price, condition in [
        (
            'back_dated', 'signals', 'stored_at', 'null',
            seconds_between('available_at', 'stored_at')
            ~ ' > 60 * ' ~ var('audit_max_delay_minutes')
        ),
        (
            'imported', 'signals', 'available_at', 'null',
            seconds_between('created_at', 'available_at')
            ~ ' > 60 * ' ~ var('audit_max_delay_minutes')
        ),
        (
            'future_dated', 'signals', 'stored_at', 'null',
            seconds_between('stored_at', 'created_at')
            ~ ' > ' ~ var('audit_max_ahead_seconds')
        ),
        (
            'entry_off_market', 'surrounded', 'null', 'claimed_entry',
            'claimed_entry < lowest_price * ' ~ lower
            ~ ' or claimed_entry > highest_price * ' ~ upper
        ),
        (
            'open_bar_close', 'surrounded', 'open_bar_closed_at', 'claimed_entry',
            'claimed_entry = open_bar_close and open_bar_close <> open_bar_open'
            ~ ' and claimed_entry is distinct from known_close'
        ),
        (
            'stop_off_market', 'surrounded', 'null', 'stop_loss',
            "signal_type = 'BUY' and stop_loss > highest_price * " ~ upper
            ~ " or signal_type = 'SELL' and stop_loss < lowest_price * " ~ lower
        ),
        (
            'target_off_market', 'surrounded', 'null', 'take_profit',
            "signal_type = 'BUY' and take_profit < lowest_price * " ~ lower
            ~ " or signal_type = 'SELL' and take_profit > highest_price * " ~ upper
        ),
        (
            'exit_off_market', 'resolved', 'null', 'claimed_exit',
            'claimed_exit < lowest_price * ' ~ lower
            ~ ' or claimed_exit > highest_price * ' ~ upper
        ),
        (
            'target_not_reached', 'resolved', 'null', 'take_profit',
            "claimed_outcome = 'TAKE_PROFIT' and ("
            ~ "signal_type = 'BUY' and take_profit > highest_price * " ~ upper
            ~ " or signal_type = 'SELL' and take_profit < lowest_price * " ~ lower
            ~ ')'
        ),
        (
            'stop_not_reached', 'resolved', 'null', 'stop_loss',
            "claimed_outcome = 'STOP_LOSS' and ("
            ~ "signal_type = 'BUY' and stop_loss < lowest_price * " ~ lower
            ~ " or signal_type = 'SELL' and stop_loss > highest_price * " ~ upper
            ~ ')'
        )
    ] %}
        {% set has_bars = relation != 'signals' %}
        select
            signal_id,
            cast('{{ kind }}' as {{ dbt.type_string() }}) as finding_kind,
            cast({{ evidence_at }} as {{ type_moment() }}) as evidence_at,
            cast({{ stated_price }} as {{ type_money() }}) as stated_price,
            cast(
                {{ 'lowest_price' if has_bars else 'null' }} as {{ type_money() }}
            ) as lowest_price,
            cast(
                {{ 'highest_price' if has_bars else 'null' }} as {{ type_money() }}
            ) as highest_price
        from {{ relation }}
        where {{ condition }}
        {{ 'union all' if not loop.last }}
    {% endfor %}

)

select * from findings

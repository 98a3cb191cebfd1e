-- Grain: a forecast (a signal or a micro pattern) of a symbol that has a later close,
-- with the closes at which it is live. Times are UTC.

{{ config(
    unique_key=['forecast_type', 'forecast_id'],
    indexes=[
        {'columns': ['symbol', 'first_bar_number']},
        {'columns': ['symbol', 'end_bar_number']}
    ],
    pre_hook="{{ avoid_nested_loops() }}"
) }}

{# The linter has no value for a var: the default of int is for it alone. #}
{% set forecast_bars = var('ensemble_forecast_bars') | int(1) %}

with experts as (

    select * from {{ ref('int_ensemble_experts') }}

),

signals as (

    select *
    from {{ followed('stg_ai__trading_signals', by="'signal', signal_id") }}

),

patterns as (

    select *
    from {{ followed('stg_platform__micro_patterns', by="'pattern', pattern_number") }}

),

statements as (

    select
        cast('signal' as {{ dbt.type_string() }}) as forecast_type,
        signals.signal_id as forecast_id,
        experts.expert_number,
        signals.symbol,
        signals.signal_type as direction,
        signals.confidence,
        signals.expires_at,
        signals.available_at
    from signals
    inner join experts
        on signals.model_id = experts.model_id
    where
        experts.expert_type = 'model'
        -- A signal that had ended before this system knew it, such as an imported one,
        -- is no forecast.
        and signals.valid_until_at > signals.available_at

    union all

    select
        cast('pattern' as {{ dbt.type_string() }}) as forecast_type,
        patterns.pattern_number as forecast_id,
        experts.expert_number,
        patterns.symbol,
        patterns.pattern_signal as direction,
        patterns.confidence,
        null as expires_at,
        patterns.available_at
    from patterns
    inner join experts
        on coalesce(patterns.pattern_type, 'unknown') = experts.expert_name
    where experts.expert_type = 'pattern'

),

-- The platform's confidences are not checked elsewhere, and the bound on the regret
-- needs probabilities.
forecasts as (

    select
        *,
        case direction
            when 'BUY' then 0.5 + least(greatest(coalesce(confidence, 0), 0), 1) / 2
            when 'SELL' then 0.5 - least(greatest(coalesce(confidence, 0), 0), 1) / 2
            else 0.5
        end as probability_up
    from statements

),

{% if is_from_changes() %}

    symbols as (

        select
            forecasts.symbol,
            (
                select max(bars.bar_number)
                from {{ ref('int_ensemble_bars') }} as bars
                where bars.symbol = forecasts.symbol
            ) as bar_count
        from forecasts
        group by forecasts.symbol

    ),

    -- The same counts as below, but looked up: a close's number is the count of closes
    -- up to it.
    spans as (

        select
            {% for count, moment in [
                ('first_position', 'available_at'), ('end_position', 'expires_at')
            ] %}
                case
                    when forecasts.{{ moment }} is not null
                        then coalesce((
                            select bars.bar_number
                            from {{ ref('int_ensemble_bars') }} as bars
                            where
                                bars.symbol = forecasts.symbol
                                and bars.decided_at < forecasts.{{ moment }}
                            order by bars.decided_at desc
                            limit 1
                        ), 0)
                end as {{ count }},
            {% endfor %}
            forecasts.forecast_type,
            forecasts.forecast_id
        from forecasts
        {{ kept_apart() }}

    ),

{% else %}

    symbols as (

        select
            symbol,
            count(*) as bar_count
        from {{ ref('int_ensemble_bars') }}
        group by symbol

    ),

    -- At the same instant, starts and ends come before closes: a forecast counts at the
    -- close at which it is made, and no longer at the one at which it expires.
    spans as (

        {{ counted_before(
            rows='forecasts',
            key=['forecast_type', 'forecast_id'],
            moments={'first_position': 'available_at', 'end_position': 'expires_at'},
            counted=ref('int_ensemble_bars'),
            counted_at='decided_at',
            group_by=['symbol']
        ) }}

    ),

{% endif %}

-- A forecast expires at expires_at or after a number of bars, whichever comes first: a
-- forecast of the next hours says nothing about the next month.
int_ensemble_forecasts as (

    select
        forecasts.forecast_type,
        forecasts.forecast_id,
        forecasts.expert_number,
        forecasts.symbol,
        forecasts.probability_up,
        1 + spans.first_position as first_bar_number,
        1 + greatest(spans.first_position, least(
            spans.first_position + {{ forecast_bars }},
            coalesce(spans.end_position, symbols.bar_count),
            symbols.bar_count
        )) as end_bar_number,
        forecasts.available_at
    from forecasts
    inner join spans
        on
            forecasts.forecast_type = spans.forecast_type
            and forecasts.forecast_id = spans.forecast_id
    inner join symbols
        on forecasts.symbol = symbols.symbol
    where spans.first_position < symbols.bar_count

)

select * from int_ensemble_forecasts

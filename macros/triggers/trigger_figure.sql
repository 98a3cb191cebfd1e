{#
    The join for a reason's figure of a day, its standard error, threshold and number of facts: `measured`.

    yesterday: the relation of the day before, with trigger_state().
    day: an expression for the day.
    is_shift: the condition that the reason is a figure beside the reference.
#}
{% macro trigger_figure(yesterday, day, is_shift) -%}
    {%- set totals = ref('int_health_totals') -%}
    {%- set reason = yesterday ~ '.reason' -%}
    {%- set of_model = yesterday ~ '.model_id' -%}
    {%- set wealths = [] -%}
    {%- for bet in trial_bets() -%}
        {%- do wealths.append('wealths.wealth_' ~ loop.index) -%}
    {%- endfor -%}
    {%- set window_days = var('health_window_days') -%}
    cross join lateral (
        select
            case
                when {{ is_shift }}
                    then
                        {{ facts_of_reason(reason, 'today') }}
                        - coalesce({{ facts_of_reason(reason, 'window_before') }}, 0)
                when {{ reason }} = 'loss' then today.forecasts - reference.forecasts
                when {{ reason }} = 'skill' then health.window_signals
                else today.signals
            end as n,
            case
                when {{ is_shift }} then shifts.window_days
                when {{ reason }} = 'loss'
                    then today.days_with_forecasts - reference.days_with_forecasts
                when {{ reason }} = 'skill' then health.rank_ic_days
                else today.days_with_signals
            end as days,
            case
                when {{ reason }} in ('confidence_shift', 'signal_mix_shift')
                    then shifts.figure - greatest(
                        shifts.bias,
                        case {{ reason }} when 'confidence_shift' then 9 else 2 end * (
                            cast(1 as {{ type_double() }})
                            / nullif(
                                today.signals - coalesce(window_before.signals, 0), 0
                            )
                            + cast(1 as {{ type_double() }})
                            / nullif(
                                reference.signals
                                - coalesce(reference_before.signals, 0),
                                0
                            )
                        )
                    )
                when {{ reason }} = 'calibration' then shifts.figure - shifts.bias
                when {{ reason }} = 'loss' and completed.last_date is not null
                    then ({{ wealths | join(' + ') }}) / {{ wealths | length }}
                when {{ reason }} = 'loss' then null
                when {{ reason }} = 'skill' then -health.rank_ic
                else {{ day }} - health.last_signal_date
            end as figure,
            case
                when {{ is_shift }} then sqrt(shifts.variance)
                when {{ reason }} = 'skill'
                    then (health.rank_ic_upper - health.rank_ic_lower) / (2 * {{ z_of_95_percent() }})
                else 0
            end as standard_error,
            case
                when {{ reason }} in ('confidence_shift', 'signal_mix_shift')
                    then {{ var('trigger_shift') }}
                when {{ reason }} = 'calibration' then {{ var('trigger_calibration') }}
                when {{ reason }} = 'loss' then 1.0 / {{ var('trigger_loss_level') }}
                when {{ reason }} = 'skill' then {{ var('trigger_skill') }}
                else greatest(
                    {{ var('trigger_silence_days') }},
                    5.0 * ({{ day }} - (
                        select min(stored.health_date) from {{ totals }} as stored
                        where stored.model_id = {{ of_model }}
                    ) + 1) / nullif(today.days_with_signals, 0)
                )
            end as threshold
    ) as measured
{%- endmacro %}

{#
    The joins that lead from a day of int_trigger_days to the state of the next one, `states`.

    yesterday: the relation of the day before, with trigger_state().
    calendar: the relation of the day, with model_id, health_date and stage.
#}
{% macro trigger_step(yesterday, calendar) -%}
    {%- set totals = ref('int_health_totals') -%}
    {%- set bets = ['0.05', '0.1', '0.2', '0.4', '0.6', '0.9'] -%}
    {%- set window_days = var('health_window_days') -%}
    {%- set block_days = var('trial_block_days') -%}
    {%- set day = calendar ~ '.health_date' -%}
    {%- set reason = yesterday ~ '.reason' -%}
    {%- set of_model = yesterday ~ '.model_id' -%}
    {%- set z = '1.959963984540054' -%}

    {#- The reference: of a new champion, or anew from the first breach of an alarm. #}
    left join lateral (
        select
            stored.first_date,
            stored.last_date
        from {{ ref('int_health_references') }} as stored
        where
            stored.model_id = {{ of_model }}
            and stored.in_force_from = {{ day }}
            and stored.kind = case
                when {{ reason }} in ('confidence_shift', 'signal_mix_shift')
                    then 'signals'
                when {{ reason }} = 'calibration' then 'outcomes'
                when {{ reason }} = 'loss' then 'forecasts'
            end
        order by stored.epoch_date desc
        limit 1
    ) as renewed on true
    cross join lateral (
        select
            renewed.last_date is not null or {{ yesterday }}.is_alarm as is_new,
            coalesce(
                renewed.first_date,
                case
                    when {{ yesterday }}.is_alarm then {{ yesterday }}.first_breach_date
                    else {{ yesterday }}.reference_first_date
                end
            ) as first_date,
            coalesce(
                renewed.last_date,
                case
                    when not {{ yesterday }}.is_alarm
                        then {{ yesterday }}.reference_last_date
                end
            ) as last_date
    ) as started
    left join {{ totals }} as day_before
        on
            day_before.model_id = {{ of_model }}
            and day_before.health_date = {{ day }} - 1
    left join {{ totals }} as reference_before
        on
            reference_before.model_id = {{ of_model }}
            and reference_before.health_date = started.first_date - 1
    cross join lateral (
        select
            coalesce(
                started.last_date,
                case
                    when
                        {{ facts_of_reason(reason, 'day_before') }}
                        - coalesce({{ facts_of_reason(reason, 'reference_before') }}, 0)
                        >= {{ var('health_reference_signals') }}
                        and {{ facts_of_reason(reason, 'day_before', 'days_with_') }}
                        - coalesce({{ facts_of_reason(
                            reason, 'reference_before', 'days_with_'
                        ) }}, 0)
                        >= {{ var('health_reference_days') }}
                        and started.first_date is not null
                        then {{ day }} - 1
                end
            ) as last_date
    ) as completed
    left join {{ totals }} as reference
        on
            reference.model_id = {{ of_model }}
            and reference.health_date = completed.last_date
    inner join {{ totals }} as today
        on
            today.model_id = {{ of_model }}
            and today.health_date = {{ day }}
    left join {{ totals }} as window_before
        on
            window_before.model_id = {{ of_model }}
            and window_before.health_date = {{ day }} - {{ window_days }}
    inner join {{ ref('int_model_health') }} as health
        on health.model_id = {{ of_model }} and health.health_date = {{ day }}

    {#- How far the window is from it, and how certain that is. #}
    {% set confidences, mixes = [[], []], [[], []] -%}
    {%- set missed = [[], []] -%}
    {%- for side in ['w', 'r'] -%}
        {%- set number = loop.index0 -%}
        {%- for bin in range(1, 11) -%}
            {%- do confidences[number].append(side ~ '_signals_' ~ bin) -%}
            {%- do missed[number].append('abs(' ~ side ~ '_missed_' ~ bin ~ ')') -%}
        {%- endfor -%}
        {%- for type in ['buy', 'sell', 'hold'] -%}
            {%- do mixes[number].append(side ~ '_' ~ type ~ '_signals') -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- set figure -%}
        case {{ reason }}
            when 'confidence_shift' then {{ stability_index(
                confidences[0], 'w_signals', confidences[1], 'r_signals'
            ) }}
            when 'signal_mix_shift' then {{ stability_index(
                mixes[0], 'w_signals', mixes[1], 'r_signals'
            ) }}
            when 'calibration'
                then
                    cast({{ missed[0] | join(' + ') }} as {{ type_double() }})
                    / nullif(w_outcomes, 0)
                    - cast({{ missed[1] | join(' + ') }} as {{ type_double() }})
                    / nullif(r_outcomes, 0)
        end
    {%- endset -%}
    {%- set shifting = reason
        ~ " in ('confidence_shift', 'signal_mix_shift', 'calibration')" -%}
    {%- set of_day = 'stored.model_id = ' ~ of_model ~ ' and ' ~ shifting
        ~ ' and completed.last_date is not null' -%}
    cross join lateral (
        {{ left_out_days(
            figure, 'today', 'window_before', 'reference', 'reference_before',
            of_day ~ ' and stored.health_date > ' ~ day ~ ' - ' ~ window_days
                ~ ' and stored.health_date <= ' ~ day,
            of_day ~ ' and stored.health_date between started.first_date'
                ~ ' and completed.last_date',
            facts_of_reason(reason, 'stored') ~ ' > 0'
        ) }}
    ) as shifts

    {#- A bet on a stretch of days losing more than the reference's bound. #}
    left join {{ ref('int_health_loss_clusters') }} as clusters
        on
            {{ reason }} = 'loss'
            and clusters.model_id = {{ of_model }}
            and clusters.health_date = {{ day }}
            and clusters.health_date - {{ block_days }} >= completed.last_date
    cross join lateral (
        select
            cast(mean_loss as {{ type_double() }})
            + {{ var('trigger_loss_margin') }}
            + 1.6448536269514722 * sqrt(cast((
                select sum(
                    (stored.excess_loss - mean_loss * stored.forecasts)
                    * (stored.excess_loss - mean_loss * stored.forecasts)
                )
                from {{ ref('int_health_days') }} as stored
                where
                    stored.model_id = clusters.model_id
                    and stored.health_date
                    between started.first_date and completed.last_date
            ) as {{ type_double() }}))
            / cast(reference_forecasts as {{ type_double() }}) as allowed_loss
        from (
            select
                reference.forecasts - coalesce(reference_before.forecasts, 0)
                    as reference_forecasts,
                round(
                    (reference.excess_loss - coalesce(reference_before.excess_loss, 0))
                    / nullif(
                        reference.forecasts - coalesce(reference_before.forecasts, 0), 0
                    ),
                    15
                ) as mean_loss
        ) as means
    ) as allowed
    cross join lateral (
        select greatest(
            case when started.is_new then 0 else {{ yesterday }}.most_loss end,
            coalesce(
                clusters.most_excess_loss
                + abs(allowed.allowed_loss) * clusters.forecasts,
                0
            )
        ) as most_loss
    ) as bounds
    cross join lateral (
        select
            coalesce(
                (clusters.excess_loss - allowed.allowed_loss * clusters.forecasts)
                / nullif(
                    greatest(
                        clusters.most_excess_loss
                        + abs(allowed.allowed_loss) * clusters.forecasts,
                        1.5 * case
                            when started.is_new then 0 else {{ yesterday }}.most_loss
                        end
                    ),
                    0
                ),
                0
            ) as share
    ) as shares
    cross join lateral (
        select
            {% for bet in bets -%}
                greatest(
                    case
                        when started.is_new then 1
                        else {{ yesterday }}.wealth_{{ loop.index }}
                    end * (1 + {{ bet }} * shares.share),
                    1e-100
                ) as wealth_{{ loop.index }}{{ "," if not loop.last }}
            {% endfor %}
    ) as wealths
    cross join lateral (
        select
            case
                when {{ shifting }}
                    then
                        {{ facts_of_reason(reason, 'today') }}
                        - coalesce({{ facts_of_reason(reason, 'window_before') }}, 0)
                when {{ reason }} = 'loss' then today.forecasts - reference.forecasts
                when {{ reason }} = 'skill' then health.window_signals
                else today.signals
            end as n,
            case
                when {{ shifting }} then shifts.window_days
                when {{ reason }} = 'loss'
                    then today.days_with_forecasts - reference.days_with_forecasts
                when {{ reason }} = 'skill' then health.rank_ic_days
                else today.days_with_signals
            end as days,
            case {{ reason }}
    {% for name, bins in [('confidence_shift', 10), ('signal_mix_shift', 3)] -%}
                    when '{{ name }}' then shifts.figure - greatest(
                        shifts.bias,
                        {{ bins - 1 }} * (
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
                {% endfor -%}
                when 'calibration' then shifts.figure - shifts.bias
                when 'loss'
                    then case
                        when completed.last_date is not null
                            then (
                                {% for bet in bets -%}
                                    wealths.wealth_{{ loop.index }}
                                    {{- ' +' if not loop.last }}
                                {% endfor %}
                            ) / {{ bets | length }}
                    end
                when 'skill' then -health.rank_ic
                else {{ day }} - health.last_signal_date
            end as figure,
            case
                when {{ shifting }} then sqrt(shifts.variance)
                when {{ reason }} = 'skill'
                    then (health.rank_ic_upper - health.rank_ic_lower) / (2 * {{ z }})
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
    cross join lateral (
        select coalesce(
            measured.figure >= measured.threshold
            and measured.figure
            >= {{ var('trigger_certainty') }} * measured.standard_error
            and measured.days >= {{ var('trigger_min_days') }}
            and (
                measured.n >= {{ var('trigger_min_facts') }}
                or {{ reason }} in ('skill', 'silence')
            )
            and coalesce({{ calendar }}.stage, 'champion') <> 'retired', false
        ) as is_breach
    ) as breaches
    cross join lateral (
        select
            case
                when not breaches.is_breach then 0
                when started.is_new then 1
                else {{ yesterday }}.breach_days + 1
            end as breach_days,
            coalesce(
                {{ yesterday }}.is_open and (
                    measured.figure < measured.threshold / 2
                    or {{ calendar }}.stage = 'retired'
                ), false
            ) as is_cleared
    ) as runs
    cross join lateral (
        select
            runs.breach_days >= {{ var('trigger_hold_days') }}
            and not {{ yesterday }}.is_open
            and (
                {{ yesterday }}.alarm_date is null
                or {{ day }} - {{ yesterday }}.alarm_date
                >= {{ var('trigger_cooldown_days') }}
            ) as is_alarm
    ) as alarms
    cross join lateral (
        select
            {{ yesterday }}.model_id,
            {{ yesterday }}.reason,
            started.first_date as reference_first_date,
            completed.last_date as reference_last_date,
            measured.n,
            measured.days,
            measured.figure,
            measured.standard_error,
            measured.threshold,
            runs.breach_days,
            case
                when runs.breach_days = 1 then {{ day }}
                when runs.breach_days > 1 then {{ yesterday }}.first_breach_date
            end as first_breach_date,
            alarms.is_alarm,
            case
                when alarms.is_alarm then {{ day }} else {{ yesterday }}.alarm_date
            end as alarm_date,
            alarms.is_alarm
            or ({{ yesterday }}.is_open and not runs.is_cleared) as is_open,
            runs.is_cleared,
            bounds.most_loss,
            {% for bet in bets -%}
                wealths.wealth_{{ loop.index }}{{ "," if not loop.last }}
            {% endfor %}
    ) as states
{%- endmacro %}

{#
    The join for how far the window is from the reference, and how certain that is: `shifts`.

    yesterday: the relation of the day before, with trigger_state().
    day: an expression for the day.
    is_shift: the condition that the reason is a figure beside the reference.
#}
{% macro trigger_shift(yesterday, day, is_shift) -%}
    {%- set reason = yesterday ~ '.reason' -%}
    {%- set of_model = yesterday ~ '.model_id' -%}
    {%- set window_days = var('health_window_days') -%}
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
    {%- set of_day = 'stored.model_id = ' ~ of_model ~ ' and ' ~ is_shift
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
{%- endmacro %}

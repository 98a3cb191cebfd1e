{#
    The facts that the reference of a reason to retrain counts, of a row of health_sums(): NULL for a reason
    without a reference.

    reason: an expression for the reason.
    relation: the name of the relation that has the row.
    prefix: of the columns' names.
#}
{% macro facts_of_reason(reason, relation, prefix='') -%}
    case
        when {{ reason }} in ('confidence_shift', 'signal_mix_shift')
            then {{ relation }}.{{ prefix }}signals
        when {{ reason }} = 'calibration' then {{ relation }}.{{ prefix }}outcomes
        when {{ reason }} = 'loss' then {{ relation }}.{{ prefix }}forecasts
    end
{%- endmacro %}

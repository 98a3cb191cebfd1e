{#
    What signals of a model and a direction may have in common besides, from the closest level to the
    broadest, each with its columns of int_ensemble_signal_outcomes.
#}
{% macro similarity_levels() -%}
    {{ return({
        'symbol': ['confidence_bin', 'relation', 'symbol'],
        'relation': ['confidence_bin', 'relation'],
        'confidence': ['confidence_bin'],
        'direction': [],
    }) }}
{%- endmacro %}

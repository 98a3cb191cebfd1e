{#
    The levels of similarity of signals with the same model and direction, from the closest to the broadest,
    each with its columns of int_ensemble_signal_outcomes.
#}
{% macro similarity_levels() -%}
    {{ return({
        'symbol': ['confidence_bin', 'relation', 'symbol'],
        'relation': ['confidence_bin', 'relation'],
        'confidence': ['confidence_bin'],
        'direction': [],
    }) }}
{%- endmacro %}

{#
    The parts of a stake that are bet, each time, for an e-value: its mean over several bets needs no choice
    of the best one.
#}
{% macro trial_bets() -%}
    {{ return(['0.05', '0.1', '0.2', '0.4', '0.6', '0.9']) }}
{%- endmacro %}

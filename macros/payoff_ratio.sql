{#
    The average win over the absolute average loss, of columns won_profit, winning_trades, lost_profit and
    losing_trades; NULL without a win or a loss.
#}
{% macro payoff_ratio() -%}
    {{ mean_profit('won_profit', 'winning_trades') }}
    / abs({{ mean_profit('lost_profit', 'losing_trades') }})
{%- endmacro %}

{#
    A query for the ranges of bars of a symbol that follow each other without a gap: symbol,
    first_number and last_number.

    bars: a relation or CTE with symbol and bar_number.
#}
{% macro bar_ranges(bars) -%}
    select
        symbol,
        min(bar_number) as first_number,
        max(bar_number) as last_number
    from (
        select
            symbol,
            bar_number,
            bar_number - dense_rank() over (
                partition by symbol
                order by bar_number
            ) as range_number
        from {{ bars }}
    ) as ranked_bars
    group by symbol, range_number
{%- endmacro %}

{#
    A query for the bars that changed, as they were and as they are. A bar that only has another number now, since
    one before it came or went, has as many old images as new ones, and is left out.

    images: the changes of int_bars_numbered.
#}
{% macro moved_bars(images) -%}
    select
        symbol,
        opened_at,
        closed_at
    from {{ images }} as bars
    group by symbol, opened_at, closed_at, low_price, high_price
    having mod(count(*), 2) = 1
{%- endmacro %}

{#
    The last CTEs of int_signal_fills: for each row of `fills`, the lowest and the highest price of the bars
    from the order to its fill.
#}
{% macro bars_of_fills() -%}
    {{ return(adapter.dispatch('bars_of_fills')()) }}
{%- endmacro %}

{% macro default__bars_of_fills() -%}
begun as (

    select
        fills.*,
        (
            select max(earlier.opened_at)
            from {{ ref('int_bars_numbered') }} as earlier
            where
                earlier.symbol = fills.symbol
                and earlier.opened_at <= fills.created_at
        ) as first_opened_at
    from fills
    {{ kept_apart() }}

),

-- A fill has the mean price of its parts, from the order on.
signal_fills as (

    select
        begun.order_id,
        begun.signal_id,
        begun.symbol,
        begun.filled_price,
        begun.created_at,
        begun.filled_at,
        cast(between_them.lowest_price as {{ type_money() }}) as lowest_price,
        cast(between_them.highest_price as {{ type_money() }}) as highest_price
    from begun
    left join
        lateral (
            select
                min(bars.low_price) as lowest_price,
                max(bars.high_price) as highest_price,
                max(bars.closed_at) as closed_at
            from {{ ref('int_bars_numbered') }} as bars
            where
                bars.symbol = begun.symbol
                and bars.opened_at
                >= coalesce(begun.first_opened_at, begun.created_at)
                and bars.opened_at <= begun.filled_at
                and bars.closed_at >= begun.created_at
        ) as between_them
        -- Without the bar of the fill itself, its price is not known.
        on begun.filled_at <= between_them.closed_at

)
{%- endmacro %}

{#
    Spark looks nothing up row by row: fills are joined with the bars that touch their lives.
#}
{% macro spark__bars_of_fills() -%}
begun as (

    select
        fills.*,
        bars.opened_at as bar_opened_at,
        bars.closed_at as bar_closed_at,
        bars.low_price,
        bars.high_price,
        max(bars.opened_at) filter (
            where bars.opened_at <= fills.created_at
        ) over (partition by fills.order_id) as first_opened_at
    from fills
    left join {{ ref('int_bars_numbered') }} as bars
        on
            fills.symbol = bars.symbol
            and fills.filled_at >= bars.opened_at
            and fills.created_at <= bars.closed_at

),

between_them as (

    select
        order_id,
        min(low_price) as lowest_price,
        max(high_price) as highest_price
    from begun
    where bar_opened_at >= coalesce(first_opened_at, created_at)
    group by order_id, filled_at
    having filled_at <= max(bar_closed_at)

),

signal_fills as (

    select
        fills.order_id,
        fills.signal_id,
        fills.symbol,
        fills.filled_price,
        fills.created_at,
        fills.filled_at,
        cast(between_them.lowest_price as {{ type_money() }}) as lowest_price,
        cast(between_them.highest_price as {{ type_money() }}) as highest_price
    from fills
    left join between_them
        on fills.order_id = between_them.order_id

)
{%- endmacro %}

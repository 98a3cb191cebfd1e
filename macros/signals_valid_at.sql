{#
    A query for the signals that were valid when one of the given orders of the same symbol came, and some
    other signals. Orders that may share a signal form one stretch: signals are looked up once per stretch,
    so a long-lived signal is not read again for each order.

    orders: a relation or CTE with symbol and created_at.
#}
{% macro signals_valid_at(orders) -%}
    {%- set signals = ref('stg_ai__trading_signals') -%}
    {#- The longest lifetime of a signal limits how far back the index is read. -#}
    {%- set longest_life -%}
        (select max({{ lifetime_hours() }}) * interval '1 hour' from {{ signals }})
    {%- endset -%}
    with starts as (

        select
            symbol,
            created_at,
            case
                when
                    created_at - {{ longest_life }}
                    <= lag(created_at) over (partition by symbol order by created_at)
                    then 0
                else 1
            end as is_start
        from {{ orders }}

    ),

    numbered as (

        select
            symbol,
            created_at,
            sum(is_start) over (partition by symbol order by created_at) as stretch
        from starts

    ),

    stretches as (

        select
            symbol,
            min(created_at) as first_at,
            max(created_at) as last_at
        from numbered
        group by symbol, stretch

    )

    select valid_signals.*
    from stretches
    cross join lateral (
        select
            stored.signal_id,
            stored.model_id,
            stored.symbol,
            stored.signal_type,
            stored.created_at,
            stored.valid_until_at
        from {{ signals }} as stored
        where
            stored.symbol = stretches.symbol
            and stored.created_at <= stretches.last_at
            and stored.created_at >= stretches.first_at - {{ longest_life }}
            and stored.valid_until_at > stretches.first_at
        {{ kept_apart() }}
    ) as valid_signals
{%- endmacro %}

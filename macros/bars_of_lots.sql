{#
    A query for lots with the numbers of the first and the last bar that lie wholly within their lives, of
    which the last may be before the first. NULL where no bar comes after the beginning or before the end.

    lots: a relation or CTE with opening_order_id, closing_order_id, symbol, entry_at and exit_at.
#}
{% macro bars_of_lots(lots) -%}
    {{ return(adapter.dispatch('bars_of_lots')(lots)) }}
{%- endmacro %}

{% macro default__bars_of_lots(lots) %}
    select
        {{ lots }}.*,
        (
            select stored.bar_number
            from {{ ref('int_bars_numbered') }} as stored
            where
                stored.symbol = {{ lots }}.symbol
                and stored.opened_at >= {{ lots }}.entry_at
            order by stored.opened_at asc
            limit 1
        ) as first_bar_number,
        (
            select stored.bar_number
            from {{ ref('int_bars_numbered') }} as stored
            where
                stored.symbol = {{ lots }}.symbol
                and stored.opened_at < {{ lots }}.exit_at
                and stored.closed_at <= {{ lots }}.exit_at
            order by stored.opened_at desc
            limit 1
        ) as last_bar_number
    from {{ lots }}
    {{ kept_apart() }}
{%- endmacro %}

{#
    Spark looks nothing up row by row: lots and bars are put on one line of time. A bar's number is the number
    of bars before it.
#}
{% macro spark__bars_of_lots(lots) -%}
    {%- set key = ['opening_order_id', 'closing_order_id'] -%}
    select
        {{ lots }}.*,
        case
            when opened.bars_opened < known.bars then opened.bars_opened
        end as first_bar_number,
        nullif(closed.bars_closed, 0) - 1 as last_bar_number
    from {{ lots }}
    left join (
        select symbol, count(*) as bars
        from {{ ref('int_bars_numbered') }}
        group by symbol
    ) as known
        on {{ lots }}.symbol = known.symbol
    {% for counts, counted_at, count, moment in [
        ('opened', 'opened_at', 'bars_opened', 'entry_at'),
        ('closed', 'closed_at', 'bars_closed', "exit_at + interval '0.000001 seconds'")
    ] -%}
    inner join (
        {{ counted_before(
            rows=lots,
            key=key,
            moments={count: moment},
            counted=ref('int_bars_numbered'),
            counted_at=counted_at,
            group_by=['symbol']
        ) }}
    ) as {{ counts }}
        on
            {% for column in key -%}
            {{ lots }}.{{ column }} = {{ counts }}.{{ column }} {{ 'and ' if not loop.last }}
            {% endfor %}
    {% endfor %}
{%- endmacro %}

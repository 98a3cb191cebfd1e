{#
    A query for the trades of each source: those of the source itself and, as source 'all', those of all
    sources of its type; in their account, and in all accounts of a currency that has several.

    trades: a relation or CTE with the columns of int_lots_closed.
    accounts: a relation or CTE with the columns of int_accounts.

    Columns: source_number, which stands for the five that follow, since numbers sort faster than names;
    source_type, source_name, is_total, account, currency; trading_date (of the exit), exit_at,
    closing_order_id, opening_order_id, result and net_profit.
#}
{% macro trades_by_source(trades, accounts) -%}
    with traded as (

        select distinct
            source_type,
            source_name,
            account,
            currency
        from {{ trades }}

    ),

    kinds as (

        select false as is_total
        union all
        select true as is_total

    ),

    counted_in as (

        select
            traded.source_type,
            traded.source_name as traded_name,
            traded.account as traded_account,
            traded.currency,
            case when kinds.is_total then 'all' else traded.source_name end as source_name,
            kinds.is_total,
            counting.account
        from traded
        inner join {{ accounts }} as counting
            on
                traded.currency = counting.currency
                and counting.account in (traded.account, 'all')
        cross join kinds

    ),

    numbered_sources as (

        select
            *,
            dense_rank() over (
                order by source_type, source_name, is_total, account, currency
            ) as source_number
        from counted_in

    )

    select
        numbered_sources.source_number,
        numbered_sources.source_type,
        numbered_sources.source_name,
        numbered_sources.is_total,
        numbered_sources.account,
        numbered_sources.currency,
        {{ utc_date('closed.exit_at') }} as trading_date,
        closed.exit_at,
        closed.closing_order_id,
        closed.opening_order_id,
        closed.result,
        closed.net_profit
    from {{ trades }} as closed
    inner join numbered_sources
        on
            closed.source_type = numbered_sources.source_type
            and closed.source_name = numbered_sources.traded_name
            and closed.account = numbered_sources.traded_account
            and closed.currency = numbered_sources.currency
{%- endmacro %}

-- Grain: a UTC day and a source, or all of a type, that closed a trade on it.

{{ config(
    materialized='incremental',
    unique_key=['trading_date', 'source_type', 'source_name', 'is_total'],
    meta={'affected_by': 'trading_date'}
) }}

with trades as (

    select
        *,
        {{ utc_date('exit_at') }} as trading_date,
        cast(sign(net_profit) as integer) as result
    from {{ ref('trades') }}
    {{ where_affected(utc_date('exit_at'), 'trading_date') }}

),

named_trades as (

    select
        trading_date,
        source_type,
        source_name,
        false as is_total,
        exit_at,
        closing_order_id,
        opening_order_id,
        result
    from trades

    union all

    select
        trading_date,
        source_type,
        'all' as source_name,
        true as is_total,
        exit_at,
        closing_order_id,
        opening_order_id,
        result
    from trades

),

-- Two numberings run in step as long as the result stays the same: their difference
-- names the run.
numbered_trades as (

    select
        *,
        row_number() over (
            partition by trading_date, source_type, source_name, is_total
            order by exit_at, closing_order_id, opening_order_id
        ) as trade_number,
        row_number() over (
            partition by trading_date, source_type, source_name, is_total, result
            order by exit_at, closing_order_id, opening_order_id
        ) as trade_number_of_result
    from named_trades

),

runs as (

    select
        trading_date,
        source_type,
        source_name,
        is_total,
        result,
        count(*) as trades,
        row_number() over (
            partition by trading_date, source_type, source_name, is_total
            order by min(trade_number)
        ) as run_number,
        row_number() over (
            partition by trading_date, source_type, source_name, is_total
            order by min(trade_number) desc
        ) as reverse_run_number
    from numbered_trades
    group by
        trading_date,
        source_type,
        source_name,
        is_total,
        result,
        trade_number - trade_number_of_result

),

source_runs as (

    select
        trading_date,
        source_type,
        source_name,
        is_total,
        count(*) as runs,
        max(result) filter (where run_number = 1) as first_result,
        max(trades) filter (where run_number = 1) as first_run_trades,
        max(result) filter (where reverse_run_number = 1) as last_result,
        max(trades) filter (where reverse_run_number = 1) as last_run_trades,
        coalesce(max(trades) filter (where result = 1), 0) as longest_win_run_trades,
        coalesce(max(trades) filter (where result = -1), 0) as longest_loss_run_trades
    from runs
    group by trading_date, source_type, source_name, is_total

)

select * from source_runs

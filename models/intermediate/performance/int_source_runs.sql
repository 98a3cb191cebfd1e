-- Grain: a UTC day and a source, or all of a type, that closed a trade on it in an
-- account, or in all of a currency.

{{ config(
    unique_key=[
        'trading_date', 'source_type', 'source_name', 'is_total', 'account', 'currency'
    ],
    meta={
        'affected_by': 'trading_date',
        'follows': {
            'int_lots_closed': utc_date('exit_at'),
            'int_accounts': through('this', 'currency', keys='trading_date')
        }
    }
) }}

with trades as (

    select *
    from {{ followed('int_lots_closed') }}

),

accounts as (

    select * from {{ ref('int_accounts') }}

),

source_trades as (

    {{ trades_by_source('trades', 'accounts') }}

),

numbered_sources as (

    select distinct
        source_number,
        source_type,
        source_name,
        is_total,
        account,
        currency
    from source_trades

),

named_trades as (

    select
        source_number,
        trading_date,
        exit_at,
        closing_order_id,
        opening_order_id,
        case result when 'WIN' then 1 when 'LOSS' then -1 else 0 end as result
    from source_trades

),

-- Two numberings run in step as long as the result stays the same: their difference
-- names the run.
numbered_trades as (

    select
        *,
        row_number() over (
            partition by source_number, trading_date
            order by exit_at, closing_order_id, opening_order_id
        ) as trade_number,
        row_number() over (
            partition by source_number, trading_date, result
            order by exit_at, closing_order_id, opening_order_id
        ) as trade_number_of_result
    from named_trades

),

runs as (

    select
        source_number,
        trading_date,
        result,
        count(*) as trades,
        row_number() over (
            partition by source_number, trading_date
            order by min(trade_number)
        ) as run_number,
        row_number() over (
            partition by source_number, trading_date
            order by min(trade_number) desc
        ) as reverse_run_number
    from numbered_trades
    group by
        source_number,
        trading_date,
        result,
        trade_number - trade_number_of_result

),

summed_runs as (

    select
        source_number,
        trading_date,
        count(*) as runs,
        max(result) filter (where run_number = 1) as first_result,
        max(trades) filter (where run_number = 1) as first_run_trades,
        max(result) filter (where reverse_run_number = 1) as last_result,
        max(trades) filter (where reverse_run_number = 1) as last_run_trades,
        coalesce(max(trades) filter (where result = 1), 0) as longest_win_run_trades,
        coalesce(max(trades) filter (where result = -1), 0) as longest_loss_run_trades
    from runs
    group by source_number, trading_date

),

source_runs as (

    select
        summed_runs.trading_date,
        numbered_sources.source_type,
        numbered_sources.source_name,
        numbered_sources.is_total,
        numbered_sources.account,
        numbered_sources.currency,
        summed_runs.runs,
        summed_runs.first_result,
        summed_runs.first_run_trades,
        summed_runs.last_result,
        summed_runs.last_run_trades,
        summed_runs.longest_win_run_trades,
        summed_runs.longest_loss_run_trades
    from summed_runs
    inner join numbered_sources
        on summed_runs.source_number = numbered_sources.source_number

)

select * from source_runs

-- Grain: a source of trades in an account: an AI model version, a strategy of the
-- platform's own, or all of either type. Days are UTC.

{{ config(
    unique_key=['source_type', 'source_name', 'account', 'currency'],
    meta={'follows': 'whole'}
) }}

with models as (

    select * from {{ ref('stg_ai__models') }}

),

signal_days as (

    select * from {{ ref('int_signal_days') }}

),

source_days as (

    select * from {{ ref('int_source_days') }}

),

accounts as (

    select * from {{ ref('int_accounts') }}

),

bounds as (

    select
        min(trading_date) as first_date,
        max(trading_date) as last_date
    from {{ ref('int_calendar') }}

),

-- A model counts from its registration on, even without a signal: silence is a choice.
-- An imported history is older than the model's row.
model_days as (

    select
        model_label as source_name,
        {{ utc_date('created_at') }} as seen_date
    from models

    union all

    select
        models.model_label as source_name,
        signal_days.trading_date as seen_date
    from signal_days
    inner join models
        on signal_days.model_id = models.model_id

),

-- The days that show that a source was active. A model without an order is silent in
-- all accounts of a currency together, and is no source of a single one of several.
appearances as (

    select
        'ai' as source_type,
        model_days.source_name,
        accounts.account,
        accounts.currency,
        model_days.seen_date
    from model_days
    cross join accounts
    where accounts.is_all_accounts

    union all

    select
        source_days.source_type,
        source_days.source_name,
        accounts.account,
        accounts.currency,
        source_days.trading_date as seen_date
    from source_days
    inner join accounts
        on
            source_days.currency = accounts.currency
            and accounts.account in (source_days.account, 'all')
    where source_days.orders > 0

),

-- A strategy may also be called 'all': its trades are in the total, and it gets no row
-- of its own.
named_appearances as (

    select
        *,
        false as is_total
    from appearances
    where source_name <> 'all'

    union all

    select
        source_type,
        'all' as source_name,
        account,
        currency,
        seen_date,
        true as is_total
    from appearances

),

first_days as (

    select
        source_type,
        source_name,
        account,
        currency,
        is_total,
        min(seen_date) as seen_date
    from named_appearances
    group by source_type, source_name, account, currency, is_total

),

-- No source begins before its account.
sources as (

    select
        first_days.source_type,
        first_days.source_name,
        first_days.account,
        first_days.currency,
        first_days.is_total,
        accounts.is_all_accounts,
        accounts.capital_base,
        least(
            greatest(first_days.seen_date, accounts.first_date, bounds.first_date),
            bounds.last_date
        ) as first_date
    from first_days
    inner join accounts
        on
            first_days.account = accounts.account
            and first_days.currency = accounts.currency
    cross join bounds
    where bounds.first_date is not null

)

select * from sources

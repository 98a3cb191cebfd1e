-- Grain: an account of a currency, or all accounts of a currency that has several. Days
-- are UTC.

{# The linter has no value for a var: the defaults are for it alone. #}
{% set capital_base = var('capital_base', 1) %}
{% set capital_bases = var('capital_bases') %}

{{ config(
    unique_key=['account', 'currency'],
    meta={'follows': 'whole'}
) }}

with source_days as (

    select * from {{ ref('int_source_days') }}

),

trading_stats as (

    select * from {{ ref('stg_platform__trading_stats') }}

),

appearances as (

    select
        account,
        currency,
        min(trading_date) as first_date
    from source_days
    where orders > 0
    group by account, currency

    union all

    select
        account,
        currency,
        min(trading_date) as first_date
    from trading_stats
    group by account, currency

),

-- Before the first order and report there is one account, in which models may be
-- silent.
known as (

    select * from appearances

    union all

    select
        'main' as account,
        'main' as currency,
        cast(null as date) as first_date
    where not exists (select 1 from appearances)

),

accounts as (

    select
        account,
        currency,
        min(first_date) as first_date,
        cast(
            case
                {% for name in capital_bases -%}
                    when
                        account || '/' || currency
                        = {{ dbt.string_literal(dbt.escape_single_quotes(name)) }}
                        then {{ capital_bases[name] | default(1) }}
                {% endfor -%}
                when true then {{ capital_base }}
            end as {{ type_money() }}
        ) as capital_base
    from known
    group by account, currency

),

currencies as (

    select
        currency,
        count(*) as accounts,
        min(first_date) as first_date,
        cast(sum(capital_base) as {{ type_money() }}) as capital_base
    from accounts
    group by currency

),

accounts_and_totals as (

    select
        accounts.account,
        accounts.currency,
        currencies.accounts = 1 as is_all_accounts,
        accounts.first_date,
        accounts.capital_base
    from accounts
    inner join currencies
        on accounts.currency = currencies.currency

    union all

    select
        'all' as account,
        currency,
        true as is_all_accounts,
        first_date,
        capital_base
    from currencies
    where accounts > 1

)

select * from accounts_and_totals

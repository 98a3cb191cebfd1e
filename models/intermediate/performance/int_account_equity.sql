-- Grain: an account, or all accounts of a currency, and a UTC day, every one from the
-- account's first to the last on which a signal came, a trade closed or the platform
-- reported.

{{ config(
    unique_key=['account', 'currency', 'trading_date'],
    meta={'follows': 'whole'}
) }}

{% set counts = ['trades', 'winning_trades', 'losing_trades'] %}
{% set amounts = ['net_profit', 'gross_profit', 'gross_loss', 'open_value'] %}

with accounts as (

    select * from {{ ref('int_accounts') }}

),

-- All AI and all of the platform's own; either may begin later than the other.
totals as (

    select
        account,
        currency,
        trading_date,
        bool_or(has_open_position) as has_open_position,
        {% for column in counts -%}
            cast(sum({{ column }}) as bigint) as {{ column }},
        {% endfor -%}
        {% for column in amounts -%}
            cast(sum({{ column }}) as {{ type_money() }}) as {{ column }}
            {%- if not loop.last %},{% endif %}
        {% endfor %}
    from {{ ref('int_source_equity') }}
    where source_name = 'all'
    group by account, currency, trading_date

),

running as (

    select
        totals.*,
        accounts.is_all_accounts,
        accounts.capital_base,
        cast(
            accounts.capital_base + sum(totals.net_profit) over (
                partition by totals.account, totals.currency
                order by totals.trading_date
                rows between unbounded preceding and current row
            ) as {{ type_money() }}
        ) as equity
    from totals
    inner join accounts
        on
            totals.account = accounts.account
            and totals.currency = accounts.currency

),

account_equity as (

    {{ daily_returns('running') | indent(4) }}

)

select * from account_equity

-- Grain: a source in an account and a UTC day, every one from the source's first to the
-- last on which a signal came, a trade closed or the platform reported.

{{ config(
    unique_key=['source_type', 'source_name', 'account', 'currency', 'trading_date'],
    meta={'follows': 'whole'}
) }}

{% set counts = ['trades', 'winning_trades', 'losing_trades'] %}
{% set amounts = ['net_profit', 'gross_profit', 'gross_loss'] %}
{% set changes = ['change', 'value_change'] %}

with sources as (

    select * from {{ ref('int_sources') }}

),

facts as (

    select
        source_type,
        source_name,
        account,
        currency,
        trading_date,
        {% for column in counts + amounts -%}
            {{ column }},
        {% endfor -%}
        opened_positions as change,
        opened_value - closed_value as value_change
    from {{ ref('int_source_days') }}

    union all

    -- A position also counts as open on the day on which it is closed.
    select
        source_type,
        source_name,
        account,
        currency,
        trading_date + 1 as trading_date,
        {% for column in counts + amounts -%}
            0 as {{ column }},
        {% endfor -%}
        -1 * trades as change,
        0 as value_change
    from {{ ref('int_source_days') }}

),

-- A strategy may also be called 'all': its trades are only in the total.
named_facts as (

    select * from facts
    where source_name <> 'all'

    union all

    select
        source_type,
        'all' as source_name,
        account,
        currency,
        trading_date,
        {% for column in counts + amounts -%}
            {{ column }},
        {% endfor -%}
        change,
        value_change
    from facts

),

-- What a source did in an account is also part of all accounts of the currency. A
-- position may have been opened, and an order's fill stamped, before the source's first
-- day.
daily_facts as (

    select
        sources.source_type,
        sources.source_name,
        sources.account,
        sources.currency,
        greatest(named_facts.trading_date, sources.first_date) as trading_date,
        {% for column in counts + amounts + changes -%}
            sum(named_facts.{{ column }}) as {{ column }}
            {%- if not loop.last %},{% endif %}
        {% endfor %}
    from named_facts
    inner join sources
        on
            named_facts.source_type = sources.source_type
            and named_facts.source_name = sources.source_name
            and named_facts.currency = sources.currency
            and sources.account in (named_facts.account, 'all')
    group by
        sources.source_type,
        sources.source_name,
        sources.account,
        sources.currency,
        greatest(named_facts.trading_date, sources.first_date)

),

running as (

    select
        sources.source_type,
        sources.source_name,
        sources.account,
        sources.currency,
        sources.is_all_accounts,
        calendar.trading_date,
        {% for column in counts -%}
            cast(coalesce(daily_facts.{{ column }}, 0) as bigint) as {{ column }},
        {% endfor -%}
        {% for column in amounts -%}
            cast(
                coalesce(daily_facts.{{ column }}, 0) as {{ type_money() }}
            ) as {{ column }},
        {% endfor -%}
        cast(
            sources.capital_base + coalesce(sum(daily_facts.net_profit) over past, 0)
            as {{ type_money() }}
        ) as equity,
        coalesce(sum(daily_facts.change) over past, 0) > 0 as has_open_position,
        cast(
            coalesce(sum(daily_facts.value_change) over past, 0)
            as {{ type_money() }}
        ) as open_value
    from sources
    inner join {{ ref('int_calendar') }} as calendar
        on sources.first_date <= calendar.trading_date
    left join daily_facts
        on
            {{ same_source('sources', 'daily_facts') }}
            and calendar.trading_date = daily_facts.trading_date
    window past as (
        partition by
            sources.source_type, sources.source_name, sources.account, sources.currency
        order by calendar.trading_date
        rows between unbounded preceding and current row
    )

),

source_equity as (

    {{ daily_returns('running') | indent(4) }}

)

select * from source_equity

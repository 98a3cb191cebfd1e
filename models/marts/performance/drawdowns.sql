-- Grain: a source in an account, or the account itself, and a time in which its equity
-- was below its peak. Days are UTC.

{{ config(
    unique_key=['source_type', 'source_name', 'account', 'currency', 'begin_date'],
    meta={'follows': 'whole'}
) }}

{% set source = 'source_type, source_name, account, currency' %}

with last_closed as (

    select max(last_date) as last_date
    from {{ ref('int_windows') }}

),

equity_days as (

    {% for relation, source_type, source_name in [
        ('int_source_equity', 'source_type', 'source_name'),
        ('int_account_equity', "'all'", "'all'")
    ] %}
        select
            {{ source_type }} as source_type,
            {{ source_name }} as source_name,
            account,
            currency,
            is_all_accounts,
            trading_date,
            start_equity,
            equity
        from {{ ref(relation) }}
        where
            trading_date <= (select last_closed.last_date from last_closed)
        {{ 'union all' if not loop.last }}
    {% endfor %}

),

peaks as (

    select
        *,
        max(greatest(start_equity, equity)) over past as peak_equity,
        max(trading_date) over (partition by {{ source }}) as last_date
    from equity_days
    window past as (
        partition by {{ source }}
        order by trading_date
        rows between unbounded preceding and current row
    )

),

-- The days below a peak follow the same number of days at one.
numbered as (

    select
        *,
        count(*) filter (where equity >= peak_equity) over (
            partition by {{ source }}
            order by trading_date
            rows between unbounded preceding and current row
        ) as peak_days
    from peaks

),

ranked as (

    select
        *,
        row_number() over (
            partition by {{ source }}, peak_days
            order by equity, trading_date
        ) as depth_rank
    from numbered
    where equity < peak_equity

),

falls as (

    select
        source_type,
        source_name,
        account,
        currency,
        is_all_accounts,
        peak_days,
        min(trading_date) as begin_date,
        max(trading_date) filter (where depth_rank = 1) as trough_date,
        max(trading_date) as last_below_date,
        max(trading_date) = max(last_date) as is_open,
        max(peak_equity) as peak_equity,
        min(equity) as trough_equity
    from ranked
    group by {{ source }}, is_all_accounts, peak_days

),

drawdowns as (

    select
        source_type,
        source_name,
        account,
        currency,
        is_all_accounts,
        begin_date,
        trough_date,
        case when not is_open then last_below_date end as end_date,
        is_open,
        {{ days_between('begin_date', 'last_below_date') }} + 1 as days,
        cast(peak_equity as {{ type_money() }}) as peak_equity,
        cast(trough_equity as {{ type_money() }}) as trough_equity,
        cast(trough_equity - peak_equity as {{ type_money() }}) as lost_amount,
        cast(trough_equity - peak_equity as {{ type_double() }})
        / cast(peak_equity as {{ type_double() }}) as depth,
        -- That it is over is known after one more day.
        {{ utc_midnight('last_below_date + case when is_open then 1 else 2 end') }}
            as available_at
    from falls

)

select * from drawdowns

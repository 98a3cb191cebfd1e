-- Grain: a UTC day, a source in an account, and a value of a dimension of which it
-- closed a trade on that day.

{{ config(
    unique_key=[
        'trading_date', 'source_type', 'source_name', 'account', 'currency', 'dimension',
        'dimension_value'
    ],
    meta={
        'affected_by': 'trading_date',
        'follows': {'int_lots_closed': utc_date('exit_at')}
    },
    indexes=[{'columns': ['dimension', 'dimension_value', 'currency']}]
) }}

with trades as (

    select
        *,
        {{ utc_date('exit_at') }} as trading_date,
        {{ seconds_between('entry_at', 'exit_at') }} / 3600 as held_hours,
        cast(
            floor(
                {{ seconds_between(utc_midnight(utc_date('entry_at')), 'entry_at') }}
                / 3600
            ) as integer
        ) as entry_hour,
        -- The first day of the calendar was a Monday.
        1 + mod(
            {{ days_between("cast('0001-01-01' as date)", utc_date('entry_at')) }}, 7
        ) as entry_weekday
    from {{ followed('int_lots_closed') }}

),

-- Each trade once in each dimension. The place sorts values that their names do not.
valued_trades as (

    {% for dimension, value, place in [
        ('symbol', 'symbol', 0),
        ('direction', 'direction', 0),
        ('exit_reason', "coalesce(exit_reason, 'unknown')", 0),
        ('entry_tag', "coalesce(entry_tag, 'unknown')", 0),
        ('entry_hour', 'cast(entry_hour as ' ~ dbt.type_string() ~ ')', 'entry_hour'),
        (
            'entry_weekday',
            "case entry_weekday when 1 then 'Monday' when 2 then 'Tuesday'"
            ~ " when 3 then 'Wednesday' when 4 then 'Thursday' when 5 then 'Friday'"
            ~ " when 6 then 'Saturday' else 'Sunday' end",
            'entry_weekday'
        ),
        (
            'holding_time',
            "case when held_hours < 1 then 'under 1 h' when held_hours < 4 then '1 h to 4 h'"
            ~ " when held_hours < 24 then '4 h to 1 d' when held_hours < 168 then '1 d to 7 d'"
            ~ " else '7 d and more' end",
            'case when held_hours < 1 then 1 when held_hours < 4 then 2'
            ~ ' when held_hours < 24 then 3 when held_hours < 168 then 4 else 5 end'
        )
    ] %}
        select
            trades.*,
            '{{ dimension }}' as dimension,
            {{ value }} as dimension_value,
            {{ place }} as place
        from trades
        {{ 'union all' if not loop.last }}
    {% endfor %}

),

int_trade_breakdown_days as (

    select
        trading_date,
        source_type,
        source_name,
        account,
        currency,
        dimension,
        dimension_value,
        max(place) as place,
        count(*) as trades,
        count(*) filter (where result = 'WIN') as winning_trades,
        count(*) filter (where result = 'LOSS') as losing_trades,
        {% for column, condition in {
            'net_profit': none,
            'gross_profit': 'net_profit > 0',
            'gross_loss': 'net_profit < 0',
            'won_profit': "result = 'WIN'",
            'lost_profit': "result = 'LOSS'"
        }.items() -%}
            cast(
                coalesce(
                    sum(net_profit)
                    {%- if condition %} filter (where {{ condition }}){% endif %}, 0
                ) as {{ type_money() }}
            ) as {{ column }},
        {% endfor -%}
        cast(sum({{ money_product(
            'net_profit', 'net_profit'
        ) }}) as {{ type_product() }}) as squared_profit,
        cast(sum(fees) as {{ type_money() }}) as fees,
        min(exit_at) as first_closed_at,
        max(exit_at) as last_closed_at
    from valued_trades
    group by
        trading_date,
        source_type,
        source_name,
        account,
        currency,
        dimension,
        dimension_value

)

select * from int_trade_breakdown_days

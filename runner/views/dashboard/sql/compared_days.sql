-- The days of a model's BUY and SELL signals.
select
    cast(first_at at time zone 'UTC' as date) as first,
    cast(last_at at time zone 'UTC' as date) as last
from (
    select
        min(created_at) as first_at,
        max(created_at) as last_at
    from performance.signal_outcomes
    where
        model_id = %(model_id)s
        and signal_type <> 'HOLD'
        and (%(symbols)s::text[] is null or symbol = any(%(symbols)s))
        and (
            %(first)s::date is null
            or created_at >= cast(%(first)s::date as timestamp) at time zone 'UTC'
        )
        and (
            %(last)s::date is null
            or created_at < cast(%(last)s::date + 1 as timestamp) at time zone 'UTC'
        )
) as moments
where first_at is not null

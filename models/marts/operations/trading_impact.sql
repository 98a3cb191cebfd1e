-- Grain: a figure of trading, with builds at work and without.
-- Times are UTC.

with calls as (

    select * from {{ ref('int_trading_calls') }}

),

lock_waits as (

    select * from {{ ref('int_trading_lock_waits') }}

),

texts as (

    select * from {{ source('observed', 'statement_texts') }}

),

facts as (

    select
        'statement' as measure,
        cast(query_id as {{ dbt.type_string() }}) as subject,
        query_id,
        is_build,
        began_at,
        taken_at,
        calls,
        1000 * seconds / calls as figure
    from calls
    union all
    -- Whatever the mix of statements: 1 where all take as long as without builds.
    select
        'all_statements' as measure,
        'all' as subject,
        cast(null as bigint) as query_id,
        is_build,
        min(began_at) as began_at,
        max(taken_at) as taken_at,
        sum(calls) as calls,
        sum(seconds) / nullif(sum(calls * usual_seconds), 0) as figure
    from calls
    where usual_seconds is not null
    group by run, is_build
    union all
    select
        'lock_waits' as measure,
        'all' as subject,
        cast(null as bigint) as query_id,
        is_build,
        began_at,
        taken_at,
        cast(null as numeric) as calls,
        sessions as figure
    from lock_waits

),

summed as (

    select
        measure,
        subject,
        query_id,
        count(figure) filter (where is_build) as build_windows,
        count(figure) filter (where not is_build) as quiet_windows,
        sum(calls) filter (where is_build) as build_calls,
        sum(calls) filter (where not is_build) as quiet_calls,
        avg(figure) filter (where is_build) as build_mean,
        avg(figure) filter (where not is_build) as quiet_mean,
        var_samp(figure) filter (where is_build)
        / nullif(count(figure) filter (where is_build), 0) as build_error,
        var_samp(figure) filter (where not is_build)
        / nullif(count(figure) filter (where not is_build), 0) as quiet_error,
        min(began_at) as first_at,
        max(taken_at) as last_at
    from facts
    group by measure, subject, query_id

),

-- Welch 1947: the variances differ, since builds make latencies jump.
compared as (

    select
        *,
        build_mean - quiet_mean as difference,
        case
            when
                least(build_windows, quiet_windows)
                >= {{ var('impact_min_windows') }}
                and build_error + quiet_error > 0
                then
                    (build_error + quiet_error) * (build_error + quiet_error)
                    / (
                        build_error * build_error / (build_windows - 1)
                        + quiet_error * quiet_error / (quiet_windows - 1)
                    )
        end as degrees_of_freedom
    from summed

),

bounded as (

    select
        *,
        ({{ t_of_95_percent('degrees_of_freedom') }})
        * sqrt(build_error + quiet_error) as half_width
    from compared

),

trading_impact as (

    select
        bounded.measure,
        bounded.subject,
        texts.statement,
        bounded.build_windows,
        bounded.quiet_windows,
        case
            when bounded.measure <> 'lock_waits'
                then cast(coalesce(bounded.build_calls, 0) as bigint)
        end as build_calls,
        case
            when bounded.measure <> 'lock_waits'
                then cast(coalesce(bounded.quiet_calls, 0) as bigint)
        end as quiet_calls,
        bounded.build_mean,
        bounded.quiet_mean,
        bounded.difference,
        bounded.difference - bounded.half_width as difference_lower,
        bounded.difference + bounded.half_width as difference_upper,
        bounded.degrees_of_freedom,
        bounded.difference > bounded.half_width as is_slower,
        bounded.first_at,
        bounded.last_at
    from bounded
    left join texts
        on
            bounded.query_id = texts.query_id
            and texts.side = 'primary'

)

select * from trading_impact

-- Grain: a run of samples of sessions that wait, with builds at work or without.
-- Times are UTC.

with trading_roles as not materialized (

    {{ trading_roles() }}

),

builds as (

    select * from {{ changes_table('builds') }}

),

seen_builds as (

    {{ samples_of_builds() }}

),

-- A session may be kept waiting by several.
waiting as (

    select
        waits.sample_id,
        count(distinct waits.waiting_pid) as sessions
    from {{ source('observed', 'lock_waits') }} as waits
    inner join trading_roles
        on
            waits.sample_id = trading_roles.sample_id
            and waits.waiting_role = trading_roles.role_name
    where waits.side = 'primary'
    group by waits.sample_id

),

moments as (

    select
        samples.id as sample_id,
        samples.taken_at,
        case
            when bool_or(builds.build_id is not null) then true
            when not bool_or(seen_builds.sample_id is not null) then false
        end as is_build
    from {{ source('observed', 'samples') }} as samples
    left join seen_builds
        on samples.id = seen_builds.sample_id
    left join builds
        on
            samples.taken_at >= builds.started_at
            and samples.taken_at <= builds.finished_at
    inner join {{ source('observed', 'sample_parts') }} as parts
        on samples.id = parts.sample_id
    where
        parts.side = 'primary'
        and parts.part = 'lock_waits'
        -- Whoever may not see what sessions do, still sees who waits.
        and parts.row_count is not null
    group by samples.id, samples.taken_at

),

ordered_moments as (

    select
        *,
        lag(is_build) over (order by sample_id) as is_build_before
    from moments
    where is_build is not null

),

runs as (

    select
        *,
        count(*) filter (where is_build is distinct from is_build_before)
            over (order by sample_id) as run
    from ordered_moments

),

int_trading_lock_waits as (

    select
        runs.run,
        runs.is_build,
        min(runs.taken_at) as began_at,
        max(runs.taken_at) as taken_at,
        cast(avg(coalesce(waiting.sessions, 0)) as {{ type_double() }}) as sessions
    from runs
    left join waiting
        on runs.sample_id = waiting.sample_id
    group by runs.run, runs.is_build

)

select * from int_trading_lock_waits

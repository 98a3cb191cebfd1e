-- Grain: a figure of trading, with builds at work and without.
-- Times are UTC.

with samples as (

    {{ observed_growth(
        'statements',
        ['role_name', 'query_id', 'is_top_level'],
        ['calls', 'seconds'],
        'observed.counted_since'
    ) }}

),

trading_roles as (

    select *
    from (
        select
            sample_id,
            role_name,
            {{ role_group() }} as role_group
        from {{ source('observed', 'roles') }}
        where side = 'primary'
    ) as grouped
    where role_group = 'trading'

),

texts as (

    select * from {{ source('observed', 'statement_texts') }}

),

builds as (

    select * from {{ changes_table('builds') }}

),

-- A statement's calls between two samples that follow each other.
calls as (

    select
        samples.sample_id,
        samples.query_id,
        samples.began_at,
        samples.taken_at,
        sum(samples.calls_growth) as calls,
        sum(samples.seconds_growth) as seconds
    from samples
    inner join trading_roles
        on
            samples.sample_id = trading_roles.sample_id
            and samples.role_name = trading_roles.role_name
    where
        samples.side = 'primary'
        and samples.is_top_level
        and samples.calls_growth > 0
        and samples.sample_before = (
            select max(parts.sample_id)
            from {{ source('observed', 'sample_parts') }} as parts
            where
                parts.side = 'primary'
                and parts.part = 'statements'
                and parts.row_count > 0
                and parts.sample_id < samples.sample_id
        )
    group by
        samples.sample_id,
        samples.query_id,
        samples.began_at,
        samples.taken_at

),

stretches as (

    select
        calls.sample_id,
        calls.began_at,
        calls.taken_at,
        coalesce(sum({{ seconds_between(
            'greatest(builds.started_at, calls.began_at)',
            'least(builds.finished_at, calls.taken_at)'
        ) }}) filter (where builds.build_id is not null), 0)
        / nullif({{ seconds_between('calls.began_at', 'calls.taken_at') }}, 0)
            as build_share
    from (
        select distinct
            sample_id,
            began_at,
            taken_at
        from calls
    ) as calls
    left join builds
        on
            calls.began_at < builds.finished_at
            and calls.taken_at > builds.started_at
    group by calls.sample_id, calls.began_at, calls.taken_at

),

-- Neither with a build nor without: left out.
judged as (

    select
        sample_id,
        began_at,
        taken_at,
        build_share >= {{ var('impact_build_share') }} as is_build
    from stretches
    where build_share = 0 or build_share >= {{ var('impact_build_share') }}

),

usual as (

    select
        calls.query_id,
        sum(calls.seconds) / sum(calls.calls) as seconds
    from calls
    inner join judged
        on calls.sample_id = judged.sample_id
    where not judged.is_build
    group by calls.query_id

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
        exists (
            select 1
            from builds
            where
                samples.taken_at >= builds.started_at
                and samples.taken_at <= builds.finished_at
        ) as is_build
    from {{ source('observed', 'samples') }} as samples
    inner join {{ source('observed', 'sample_parts') }} as parts
        on samples.id = parts.sample_id
    where
        parts.side = 'primary'
        and parts.part = 'lock_waits'
        -- Whoever may not see what sessions do, still sees who waits.
        and parts.row_count is not null

),

facts as (

    select
        'statement' as measure,
        cast(calls.query_id as {{ dbt.type_string() }}) as subject,
        calls.query_id,
        judged.is_build,
        judged.began_at,
        judged.taken_at,
        1000 * calls.seconds / calls.calls as figure
    from calls
    inner join judged
        on calls.sample_id = judged.sample_id
    union all
    -- Whatever the mix of statements: 1 where all take as long as without builds.
    select
        'all_statements' as measure,
        'all' as subject,
        cast(null as bigint) as query_id,
        judged.is_build,
        judged.began_at,
        judged.taken_at,
        sum(calls.seconds) / nullif(sum(calls.calls * usual.seconds), 0) as figure
    from calls
    inner join judged
        on calls.sample_id = judged.sample_id
    inner join usual
        on calls.query_id = usual.query_id
    group by judged.sample_id, judged.is_build, judged.began_at, judged.taken_at
    union all
    select
        'lock_waits' as measure,
        'all' as subject,
        cast(null as bigint) as query_id,
        moments.is_build,
        moments.taken_at as began_at,
        moments.taken_at,
        cast(coalesce(waiting.sessions, 0) as {{ type_double() }}) as figure
    from moments
    left join waiting
        on moments.sample_id = waiting.sample_id

),

summed as (

    select
        measure,
        subject,
        query_id,
        count(figure) filter (where is_build) as build_windows,
        count(figure) filter (where not is_build) as quiet_windows,
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
        {{ t_of_95_percent('degrees_of_freedom') }}
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

-- Grain: a figure of trading, with builds at work and without.
-- Times are UTC.

with statements as not materialized (

    select * from {{ source('observed', 'statements') }}
    where side = 'primary' and is_top_level

),

-- Read for one sample at a time.
trading_roles as not materialized (

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

-- A build that was killed, or has not ended, is not in the books.
seen_builds as (

    select distinct sample_id
    from {{ source('observed', 'sessions') }}
    where
        side = 'replica'
        and application_name in ('dbt', 'signal-marts build', 'signal-marts moment')

),

sampled as (

    select
        parts.sample_id,
        samples.taken_at,
        lag(parts.sample_id) over same_server as sample_before,
        lag(samples.taken_at) over same_server as began_at
    from {{ source('observed', 'sample_parts') }} as parts
    inner join {{ source('observed', 'samples') }} as samples
        on parts.sample_id = samples.id
    inner join {{ source('observed', 'servers') }} as servers
        on
            parts.sample_id = servers.sample_id
            and parts.side = servers.side
    where
        parts.side = 'primary'
        and parts.part = 'statements'
        and parts.relation = ''
        and parts.row_count > 0
    window same_server as (
        partition by servers.system_identifier, servers.database_id
        order by parts.sample_id
    )

),

stretches as (

    select
        sampled.sample_id,
        sampled.sample_before,
        sampled.began_at,
        sampled.taken_at,
        coalesce(sum({{ seconds_between(
            'greatest(builds.started_at, sampled.began_at)',
            'least(builds.finished_at, sampled.taken_at)'
        ) }}) filter (where builds.build_id is not null), 0)
        / nullif({{ seconds_between('sampled.began_at', 'sampled.taken_at') }}, 0)
            as build_share,
        exists(
            select 1
            from seen_builds
            where seen_builds.sample_id in (sampled.sample_before, sampled.sample_id)
        ) as is_build_seen
    from sampled
    left join builds
        on
            sampled.began_at < builds.finished_at
            and sampled.taken_at > builds.started_at
    where sampled.sample_before is not null
    group by
        sampled.sample_id,
        sampled.sample_before,
        sampled.began_at,
        sampled.taken_at

),

-- NULL where a build fills too little of a stretch.
classified as (

    select
        *,
        case
            when build_share >= {{ var('impact_build_share') }} then true
            when build_share = 0 and not is_build_seen then false
        end as is_build
    from stretches

),

ordered as (

    select
        *,
        lag(is_build) over in_order as is_build_before,
        lag(sample_id) over in_order as sample_in_order
    from classified
    window in_order as (order by sample_id)

),

-- Stretches that follow each other are read at once, by their first and last sample.
-- Before PostgreSQL 17 a statement does not tell that it was counted anew between
-- them, unless it is missing in a sample.
continued as (

    select
        *,
        coalesce(is_build = is_build_before, false)
        and coalesce(sample_before = sample_in_order, false)
        and exists (
            select 1
            from statements
            where
                statements.sample_id = ordered.sample_id
                and statements.is_own_since
        ) as is_continued
    from ordered

),

numbered as (

    select
        *,
        count(*) filter (where not is_continued) over (order by sample_id) as spell
    from continued

),

spells as (

    select
        is_build,
        min(sample_before) as first_sample,
        max(sample_id) as last_sample,
        min(began_at) as began_at,
        max(taken_at) as taken_at,
        count(*) as stretches,
        lag(is_build) over (order by max(sample_id)) as is_build_before
    from numbered
    where is_build is not null
    group by spell, is_build

),

-- They are alike too, so those with the same builds are one measurement, whatever
-- is left out between them.
runs as (

    select
        *,
        count(*) filter (where is_build is distinct from is_build_before)
            over (order by last_sample) as run
    from spells

),

grown as (

    select
        runs.run,
        runs.is_build,
        runs.began_at,
        runs.taken_at,
        growth.query_id,
        growth.calls,
        growth.seconds
    from runs
    cross join lateral (
        select
            latter.query_id,
            sum(latter.calls - former.calls) as calls,
            sum(latter.seconds - former.seconds) as seconds
        from statements as latter
        inner join statements as former
            on
                latter.role_name = former.role_name
                and latter.query_id = former.query_id
                and latter.counted_since = former.counted_since
                and latter.calls > former.calls
                and latter.seconds >= former.seconds
        inner join trading_roles
            on
                latter.sample_id = trading_roles.sample_id
                and latter.role_name = trading_roles.role_name
        where
            latter.sample_id = runs.last_sample
            and former.sample_id = runs.first_sample
            and (latter.is_own_since or runs.stretches = 1)
        group by latter.query_id
    ) as growth

),

calls as (

    select
        run,
        is_build,
        query_id,
        min(began_at) as began_at,
        max(taken_at) as taken_at,
        sum(calls) as calls,
        sum(seconds) as seconds
    from grown
    group by run, is_build, query_id

),

compared_calls as (

    select
        *,
        sum(seconds) filter (where not is_build) over same_statement
        / sum(calls) filter (where not is_build) over same_statement
            as usual_seconds
    from calls
    window same_statement as (partition by query_id)

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

runs_of_moments as (

    select
        *,
        count(*) filter (where is_build is distinct from is_build_before)
            over (order by sample_id) as run
    from ordered_moments

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
    from compared_calls
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
    from compared_calls
    where usual_seconds is not null
    group by run, is_build
    union all
    select
        'lock_waits' as measure,
        'all' as subject,
        cast(null as bigint) as query_id,
        moments.is_build,
        min(moments.taken_at) as began_at,
        max(moments.taken_at) as taken_at,
        cast(null as numeric) as calls,
        cast(avg(coalesce(waiting.sessions, 0)) as {{ type_double() }}) as figure
    from runs_of_moments as moments
    left join waiting
        on moments.sample_id = waiting.sample_id
    group by moments.run, moments.is_build

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

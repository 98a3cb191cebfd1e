-- Grain: a spell of the primary, between two samples of its statements, with builds at
-- work or without.
-- Times are UTC.

with statements as not materialized (

    select * from {{ source('observed', 'statements') }}
    where side = 'primary' and is_top_level

),

builds as (

    select * from {{ changes_table('builds') }}

),

seen_builds as (

    {{ samples_of_builds() }}

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
int_trading_spells as (

    select
        first_sample,
        last_sample,
        began_at,
        taken_at,
        stretches,
        is_build,
        count(*) filter (where is_build is distinct from is_build_before)
            over (order by last_sample) as run
    from spells

)

select * from int_trading_spells

-- Grain: a build and a model of it, or a test of it that failed or
-- warned. Times are UTC.

-- Every build writes these books when it ends; no model writes them.
with builds as (

    select * from {{ changes_table('builds') }}

),

build_results as (

    select * from {{ changes_table('build_results') }}

),

build_history as (

    select
        builds.build_id,
        build_results.node_id,
        build_results.node_name,
        build_results.node_type,
        builds.command,
        build_results.status,
        build_results.build_mode,
        build_results.rows_written,
        build_results.run_seconds,
        cast(build_results.landing_cut as {{ dbt.type_string() }}) as landing_cut,
        build_results.message,
        builds.is_success as is_build_success,
        builds.started_at,
        builds.finished_at
    from builds
    inner join build_results
        on builds.build_id = build_results.build_id

)

select * from build_history

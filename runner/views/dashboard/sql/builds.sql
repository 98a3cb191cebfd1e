select
    build_id,
    min(started_at) as started_at,
    max(build_mode) as build_mode,
    max(command) as command,
    count(*) filter (where node_type = 'model' and status = 'success') as models_built,
    count(*) filter (where status in ('error', 'fail')) as failures,
    count(*) filter (where status = 'skipped') as skipped,
    count(*) filter (where status = 'warn') as warnings,
    sum(rows_written) as rows_written,
    sum(run_seconds) as run_seconds
from operations.build_history
where started_at >= (select max(started_at) from operations.build_history) - interval '30 days'
group by build_id
order by started_at desc
limit 200

-- The last build, and the last one without a failure.
select
    (
        select extract(epoch from max(finished_at)) from changes.builds where is_success
    ) as build_succeeded_timestamp_seconds,
    extract(epoch from finished_at - started_at) as last_build_seconds,
    failures as last_build_failures
from changes.builds
order by finished_at desc
limit 1

-- A build's models and tests: failures first, then the slowest.
select
    node_name,
    node_type,
    status,
    rows_written,
    run_seconds,
    message
from operations.build_history
where build_id = %(build_id)s
order by
    status in ('error', 'fail') desc,
    status = 'skipped' desc,
    run_seconds desc nulls last,
    node_name
limit 500

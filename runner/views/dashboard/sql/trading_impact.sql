-- Trading with builds at work and without: all statements, locks, then each statement, the
-- slower ones first.
select
    measure,
    coalesce(statement, subject) as subject,
    build_windows,
    quiet_windows,
    build_mean,
    quiet_mean,
    difference,
    difference_lower,
    difference_upper,
    is_slower,
    first_at,
    last_at
from operations.trading_impact
order by
    measure = 'all_statements' desc,
    measure = 'lock_waits' desc,
    is_slower desc nulls last,
    difference desc nulls last,
    subject
limit 50

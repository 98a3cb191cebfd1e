-- Figures of trading that are worse while builds run, with the whole 95% interval above 0.
select
    'slower_while_building' as kind,
    'primary' as side,
    cast(null as text) as schema_name,
    cast(null as text) as table_name,
    impact.measure || ' ' || impact.subject as object_name,
    jsonb_build_object(
        'mean_with_builds', impact.build_mean,
        'mean_without', impact.quiet_mean,
        'difference_at_least', impact.difference_lower,
        'difference_at_most', impact.difference_upper,
        'unit', case impact.measure
            when 'statement' then 'ms a call'
            when 'all_statements' then 'times the usual seconds'
            else 'sessions that wait for a lock'
        end,
        'stretches_with_builds', impact.build_windows,
        'stretches_without', impact.quiet_windows,
        'statement', impact.statement
    ) as evidence,
    impact.first_at as counted_since_at,
    impact.last_at as observed_at,
    cast(null as double precision) as limit_share,
    -- For the calls that fall into builds.
    impact.difference * costs.calls
    * impact.build_calls / nullif(impact.build_calls + impact.quiet_calls, 0)
    / nullif(extract(epoch from costs.last_at - costs.first_at) / 86400, 0)
        as milliseconds_per_day,
    cast(null as text) as statement,
    cast(null as text) as undo
from operations.trading_impact as impact
left join operations.query_costs as costs
    on
        impact.measure = 'statement'
        and costs.side = 'primary'
        and costs.role_group = 'trading'
        and impact.subject = costs.query_id::text
where impact.is_slower

-- Grain: a statement of trading in a run of spells.
-- Times are UTC.

with spells as (

    select * from {{ ref('int_trading_spells') }}

),

statements as not materialized (

    select * from {{ source('observed', 'statements') }}
    where side = 'primary' and is_top_level

),

trading_roles as not materialized (

    {{ trading_roles() }}

),

grown as (

    select
        spells.run,
        spells.is_build,
        spells.began_at,
        spells.taken_at,
        growth.query_id,
        growth.calls,
        growth.seconds
    from spells
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
            latter.sample_id = spells.last_sample
            and former.sample_id = spells.first_sample
            and (latter.is_own_since or spells.stretches = 1)
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

int_trading_calls as (

    select
        *,
        sum(seconds) filter (where not is_build) over same_statement
        / sum(calls) filter (where not is_build) over same_statement
            as usual_seconds
    from calls
    window same_statement as (partition by query_id)

)

select * from int_trading_calls

-- For every signal, the similar signals whose outcome was known when it came, at four levels.
with judged as (
    {judged_signals}
),

counted as (
    select
        j.id, j.confidence_bin, j.relation,
        count(*) filter (where is_near and is_symbol) as symbol_cases,
        sum(c.is_win) filter (where is_near and is_symbol) as symbol_wins,
        count(*) filter (where is_near) as relation_cases,
        sum(c.is_win) filter (where is_near) as relation_wins,
        count(*) filter (where c.confidence_bin = j.confidence_bin) as confidence_cases,
        sum(c.is_win) filter (where c.confidence_bin = j.confidence_bin) as confidence_wins,
        count(c.id) as direction_cases,
        sum(c.is_win) as direction_wins
    from judged as j
    left join judged as c
        on j.model_id = c.model_id and j.signal_type = c.signal_type
        and c.resolved_at < j.created_at and c.is_win is not null
    cross join lateral (
        select
            c.confidence_bin = j.confidence_bin and c.relation = j.relation as is_near,
            c.symbol = j.symbol as is_symbol
    ) as likeness
    group by j.id, j.confidence_bin, j.relation
),

chosen as (
    select
        id, confidence_bin, relation,
        case
            when symbol_cases >= 30 then symbol_cases
            when relation_cases >= 30 then relation_cases
            when confidence_cases >= 30 then confidence_cases
            else direction_cases
        end as n,
        coalesce(case
            when symbol_cases >= 30 then symbol_wins
            when relation_cases >= 30 then relation_wins
            when confidence_cases >= 30 then confidence_wins
            else direction_wins
        end, 0) as k
    from counted
)

select
    s.id as signal_id, s.model_id, s.confidence, c.confidence_bin, c.relation,
    coalesce(c.n, 0) as similar_cases, coalesce(c.k, 0) as similar_wins,
    c.k::double precision / nullif(c.n, 0) as base_rate
from ai_trading_signals as s
left join chosen as c on s.id = c.id

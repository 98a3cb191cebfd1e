with judged as (
    {judged_signals}
),

known as (
    select j.*, coalesce(p.pattern_type, 'unknown') as pattern_type
    from judged as j
    inner join ai_trading_signals as s on j.id = s.id
    left join micro_patterns as p on s.pattern_id = p.id
    where j.is_win is not null
)

select
    g.model_id, g.cases as cases_given, g.wins as wins_given,
    g.wins::double precision / g.cases as win_rate_given,
    t.cases - g.cases as cases_not, t.wins - g.wins as wins_not,
    (t.wins - g.wins)::double precision / (t.cases - g.cases) as win_rate_not,
    (g.wins::double precision / g.cases) / nullif(
        (t.wins - g.wins)::double precision / (t.cases - g.cases), 0
    ) as lift,
    g.wins::double precision / g.cases
    - (t.wins - g.wins)::double precision / (t.cases - g.cases) as difference
from (
    select model_id, pattern_type, relation, count(*) as cases, sum(is_win) as wins
    from known
    where relation <> 'no_pattern'
    group by 1, 2, 3
) as g
inner join (
    select model_id, count(*) as cases, sum(is_win) as wins from known group by model_id
) as t using (model_id)

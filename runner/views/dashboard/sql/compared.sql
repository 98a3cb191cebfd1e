-- Two models, or one in two periods: each figure of both, and of the second less the first its
-- standard error. Days of signals are the observations, as outcomes of a day share its market; days
-- as far apart as outcomes last go together, with weights that fall (Bartlett's). A share of sums
-- moves with a day by its first derivative.
with sides as (
    select
        asked.side,
        asked.sign,
        models.model_id,
        cast(asked.first as timestamp) at time zone 'UTC' as first_at,
        cast(asked.last + 1 as timestamp) at time zone 'UTC' as end_at
    from (
        values
        ('a', -1, (%(sources)s::text[])[1], %(first)s::date, %(last)s::date),
        ('b', 1, (%(sources)s::text[])[2], %(b_first)s::date, %(b_last)s::date)
    ) as asked (side, sign, model, first, last)
    inner join performance.model_skill as models
        on
            asked.model = models.model_name || ' ' || models.model_version
            and models.window_name = 'all'
),

signals as (
    select
        sides.side,
        sides.sign,
        cast(found.created_at at time zone 'UTC' as date) as signal_date,
        cast(found.resolved_at at time zone 'UTC' as date) as resolved_date,
        -- As in model_outcomes_daily, whose sums of a day, symbol and bin are of a signal or two:
        -- adding them up takes twice as long as adding up the signals.
        greatest(1, cast(ceil(cast(found.confidence as numeric(18, 12)) * 10) as integer))
            as confidence_bin,
        0.5 + found.confidence / 2 as predicted,
        case when found.is_win then 1 else 0 end as hit,
        found.is_win,
        found.outcome_return,
        found.executed_trades,
        found.executed_net_profit,
        found.executed_currency = %(currency)s as is_in_currency
    from sides
    cross join lateral (
        select *
        from performance.signal_outcomes as outcomes
        where
            outcomes.model_id = sides.model_id
            and outcomes.signal_type <> 'HOLD'
            and (%(symbols)s::text[] is null or outcomes.symbol = any(%(symbols)s))
            and outcomes.created_at >= coalesce(sides.first_at, '-infinity')
            and outcomes.created_at < coalesce(sides.end_at, 'infinity')
        offset 0 -- keeps the two models apart, each read by its index
    ) as found
),

sums as materialized (
    select
        side,
        sign,
        signal_date,
        confidence_bin,
        count(*) as signals,
        count(is_win) as resolved,
        count(*) filter (where is_win) as wins,
        coalesce(sum(predicted) filter (where is_win is not null), 0)
        - count(*) filter (where is_win) as missed,
        coalesce(
            sum((predicted - hit) * (predicted - hit)) filter (where is_win is not null), 0
        ) as squared_errors,
        coalesce(sum(outcome_return), 0) as returns,
        coalesce(sum(outcome_return) filter (where is_win), 0) as won_returns,
        coalesce(sum(executed_trades) filter (where is_in_currency), 0) as trades,
        coalesce(sum(executed_net_profit) filter (where is_in_currency), 0) as net_profit,
        max(resolved_date - signal_date) as longest_days
    from signals
    group by side, sign, signal_date, confidence_bin
),

-- The calibration error adds up the bins' misses without their signs: a day adds to it in the
-- direction in which its bin misses over all days.
bins as (
    select
        *,
        missed * sign(sum(missed) over (partition by side, confidence_bin)) as miss
    from sums
),

days as (
    select
        side,
        sign,
        signal_date,
        cast(sum(signals) as double precision) as signals,
        cast(sum(resolved) as double precision) as resolved,
        cast(sum(wins) as double precision) as wins,
        cast(sum(resolved) - sum(wins) as double precision) as losses,
        sum(miss) as miss,
        sum(squared_errors) as squared_errors,
        sum(returns) as returns,
        sum(won_returns) as won_returns,
        sum(won_returns) - sum(returns) as lost_returns,
        cast(sum(trades) as double precision) as trades,
        cast(sum(net_profit) as double precision) as net_profit,
        max(longest_days) as longest_days
    from bins
    group by side, sign, signal_date
),

totals as (
    select
        side,
        count(*) as days,
        sum(signals) as signals,
        sum(resolved) as resolved,
        sum(wins) as wins,
        nullif(sum(resolved), 0) as n,
        nullif(sum(trades), 0) as trades,
        sum(wins) / nullif(sum(resolved), 0) as hit_rate,
        sum(miss) / nullif(sum(resolved), 0) as calibration_error,
        sum(squared_errors) / nullif(sum(resolved), 0) as brier_score,
        sum(returns) / nullif(sum(resolved), 0) as mean_return,
        sum(won_returns) / nullif(sum(wins), 0) as mean_win,
        sum(lost_returns) / nullif(sum(losses), 0) as mean_loss,
        sum(net_profit) as net_profit,
        nullif(count(*) filter (where trades > 0), 0) as traded_days,
        sum(net_profit) / nullif(count(*) filter (where trades > 0), 0) as daily_profit
    from days
    group by side
),

-- A figure, and by how much a day moves it.
moved as (
    select
        days.side,
        days.sign,
        days.signal_date,
        figures.*
    from days
    inner join totals using (side)
    cross join lateral (
        select
            (days.wins - totals.hit_rate * days.resolved) / totals.n as of_rate,
            nullif(totals.mean_win + totals.mean_loss, 0) as spread,
            (days.won_returns - totals.mean_win * days.wins) / nullif(totals.wins, 0)
                as of_win,
            (days.lost_returns - totals.mean_loss * days.losses)
            / nullif(totals.n - totals.wins, 0) as of_loss
    ) as parts
    cross join lateral (
        values
        ('hit_rate', totals.hit_rate, parts.of_rate, days.resolved),
        (
            'edge',
            totals.hit_rate - totals.mean_loss / parts.spread,
            parts.of_rate - (
                totals.mean_win * parts.of_loss - totals.mean_loss * parts.of_win
            ) / (parts.spread * parts.spread),
            days.resolved
        ),
        (
            'mean_return',
            totals.mean_return,
            (days.returns - totals.mean_return * days.resolved) / totals.n,
            days.resolved
        ),
        (
            'brier_score',
            totals.brier_score,
            (days.squared_errors - totals.brier_score * days.resolved) / totals.n,
            days.resolved
        ),
        (
            'calibration_error',
            totals.calibration_error,
            (days.miss - totals.calibration_error * days.resolved) / totals.n,
            days.resolved
        ),
        (
            'expectancy',
            totals.net_profit / totals.trades,
            (days.net_profit - totals.net_profit / totals.trades * days.trades)
            / totals.trades,
            days.trades
        ),
        (
            'daily_profit',
            totals.daily_profit,
            (days.net_profit - totals.daily_profit * sign(days.trades)) / totals.traded_days,
            days.trades
        )
    ) as figures (figure, value, move, cases)
),

counted as (
    select
        *,
        count(*) filter (where cases > 0) over (partition by figure, side) as days
    from moved
),

-- Both models of a day move the difference together.
moves as (
    select
        figure,
        signal_date,
        sum(
            sign * move
            * sqrt(cast(days as double precision) / nullif(days - 1, 0))
        ) as move
    from counted
    group by figure, signal_date
),

-- How many days outcomes last, on all days but one in twenty.
overlap as (
    select
        coalesce(
            percentile_disc(0.95) within group (order by longest_days), 0
        ) as days
    from days
),

-- Each figure's moves on all days, and on as many after them.
calendar as (
    select
        figure,
        signal_date,
        sum(move) as move
    from (
        select * from moves
        union all
        select
            figures.figure,
            bounds.first_date + day.number as signal_date,
            0 as move
        from (
            select
                min(moves.signal_date) as first_date,
                max(moves.signal_date) - min(moves.signal_date) + max(overlap.days) as length
            from moves
            cross join overlap
        ) as bounds
        cross join lateral generate_series(0, bounds.length) as day (number)
        cross join (select distinct moves.figure from moves) as figures
    ) as all_days
    group by figure, signal_date
),

-- Bartlett's weights are those of all stretches of so many days and one more.
stretches as (
    select
        figure,
        sum(move) over (
            partition by figure
            order by signal_date
            rows between (select overlap.days from overlap) preceding and current row
        ) as move
    from calendar
),

spreads as (
    select
        stretches.figure,
        sqrt(sum(stretches.move * stretches.move) / (max(overlap.days) + 1)) as standard_error
    from stretches
    cross join overlap
    group by stretches.figure
),

valued as (
    select
        figure,
        max(value) filter (where side = 'a') as a,
        max(value) filter (where side = 'b') as b,
        least(
            max(days) filter (where side = 'a'), max(days) filter (where side = 'b')
        ) as days
    from counted
    group by figure
)

select
    valued.figure,
    valued.a,
    valued.b,
    valued.b - valued.a as difference,
    case
        when valued.a is not null and valued.b is not null and valued.days > 1
            then spreads.standard_error
    end as standard_error,
    valued.days,
    overlap.days as overlap_days
from valued
cross join overlap
inner join spreads on valued.figure = spreads.figure
union all
select
    counts.figure,
    max(counts.value) filter (where totals.side = 'a') as a,
    max(counts.value) filter (where totals.side = 'b') as b,
    max(counts.value) filter (where totals.side = 'b')
    - max(counts.value) filter (where totals.side = 'a') as difference,
    null as standard_error,
    null as days,
    null as overlap_days
from totals
cross join lateral (
    values
    ('days', totals.days),
    ('signals', totals.signals),
    ('resolved', totals.resolved),
    ('wins', totals.wins),
    ('break_even', totals.mean_loss / nullif(totals.mean_win + totals.mean_loss, 0)),
    ('trades', coalesce(totals.trades, 0)),
    ('net_profit', case when totals.trades > 0 then totals.net_profit end)
) as counts (figure, value)
group by counts.figure

-- Grain: a model, a UTC day on which a signal of it was resolved, and a bin of
-- confidence.

{{ config(
    unique_key=['model_id', 'resolved_date', 'confidence_bin'],
    meta={
        'affected_by': ['model_id', 'resolved_date'],
        'follows': {
            'int_signal_outcomes': 'model_id, ' ~ utc_date('resolved_at')
        }
    }
) }}

-- In numerics, whose sums do not depend on the order of the signals: hits less
-- predictions may be close to 0, where rounding would show.

with forecasts as (

    select
        model_id,
        {{ utc_date('resolved_at') }} as resolved_date,
        {{ confidence_bin('confidence') }} as confidence_bin,
        cast(0.5 + confidence / 2 as numeric(18, 12)) as predicted,
        case when is_win then 1 else 0 end as hit,
        available_at
    from {{ followed(
        'int_signal_outcomes',
        where='stored.model_id = affected.model_id and '
            ~ is_on_date('stored.resolved_at', 'affected.resolved_date')
    ) }}

),

daily_bins as (

    select
        model_id,
        resolved_date,
        confidence_bin,
        count(*) as n,
        sum(hit) as hits,
        cast(sum(predicted) as numeric(28, 12)) as predicted,
        cast(sum((predicted - hit) * (predicted - hit)) as numeric(38, 24))
            as squared_errors,
        max(available_at) as available_at
    from forecasts
    group by model_id, resolved_date, confidence_bin

)

select * from daily_bins

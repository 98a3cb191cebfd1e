-- Grain: an AI model version and a bin of confidence. Times are UTC.

{{ config(
    unique_key=['model_id', 'confidence_bin'],
    meta={'follows': 'whole'}
) }}

with models as (

    select * from {{ ref('stg_ai__models') }}

),

daily_bins as (

    select * from {{ ref('int_model_bins_daily') }}

),

bins as (

    {% for bin in range(1, 11) %}
        select cast({{ bin }} as integer) as confidence_bin
        {{- " union all" if not loop.last }}
    {% endfor %}

),

model_bins as (

    select
        models.model_id,
        models.model_name,
        models.model_version,
        bins.confidence_bin
    from models
    cross join bins

),

binned_signals as (

    select
        model_id,
        confidence_bin,
        cast(sum(n) as bigint) as n,
        cast(sum(hits) as bigint) as hits,
        cast(sum(predicted) as {{ type_double() }})
        / cast(sum(n) as {{ type_double() }}) as mean_predicted,
        max(available_at) as available_at
    from daily_bins
    group by model_id, confidence_bin

),

model_calibration as (

    select
        model_bins.model_id,
        model_bins.model_name,
        model_bins.model_version,
        model_bins.confidence_bin,
        cast((model_bins.confidence_bin - 1) / 10.0 as {{ type_double() }})
            as lowest_confidence,
        cast(model_bins.confidence_bin / 10.0 as {{ type_double() }})
            as highest_confidence,
        coalesce(binned_signals.n, 0) as n,
        coalesce(binned_signals.hits, 0) as hits,
        binned_signals.mean_predicted,
        cast(binned_signals.hits as {{ type_double() }})
        / binned_signals.n as observed_rate,
        {{ wilson_bound('binned_signals.hits', 'binned_signals.n', 'lower') }}
            as observed_rate_lower,
        {{ wilson_bound('binned_signals.hits', 'binned_signals.n', 'upper') }}
            as observed_rate_upper,
        binned_signals.available_at
    from model_bins
    left join binned_signals
        on
            model_bins.model_id = binned_signals.model_id
            and model_bins.confidence_bin = binned_signals.confidence_bin

)

select * from model_calibration

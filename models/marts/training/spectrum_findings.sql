-- Grain: a spectral analysis of a symbol's prices. Times are UTC.

{{ config(unique_key='analysis_id') }}

with analyses as (

    select *
    from {{ ref('stg_ai__spectrum_analyses') }}
    {% if is_from_changes() %}
        where
            analysis_id in (
                select affected.analysis_id
                from affected
                union distinct
                select affected.previous_analysis_id
                from affected
            )
    {% endif %}

),

models as (

    select * from {{ ref('stg_ai__models') }}

),

-- The modules write the strongest component first.
read_analyses as (

    select
        *,
        {{ json_number('dominant_frequencies', [0, 'period_bars']) }}
            as dominant_period_bars,
        {{ json_number('dominant_frequencies', [0, 'frequency_per_bar']) }}
            as dominant_frequency_per_bar,
        {{ json_number('dominant_frequencies', [0, 'amplitude']) }}
            as dominant_amplitude,
        {{ json_number('dominant_frequencies', [0, 'share']) }} as dominant_share,
        {{ json_array_length('dominant_frequencies') }} as frequency_count
    from analyses

),

with_previous as (

    select
        *,
        lag(analysis_id) over series as previous_analysis_id,
        lag(dominant_period_bars) over series as previous_dominant_period_bars,
        lag(available_at) over series as previous_available_at
    from read_analyses
    window series as (
        partition by model_id, symbol, analysis_type
        order by created_at, analysis_id
    )

),

spectrum_findings as (

    select
        with_previous.analysis_id,
        with_previous.model_id,
        coalesce(models.model_name, 'unknown') as model_name,
        coalesce(models.model_version, 'unknown') as model_version,
        with_previous.symbol,
        with_previous.analysis_type,
        with_previous.frequency_count,
        with_previous.dominant_period_bars,
        with_previous.dominant_frequency_per_bar,
        with_previous.dominant_amplitude,
        with_previous.dominant_share,
        with_previous.previous_analysis_id,
        with_previous.previous_dominant_period_bars,
        with_previous.dominant_period_bars
        - with_previous.previous_dominant_period_bars as dominant_period_bars_change,
        with_previous.pattern_confidence,
        with_previous.anomaly_score,
        abs(with_previous.anomaly_score)
        >= {{ var('anomaly_score_threshold') }} as is_anomaly,
        with_previous.created_at,
        greatest(
            with_previous.available_at,
            coalesce(with_previous.previous_available_at, with_previous.available_at)
        ) as available_at
    from with_previous
    left join models
        on with_previous.model_id = models.model_id
    {% if is_from_changes() %}
        where with_previous.analysis_id in (select affected.analysis_id from affected)
    {% endif %}

)

select * from spectrum_findings

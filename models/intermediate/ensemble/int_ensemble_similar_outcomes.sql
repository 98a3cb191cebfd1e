-- Grain: a level of similarity, the values that signals share at it, and a UTC day on
-- which outcomes of such signals were known; counts are cumulative.

{{ config(
    unique_key=[
        'model_id',
        'signal_type',
        'similarity_level',
        'confidence_bin',
        'relation',
        'symbol',
        'resolved_date'
    ],
    meta={
        'affected_by': ['model_id', 'signal_type'],
        'affected_from': 'resolved_date',
        'follows': {
            'int_ensemble_signal_outcomes':
                'model_id, signal_type, case when is_win is not null then '
                ~ utc_date('resolved_at') ~ ' end'
        }
    },
    indexes=[{'columns': ['model_id', 'signal_type', 'resolved_date']}]
) }}

{# The columns by which outcomes are counted. #}
{% set kind %}
    model_id,
    signal_type,
    similarity_level,
    confidence_bin,
    relation,
    symbol
{%- endset %}

with resolved_signals as (

    select *
    from {{ followed(
        'int_ensemble_signal_outcomes',
        where='stored.model_id = affected.model_id'
            ~ ' and stored.signal_type = affected.signal_type'
            ~ ' and stored.resolved_at >= ' ~ utc_midnight('affected.from_resolved_date')
    ) }}
    where is_win is not null

),

cases_of_symbols as (

    select
        model_id,
        signal_type,
        confidence_bin,
        relation,
        symbol,
        {{ utc_date('resolved_at') }} as resolved_date,
        count(*) as cases,
        sum(is_win) as wins
    from resolved_signals
    group by
        model_id,
        signal_type,
        confidence_bin,
        relation,
        symbol,
        {{ utc_date('resolved_at') }}

),

daily_cases as (

    {% for level, columns in similarity_levels().items() %}
        select
            model_id,
            signal_type,
            {{ similarity_kind(level) }},
            resolved_date,
            sum(cases) as cases,
            sum(wins) as wins
        from cases_of_symbols
        group by
            model_id,
            signal_type,
            {% for column in columns %}
                {{ column }},
            {% endfor %}
            resolved_date
        {{ 'union all' if not loop.last }}
    {% endfor %}

),

-- In a build from changes, counting continues from the last counts before the affected
-- days.
all_cases as (

    select * from daily_cases

    {% if is_from_changes() %}
        union all

        select
            kinds.model_id,
            kinds.signal_type,
            kinds.similarity_level,
            kinds.confidence_bin,
            kinds.relation,
            kinds.symbol,
            cast('-infinity' as date) as resolved_date,
            last_kept.cases,
            last_kept.wins
        from (
            select distinct {{ kind }}
            from daily_cases
        ) as kinds
        inner join affected
            on
                kinds.model_id = affected.model_id
                and kinds.signal_type = affected.signal_type
        cross join lateral (
            select
                stored.cases,
                stored.wins
            from {{ this }} as stored
            where
                stored.model_id = kinds.model_id
                and stored.signal_type = kinds.signal_type
                and stored.similarity_level = kinds.similarity_level
                and stored.confidence_bin = kinds.confidence_bin
                and stored.relation = kinds.relation
                and stored.symbol = kinds.symbol
                and stored.resolved_date < affected.from_resolved_date
            order by stored.resolved_date desc
            limit 1
        ) as last_kept
    {% endif %}

),

counted as (

    select
        {{ kind }},
        resolved_date,
        cast(sum(cases) over days_so_far as bigint) as cases,
        cast(sum(wins) over days_so_far as bigint) as wins
    from all_cases
    window
        days_so_far as (
            partition by {{ kind }}
            order by resolved_date
            rows between unbounded preceding and current row
        )

),

int_ensemble_similar_outcomes as (

    select *
    from counted
    where resolved_date > {{ before_all_days() }}

)

select * from int_ensemble_similar_outcomes {{ newest_together('resolved_date') }}

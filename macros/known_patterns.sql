{#
    A query for the signals that refer to a pattern known when the signal came, each with the pattern and
    the relation of both. A pattern detected after the signal cannot have caused it.

    signals: a relation or CTE with signal_id, pattern_id, signal_type and available_at.
    patterns: one with pattern_id, pattern_type, pattern_signal, confidence, created_at and
        available_at.

    Columns: signal_id, pattern_id, pattern_type, pattern_signal, pattern_confidence, pattern_at and
    relation: confirm, contradict, or neutral where either says neither BUY nor SELL.
#}
{% macro known_patterns(signals, patterns) -%}
    select
        signals.signal_id,
        patterns.pattern_id,
        patterns.pattern_type,
        patterns.pattern_signal,
        patterns.confidence as pattern_confidence,
        patterns.created_at as pattern_at,
        case
            when signals.signal_type not in ('BUY', 'SELL') then 'neutral'
            when patterns.pattern_signal = signals.signal_type then 'confirm'
            when patterns.pattern_signal in ('BUY', 'SELL') then 'contradict'
            else 'neutral'
        end as relation
    from {{ signals }} as signals
    inner join {{ patterns }} as patterns
        on
            signals.pattern_id = patterns.pattern_id
            and signals.available_at >= patterns.available_at
{%- endmacro %}

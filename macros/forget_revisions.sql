{#
    The pre-hook of ensemble_revisions: those of decisions that changed go, or all where that is not
    known. Those that still are come again.
#}
{% macro forget_revisions() %}
    {% if execute and (is_from_changes() or is_incremental()) %}
        delete from {{ this }}
        where
            true
            {% if is_from_changes() %}
                and (symbol, decided_at) in (
                    select
                        changed.symbol,
                        changed.decided_at
                    from {{ changes_of('ensemble_decisions') }} as changed
                )
            {% endif %}
    {% endif %}
{% endmacro %}

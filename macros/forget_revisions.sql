{#
    The pre-hook of ensemble_revisions: those of decisions that changed go, or all where that is not
    known. Those that still are come again.
#}
{% macro forget_revisions() %}
    {% if execute and is_incremental() %}
        delete from {{ this }}
        {% if has_known_changes_of('ensemble_decisions') %}
            where (symbol, decided_at) in (
                select
                    symbol,
                    decided_at
                from {{ changes_of('ensemble_decisions') }} as changed
            )
        {% endif %}
    {% endif %}
{% endmacro %}

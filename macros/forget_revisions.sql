{#
    The pre-hook of ensemble_revisions: deletes the revisions of changed decisions, or all if the changes
    are unknown. The model then inserts the revisions that still hold.
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

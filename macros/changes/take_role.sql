{#
    For hooks before or after a run: dbt may have lost the profile's role with a transaction, and commits
    such hooks late, so these hooks take the role and commit by themselves.
#}
{% macro take_role() %}
    {% if target.get('role') %}
        set role {{ adapter.quote(target.role) }};
    {% endif %}
{% endmacro %}

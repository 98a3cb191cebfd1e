{#
    Statements that keep what the books say of the model that is built, and of the models that it
    reads, as it is until its transaction ends. Nothing keeps a plain dbt build and another build
    apart: where both touch one of these models, the later one waits here, and a model accounts for
    no other rows of its parents than those that it read.

    parents: names of models in the books, as SQL literals.
#}
{% macro hold_versions(parents) -%}
    select relation
    from {{ changes_table('relations') }}
    where relation = {{ relation_name(this) }}
    for update;
    {% if parents -%}
        select relation
        from {{ changes_table('relations') }}
        where relation in ({{ parents | join(', ') }})
        for share;
    {%- endif %}
{%- endmacro %}

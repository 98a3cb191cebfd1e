{#
    Statements that keep what the books say of the model that is built, and of the models that it
    reads, as it is until its transaction ends. Nothing keeps a plain dbt build and another build
    apart: where both touch one of these models, the later one waits here, and a model accounts for
    no other rows of its parents than those that it read. A client that sleeps meanwhile, as in a
    laptop that was closed, is not waited for.

    parents: names of models in the books, as SQL literals.
#}
{% macro hold_versions(parents) -%}
    set local idle_in_transaction_session_timeout = '60s';
    select pg_advisory_xact_lock(hashtextextended({{ relation_name(this) }}, 0));
    {% for parent in parents | sort -%}
        select pg_advisory_xact_lock_shared(hashtextextended({{ parent }}, 0));
    {% endfor -%}
{%- endmacro %}

{#
    Statements that keep what the books say of the model that is built, and of the models that it
    reads, as it is until its transaction ends. Nothing else keeps a plain dbt build and another one
    apart below staging: where both touch one of these models, the later one waits here, and a model
    accounts for no other rows of its parents than those that it read. A client that sleeps, as in a
    laptop that was closed, is waited for no longer than a minute, and one that is gone not at all.

    parents: names of models in the books, as SQL literals.
#}
{% macro hold_versions(parents) -%}
    select
        set_config('idle_in_transaction_session_timeout', '60s', true),
        set_config('client_connection_check_interval', '1s', true),
        {# A database may end long transactions; older servers know no such limit. #}
        case
            when current_setting('server_version_num')::integer >= 170000
                then set_config('transaction_timeout', '0', true)
        end;
    {% if not parents and not frozen_moment() -%}
        {% do wait_for_runner() %}
    {%- endif -%}
    {% if config.get('materialized') == 'incremental' -%}
        lock table {{ lock_table(relation_name(this)) }} in exclusive mode;
    {%- endif %}
    {% if parents -%}
        lock table
        {% for parent in parents -%}
            {{ lock_table(parent) }}{{ ',' if not loop.last }}
        {% endfor -%}
        in row share mode;
    {%- endif %}
{%- endmacro %}

{#
    Statements that lock the books' entries of the model and its parents until its transaction ends. Below
    staging, only these locks separate a plain dbt build from another build: if both touch one of these
    models, the later build waits here, and the versions that a model records are the versions that it
    read. A sleeping client (a closed laptop) is waited for at most a minute, a vanished client a second.

    parents: names of models in the books, as SQL literals.
#}
{% macro hold_versions(parents) -%}
    select
        set_config('idle_in_transaction_session_timeout', '60s', true),
        set_config('client_connection_check_interval', '1s', true),
        {# A database may have a limit for transactions; servers before 17 know no such limit. #}
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

{#
    A statement for a round of a watch: it fails if the model cannot be built from changes (is_known), and
    the round leaves the model to dbt (runner/build/rounds.py).
#}
{% macro refuse_unknown() -%}
    do $check$
    begin
        if not ({{ is_known() }}) then
            raise exception '{{ this }} is to be built in full' using errcode = 'SM101';
        end if;
    end
    $check$;
{%- endmacro %}

{#
    A statement that sets latest_moment() for a staging model in a round of a watch.
#}
{% macro take_latest_moment() -%}
    do $take$
    declare
        newest text := ({{ newest_moment() }});
    begin
        if newest is null then
            raise exception '{{ no_newest_moment() }}';
        end if;
        perform set_config('signal_marts.latest_moment', newest || '+00', true);
    end
    $take$;
{%- endmacro %}

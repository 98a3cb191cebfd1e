{#
    A pre-hook that turns settings of the planner off while a model is built in full. A build from changes
    starts from few rows and keeps the settings on, except for a model that is always computed whole.
#}
{% macro planner_without(settings) -%}
    {{ return(adapter.dispatch('planner_without')(settings)) }}
{%- endmacro %}

{% macro default__planner_without(settings) -%}
    {%- if not is_from_changes() or config.get('meta', {}).get('follows') == 'whole' -%}
        {%- for setting in settings -%}
            set local {{ setting }} = off{{ '; ' if not loop.last }}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}

{% macro spark__planner_without(settings) -%}
{%- endmacro %}

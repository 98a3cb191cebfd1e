{#
    The kinds of training records: of each its run_kind, its model of staging, the column that orders
    its steps, and the one with their value, of which more is better. An id orders them by their time
    first (created_at), a number alone. A line more here is a kind more in training_runs.
#}
{% macro training_kinds() -%}
    {{ return([
        ('episodes', 'stg_ai__rl_training_episodes', 'episode_number', 'total_reward'),
        ('generations', 'stg_ai__genetic_generations', 'generation_number', 'best_fitness'),
        ('analyses', 'stg_ai__spectrum_analyses', 'analysis_id', 'pattern_confidence'),
    ]) }}
{%- endmacro %}

{#
    Of a model, the episodes from the first changed one on: each looks back on two windows, and on the
    best one before it.
#}
{% macro affected_rl_progress() %}
    {{ affected_from_number(
        'stg_ai__rl_training_episodes',
        'episode_number',
        looks_back=2 * var('rl_reward_window_episodes') - 1
    ) }}
{% endmacro %}

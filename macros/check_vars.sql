{#
    Before a run: stops where a var has a value that the models cannot mean, and names every such var.

    Each var has its kind (whole, real, or positive: above 0), its least value, if there is one, and its
    greatest; by default the greatest is a million of whole numbers, and 1e15 of others, which is
    the limit of money.
#}
{% macro check_vars() -%}
    {%- set checked = [] -%}
    {%- for name, kind, least, greatest in [
        ('money_decimals', 'whole', 0, 18),
        ('account_decimals', 'whole', 0, var('money_decimals')),
        ('signal_lifetime_minutes', 'whole', 1, 100000000),
        ('rl_reward_window_episodes', 'whole', 1, none),
        ('anomaly_score_threshold', 'real', 0, none),
        ('ensemble_horizon_bars', 'whole', 1, none),
        ('ensemble_forecast_bars', 'whole', 1, none),
        ('ensemble_deadband', 'real', 0, 0.5),
        ('ensemble_share', 'real', 0, 1),
        ('validation_min_cases', 'whole', 1, none),
        ('confirmation_min_cases', 'whole', 1, none),
        ('training_window_steps', 'whole', 1, none),
        ('capital_base', 'positive', none, none),
        ('signal_stake', 'positive', none, none),
        ('periods_per_year', 'positive', none, none),
        ('rolling_sharpe_days', 'whole', 2, none),
        ('trial_block_days', 'whole', 1, none),
        ('trial_gap_days', 'whole', 0, var('trial_block_days') | float - 1),
        ('trial_margin', 'real', 0, 1),
        ('trial_level', 'positive', none, 1),
        ('trial_min_outcomes', 'whole', 1, none),
        ('trial_days', 'whole', 1, none),
        ('health_window_days', 'whole', 1, none),
        ('health_reference_signals', 'whole', 1, none),
        ('health_reference_days', 'whole', 1, none),
        ('trigger_hold_days', 'whole', 1, none),
        ('trigger_min_facts', 'whole', 1, none),
        ('trigger_min_days', 'whole', 1, none),
        ('trigger_certainty', 'real', 0, none),
        ('trigger_cooldown_days', 'whole', 0, none),
        ('trigger_shift', 'positive', none, none),
        ('trigger_calibration', 'positive', none, none),
        ('trigger_skill', 'positive', none, none),
        ('trigger_silence_days', 'whole', 1, none),
        ('trigger_loss_margin', 'real', 0, 1),
        ('trigger_loss_level', 'positive', none, 1),
        ('audit_max_delay_minutes', 'whole', 0, none),
        ('audit_max_ahead_seconds', 'whole', 0, none),
        ('audit_price_tolerance', 'real', 0, 1),
        ('index_unused_days', 'whole', 1, none),
        ('impact_build_share', 'positive', none, 1),
        ('impact_min_windows', 'whole', 5, none),
        ('forecast_min_days', 'whole', 6, none),
        ('build_history_days', 'whole', 1, none)
    ] -%}
        {%- do checked.append((name, var(name), kind, least, greatest)) -%}
    {%- endfor -%}
    {%- set horizons = var('skill_horizons_bars') -%}
    {%- if horizons is string or horizons is not sequence or not horizons -%}
        {%- set horizons = [none] -%}
    {%- endif -%}
    {%- for horizon in horizons -%}
        {%- do checked.append((
            'an entry of skill_horizons_bars',
            horizon, 'whole', loop.previtem | default(0) | float + 1, none
        )) -%}
    {%- endfor -%}
    {%- set bases = var('capital_bases') -%}
    {%- for base in (bases.values() if bases is mapping else [none]) -%}
        {%- do checked.append((
            'an amount of capital_bases', base, 'positive', none, none
        )) -%}
    {%- endfor -%}
    {%- set limits = var('storage_limits') -%}
    {%- for limit in (limits.values() if limits is mapping else [none]) -%}
        {%- do checked.append((
            'a limit of storage_limits', limit, 'whole', 1, 1000000000000000000
        )) -%}
    {%- endfor -%}
    {%- set wrong = [] -%}
    {%- for side in (limits if limits is mapping else [])
        if side not in ['primary', 'replica']
    -%}
        {%- do wrong.append(
            'a side of storage_limits is ' ~ side ~ ', and must be primary or replica'
        ) -%}
    {%- endfor -%}
    {%- set groups = var('role_groups') -%}
    {%- for group in (groups.values() if groups is mapping else [none])
        if group not in ['trading', 'ai', 'analytics']
    -%}
        {%- do wrong.append(
            'a group of role_groups is ' ~ group ~ ', and must be trading, ai or analytics'
        ) -%}
    {%- endfor -%}
    {%- for name, value, kind, least, greatest in checked -%}
        {%- set most = greatest if greatest is number
            else 1000000 if kind == 'whole' else 1000000000000000 -%}
        {%- if not (
            value is number
            and value is not boolean
            and (value is integer or kind != 'whole')
            and (value > 0 or kind != 'positive')
            and (least is none or value >= least)
            and value <= most
        ) -%}
            {%- do wrong.append(
                name ~ ' is ' ~ value ~ ', and must be a ' ~ kind ~ ' number'
                ~ ('' if least is none else ' from ' ~ least ~ ' on')
                ~ ' up to ' ~ most
            ) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if wrong -%}
        {{ exceptions.raise_compiler_error(
            'vars of dbt_project.yml, or of --vars: ' ~ wrong | join('; ')
        ) }}
    {%- endif -%}
{%- endmacro %}

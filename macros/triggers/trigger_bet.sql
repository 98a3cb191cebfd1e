{#
    The joins for a bet on a stretch of days losing more than the reference's bound: `wealths`, and `bounds` for
    the next one.

    yesterday: the relation of the day before, with trigger_state().
    day: an expression for the day.
#}
{% macro trigger_bet(yesterday, day) -%}
    {%- set reason = yesterday ~ '.reason' -%}
    {%- set of_model = yesterday ~ '.model_id' -%}
    {%- set wealths = [] -%}
    {%- for bet in trial_bets() -%}
        {%- do wealths.append(
            'greatest(case when started.is_new then 1 else ' ~ yesterday ~ '.wealth_'
            ~ loop.index ~ ' end * (1 + ' ~ bet ~ ' * shares.share), 1e-100) as wealth_'
            ~ loop.index
        ) -%}
    {%- endfor -%}
    {%- set block_days = var('trial_block_days') -%}
    left join {{ ref('int_health_loss_clusters') }} as clusters
        on
            {{ reason }} = 'loss'
            and clusters.model_id = {{ of_model }}
            and clusters.health_date = {{ day }}
            and clusters.health_date - {{ block_days }} >= completed.last_date
    cross join lateral (
        select
            cast(mean_loss as {{ type_double() }})
            + {{ var('trigger_loss_margin') }}
            + 1.6448536269514722 * sqrt(cast((
                select sum(
                    (stored.excess_loss - mean_loss * stored.forecasts)
                    * (stored.excess_loss - mean_loss * stored.forecasts)
                )
                from {{ ref('int_health_days') }} as stored
                where
                    stored.model_id = clusters.model_id
                    and stored.health_date
                    between started.first_date and completed.last_date
            ) as {{ type_double() }}))
            / cast(reference_forecasts as {{ type_double() }}) as allowed_loss
        from (
            select
                reference.forecasts - coalesce(reference_before.forecasts, 0)
                    as reference_forecasts,
                round(
                    (reference.excess_loss - coalesce(reference_before.excess_loss, 0))
                    / nullif(
                        reference.forecasts - coalesce(reference_before.forecasts, 0), 0
                    ),
                    15
                ) as mean_loss
        ) as means
    ) as allowed
    cross join lateral (
        select greatest(
            case when started.is_new then 0 else {{ yesterday }}.most_loss end,
            coalesce(
                clusters.most_excess_loss
                + abs(allowed.allowed_loss) * clusters.forecasts,
                0
            )
        ) as most_loss
    ) as bounds
    cross join lateral (
        select
            coalesce(
                (clusters.excess_loss - allowed.allowed_loss * clusters.forecasts)
                / nullif(
                    greatest(
                        clusters.most_excess_loss
                        + abs(allowed.allowed_loss) * clusters.forecasts,
                        1.5 * case
                            when started.is_new then 0 else {{ yesterday }}.most_loss
                        end
                    ),
                    0
                ),
                0
            ) as share
    ) as shares
    cross join lateral (
        select
            {{ wealths | join(', ') }}
    ) as wealths
{%- endmacro %}

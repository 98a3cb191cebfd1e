-- Grain: a signal. Times are UTC.

{{ config(
    unique_key='signal_id',
    meta={
        'follows': {
            'stg_ai__trading_signals': 'signal_id',
            'int_orders_attributed': 'signal_id',
            'stg_platform__trading_orders': through(
                'int_orders_attributed', 'order_id'
            ),
            'stg_ai__models': through('stg_ai__trading_signals', 'model_id'),
            'stg_platform__micro_patterns': through(
                'stg_ai__trading_signals', 'pattern_id'
            ),
            'stg_platform__trade_plans': through(
                'stg_ai__trading_signals', 'trade_plan_id'
            )
        }
    },
    tags=['live'],
    indexes=[{'columns': ['symbol', 'created_at']}]
) }}

with signals as (

    select *
    from {{ followed('stg_ai__trading_signals') }}

),

models as (

    select * from {{ ref('stg_ai__models') }}

),

patterns as (

    select * from {{ ref('stg_platform__micro_patterns') }}

),

matched_patterns as (

    {{ known_patterns('signals', 'patterns') }}

),

trade_plans as (

    select * from {{ ref('stg_platform__trade_plans') }}

),

orders as (

    select * from {{ ref('stg_platform__trading_orders') }}

),

attributed_orders as (

    select *
    from {{ followed('int_orders_attributed') }}

),

numbered_orders as (

    select
        attributed_orders.signal_id,
        orders.order_id,
        orders.order_status,
        orders.account,
        orders.currency,
        orders.filled_quantity,
        orders.created_at,
        row_number() over (
            partition by attributed_orders.signal_id
            order by orders.created_at desc, orders.order_id desc
        ) as reverse_number
    from attributed_orders
    inner join orders
        on attributed_orders.order_id = orders.order_id
    where attributed_orders.signal_id is not null

),

-- One row a signal before the join, so that its orders do not multiply it.
signal_orders as (

    select
        signal_id,
        count(*) as order_count,
        cast(sum(filled_quantity) as {{ type_money() }}) as filled_quantity,
        max(order_id) filter (where reverse_number = 1) as last_order_id,
        max(order_status) filter (where reverse_number = 1) as last_order_status,
        max(account) filter (where reverse_number = 1) as last_account,
        max(currency) filter (where reverse_number = 1) as last_currency,
        max(created_at) filter (where reverse_number = 1) as last_order_at
    from numbered_orders
    group by signal_id

),

signal_confluence as (

    select
        signals.signal_id,
        signals.model_id,
        coalesce(models.model_name, 'unknown') as model_name,
        coalesce(models.model_version, 'unknown') as model_version,
        coalesce(models.model_type, 'unknown') as model_type,
        signals.symbol,
        signals.signal_type,
        signals.confidence,
        signals.signal_status as status,
        signals.created_at,
        signals.expires_at,
        matched_patterns.pattern_id,
        matched_patterns.pattern_type,
        matched_patterns.pattern_signal,
        matched_patterns.pattern_confidence,
        matched_patterns.pattern_at,
        coalesce(matched_patterns.relation, 'no_pattern') as relation,
        signals.trade_plan_id,
        trade_plans.strategy as plan_strategy,
        trade_plans.entry_price_target as plan_entry_price,
        trade_plans.stop_loss_price as plan_stop_loss_price,
        trade_plans.take_profit_price as plan_take_profit_price,
        coalesce(signal_orders.order_count, 0) as order_count,
        signal_orders.last_order_id,
        signal_orders.last_order_status,
        signal_orders.last_order_at,
        coalesce(signal_orders.last_account, trade_plans.account) as account,
        coalesce(signal_orders.last_currency, trade_plans.currency) as currency,
        cast(
            coalesce(signal_orders.filled_quantity, 0) as {{ type_money() }}
        ) as filled_quantity,
        signals.available_at
    from signals
    left join models
        on signals.model_id = models.model_id
    left join matched_patterns
        on signals.signal_id = matched_patterns.signal_id
    left join trade_plans
        on signals.trade_plan_id = trade_plans.trade_plan_id
    left join signal_orders
        on signals.signal_id = signal_orders.signal_id

)

select * from signal_confluence

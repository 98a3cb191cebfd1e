select
    min(trading_date) as first_date,
    max(trading_date) as last_date
from performance.daily_performance

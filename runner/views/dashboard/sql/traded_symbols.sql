select distinct symbol as name
from performance.symbol_performance

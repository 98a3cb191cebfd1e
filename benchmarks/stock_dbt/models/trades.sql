{{ config(materialized='table') }}

-- Matched first in, first out, trades need all orders.
select * from ({trades}) as trades

"""What the texts of statements say: tables, and what parameters are compared with."""

from __future__ import annotations

import pytest

from runner.advice.statement_texts import Name, is_foreign, read, tables_named

ORDERS, PLANS, ODD = Name("public", "orders"), Name("public", "plans"), Name("desk", 'Odd "one"')
COLUMNS = {ORDERS: ("id", "plan_id", "symbol", "price", "at"), PLANS: ("id", "symbol", "name")}


@pytest.mark.parametrize(
    ("text", "uses"),
    [
        ("select * from orders where symbol = $1", {1: "symbol of a row"}),
        ("select * from orders where $1::text = symbol", {1: "symbol of a row"}),
        ("select * from Orders where price>$1", {1: "lower end of a range of price"}),
        ("select * from orders where $1 > price", {1: "upper end of a range of price"}),
        (
            "select * from orders where at between $1::timestamp with time zone and $2 limit $3",
            {1: "lower end of a range of at", 2: "upper end of a range of at", 3: "limit"},
        ),
        (
            "select * from orders where symbol in ($1, $2) and id = any($3::bigint[])",
            {1: "symbol of a row", 2: "symbol of a row", 3: "id of a row"},
        ),
        (
            "select $1 from orders o join plans as p on p.id = o.plan_id"
            " where p.symbol = $2 and o.symbol = $3 offset $4",
            {1: "constant", 2: "symbol of a row", 3: "symbol of a row", 4: "offset"},
        ),
        (
            "update orders set price = $1, symbol = $2 where id = $3",
            {1: "price of a row", 2: "symbol of a row", 3: "id of a row"},
        ),
        ("select * from orders where price > $1 * 2", {}),
        ("select * from orders where at > now() - $1::interval", {}),
        ("select * from orders, plans where symbol = $1", {}),
        ("select * from orders where lower(symbol) = $1", {}),
    ],
)
def test_parameters(text: str, uses: dict[int, str]) -> None:
    told = read(text, {name: COLUMNS[name] for name in tables_named(text, [*COLUMNS])})
    assert {number: str(use) for number, use in told.uses.items()} == uses
    assert len(told.uses) + len(told.unknown) == text.count("$")


def test_a_parameter_belongs_to_the_table_of_its_alias() -> None:
    told = read("select 1 from orders o, plans p where p.symbol = $1 and o.symbol = $2", COLUMNS)
    assert {number: use.table for number, use in told.uses.items()} == {1: "plans", 2: "orders"}


def test_tables_lose_their_schema_and_nothing_else_does() -> None:
    text = 'select desk."Odd ""one""".id, orders.id from desk."Odd ""one""", public.orders as o;'
    assert tables_named(text, [ORDERS, PLANS, ODD]) == {ORDERS, ODD}
    told = read(text, {ORDERS: (), ODD: ()})
    assert told.text == (
        'select "Odd ""one""" . id , orders . id from "Odd ""one""" , "orders" as o'
    )


def test_a_name_of_two_schemas_is_that_of_public() -> None:
    others = [Name("a", "fills"), Name("b", "fills"), Name("b", "orders")]
    assert tables_named("select from fills, orders", [ORDERS, *others]) == {ORDERS}
    assert tables_named("select from b.fills", others) == {Name("b", "fills")}


@pytest.mark.parametrize(
    ("tail", "told"),
    [
        ("USING btree (symbol) WHERE (price > 0.5)", False),
        ("USING btree (pg_catalog.lower(symbol) text_pattern_ops)", False),
        ("USING btree (symbol, public.f(price))", True),
        ("USING btree (price public.my_ops)", True),
        ("USING btree (((price)::public.dom))", True),
        ("USING btree (((price OPERATOR(public.#) quantity)))", True),
        ('USING btree (symbol COLLATE "Of a schema" . "c")', True),
        ("USING btree (((symbol).f))", True),
    ],
)
def test_names_of_other_schemas(tail: str, told: bool) -> None:
    assert is_foreign(tail) == told

"""The page of the products is that of their declarations."""

from pathlib import Path

from eicpy import products

PAGE = Path(__file__).resolve().parents[2] / "docs" / "products.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == products.describe_products(), "write describe_products() into docs/products.md"


def test_every_declaration_says_what_is_ours() -> None:
    for product in products.PRODUCTS.values():
        assert products.canonical_card(product.card) == product.card
        for table in product.tables:
            names = [column.name for column in table.columns]
            assert len(names) == len(set(names))
            assert all(column.description for column in table.columns)
            assert not product.own or (table.own and all(c.own for c in table.columns if c.name != "DETNUM"))

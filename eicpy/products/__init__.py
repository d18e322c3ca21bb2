"""Products: FITS cards, columns and names declared once; atomic writing, strict reading, provenance.

The room knows no physics: its callers say what to write and by whom.
"""

from typing import TYPE_CHECKING

from eicpy.lazy import attach
from eicpy.moved import moved_names

if TYPE_CHECKING:
    from eicpy.products.declarations import (
        PRODUCTS,
        declare,
        definition,
        parse_product_file_name,
        product_file_name,
    )
    from eicpy.products.definitions import (
        Column,
        ProductDefinition,
        TableDefinition,
        canonical_card,
        card_for,
    )
    from eicpy.products.description import describe_products
    from eicpy.products.headers import Header, Issuer, span_cards
    from eicpy.products.observation import Observation
    from eicpy.products.product import (
        Product,
        ProductTable,
        header_values,
        provenance_of,
        read_product,
        read_table,
        row_dtype,
        table_blocks,
        write_product,
    )
    from eicpy.products.provenance import InputFile, Provenance, software_commit, software_versions
    from eicpy.products.structure import Unit, read_structure, reading, verify_unit
    from eicpy.products.time_reference import TimeReference
    from eicpy.products.writer import ProductWriter, TableWriter
else:
    __getattr__, __dir__ = attach(__name__, __file__, moved_names(__name__))

__all__ = [
    "PRODUCTS",
    "Column",
    "Header",
    "InputFile",
    "Issuer",
    "Observation",
    "Product",
    "ProductDefinition",
    "ProductTable",
    "ProductWriter",
    "Provenance",
    "TableDefinition",
    "TableWriter",
    "TimeReference",
    "Unit",
    "canonical_card",
    "card_for",
    "declare",
    "definition",
    "describe_products",
    "header_values",
    "parse_product_file_name",
    "product_file_name",
    "provenance_of",
    "read_product",
    "read_structure",
    "read_table",
    "reading",
    "row_dtype",
    "software_commit",
    "software_versions",
    "span_cards",
    "table_blocks",
    "verify_unit",
    "write_product",
]

"""The catalogue of products: which files were made, what they are about, and their hashes."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from eicpy.operations.database import Database
from eicpy.operations.models import ProductRow

__all__ = ["ProductEntry", "add_product", "products"]


@dataclass(frozen=True)
class ProductEntry:
    """What the catalogue keeps about a product file.

    Parameters
    ----------
    instrument, card, night
        The detector, the card of the product (for example AUX-ECL-PIX-CAL), and the night it was made for.
    file
        Its path.
    sha256
        Hash of its content.
    valid_from, valid_to
        The time it is about, s (TT since MJDREFI 57754); None where that makes no sense.
    simulated
        Whether its inputs are simulated; None where that is not known.
    """

    instrument: str
    card: str
    night: str
    file: Path
    sha256: str
    valid_from: float | None = None
    valid_to: float | None = None
    simulated: bool | None = None


def add_product(database: Database, entry: ProductEntry) -> ProductRow:
    """Enter a product, or bring the entry of the same file up to date."""

    def work(session: Session) -> ProductRow:
        product = session.scalars(select(ProductRow).where(ProductRow.file == str(entry.file))).one_or_none()
        if product is None:
            product = ProductRow(file=str(entry.file))
            session.add(product)
        product.instrument, product.card, product.night = entry.instrument, entry.card, entry.night
        product.sha256, product.simulated = entry.sha256, entry.simulated
        product.valid_from, product.valid_to = entry.valid_from, entry.valid_to
        product.created_at = datetime.now(tz=UTC)
        return product

    return database.change(work)


def products(
    database: Database, *, instrument: str | None = None, card: str | None = None, night: str | None = None
) -> list[ProductRow]:
    """Products in the order they were made, of an instrument, a card and a night where given."""
    query = select(ProductRow).order_by(ProductRow.created_at, ProductRow.id)
    if instrument is not None:
        query = query.where(ProductRow.instrument == instrument)
    if card is not None:
        query = query.where(ProductRow.card == card)
    if night is not None:
        query = query.where(ProductRow.night == night)
    return database.fetch(lambda session: list(session.scalars(query)))

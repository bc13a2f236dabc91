"""Lands a batch of sample shop data, so that the example pipelines run on an empty catalog.

Creates the schemas and volumes of the examples where they are missing and writes one new file per table to
/Volumes/<catalog>/landing/files. Every run adds files, as a shop system would; nothing is ever deleted.
"""

import argparse
import csv
import json
import random
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

SCHEMAS = ("landing", "bronze", "silver", "gold")
VOLUMES = ("landing.files", "landing.checkpoints", "gold.reports")
COUNTRIES = ("DE", "ES", "FR", "NL", "SE")
STATUSES = ("Paid", "paid ", "shipped", "cancelled")
PRODUCTS = {1: ("Espresso machine", "kitchen"), 2: ("Desk lamp", "office"), 3: ("Rain jacket", "outdoor")}
CUSTOMER_COUNT = 25

Row = dict[str, Any]


def create_schemas_and_volumes(spark: SparkSession, catalog: str) -> None:
    for schema in SCHEMAS:
        spark.sql(f"CREATE SCHEMA IF NOT EXISTS {quoted(f'{catalog}.{schema}')}")
    for volume in VOLUMES:
        spark.sql(f"CREATE VOLUME IF NOT EXISTS {quoted(f'{catalog}.{volume}')}")


def quoted(name: str) -> str:
    """The back-quoted form of a dotted name: main.landing becomes `main`.`landing`."""
    return ".".join("`" + part.replace("`", "``") + "`" for part in name.split("."))


def sample_customers(now: datetime) -> list[Row]:
    return [
        {
            "customer_id": number,
            "name": f"Customer {number}",
            # The shop does not know every address: the data quality checks have something to count.
            "email": f"customer{number}@example.com" if number % 20 else None,
            "country": COUNTRIES[number % len(COUNTRIES)],
            "updated_at": now.isoformat(timespec="seconds"),
        }
        for number in range(1, CUSTOMER_COUNT + 1)
    ]


def sample_orders(now: datetime, count: int, days: int) -> list[Row]:
    """Orders spread over the last days, spelled and typed as loosely as real exports are."""
    return [
        {
            "order_id": f"{now:%Y%m%d%H%M%S}-{number:05d}",
            "customer_id": str(random.randint(1, CUSTOMER_COUNT)),
            "ordered_at": (now - timedelta(minutes=random.randint(0, days * 24 * 60))).isoformat(timespec="seconds"),
            "status": random.choice(STATUSES),
            # Now and then an amount that is no number: silver leaves such an order out.
            "amount": "n/a" if number % 100 == 0 else f"{random.uniform(5, 250):.2f}",
        }
        for number in range(1, count + 1)
    ]


def sample_order_items(orders: list[Row]) -> list[Row]:
    return [
        {
            "order_item_id": f"{order['order_id']}-{line}",
            "order_id": order["order_id"],
            "product_id": random.choice(list(PRODUCTS)),
            "quantity": random.randint(1, 3),
            "unit_price": round(random.uniform(5, 80), 2),
        }
        for order in orders
        for line in range(1, random.randint(2, 4))
    ]


def sample_products() -> list[Row]:
    return [{"product_id": number, "name": name, "category": category} for number, (name, category) in PRODUCTS.items()]


def write_json_lines(rows: list[Row], file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_csv(rows: list[Row], file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--catalog", required=True, help="catalog to create the schemas and volumes in")
    parser.add_argument("--orders", type=int, default=500, help="how many orders to land")
    parser.add_argument("--days", type=int, default=7, help="how many days back the orders reach")
    arguments = parser.parse_args()

    create_schemas_and_volumes(SparkSession.builder.getOrCreate(), arguments.catalog)

    now = datetime.now(timezone.utc)
    batch = f"{now:%Y%m%dT%H%M%S}"
    files = Path("/Volumes") / arguments.catalog / "landing" / "files"
    orders = sample_orders(now, arguments.orders, arguments.days)
    write_csv(sample_customers(now), files / "customers" / f"{batch}.csv")
    write_json_lines(orders, files / "orders" / f"{batch}.json")
    write_json_lines(sample_order_items(orders), files / "order_items" / f"{batch}.json")
    write_json_lines(sample_products(), files / "products" / f"{batch}.json")
    print(f"Landed {len(orders)} orders in {files}.")


if __name__ == "__main__":
    main()
